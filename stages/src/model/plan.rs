//! A model made concrete for one image size and class count: every layer's shapes and parameters, checked.

use std::fmt;
use std::ops::Range;

use super::spec::{Conv, Extent, Layer, LayerKind, Model, Padding};

/// What flows between layers, per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Height, width, channels.
    Image(usize, usize, usize),
    /// Values.
    Vector(usize),
}

impl Shape {
    /// The extents as a list, without the batch.
    pub fn dims(self) -> Vec<usize> {
        match self {
            Self::Image(h, w, c) => vec![h, w, c],
            Self::Vector(n) => vec![n],
        }
    }

    /// The number of values.
    pub fn len(self) -> usize {
        match self {
            Self::Image(h, w, c) => h * w * c,
            Self::Vector(n) => n,
        }
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(h, w, c) => write!(f, "{h}x{w}x{c}"),
            Self::Vector(n) => write!(f, "{n}"),
        }
    }
}

/// What a parameter is, which decides how it begins and whether it is trained and decayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Kernel of a convolution or a dense layer; glorot-uniform.
    Kernel {
        /// Values that enter one output.
        fan_in: usize,
        /// Outputs that one value enters.
        fan_out: usize,
    },
    /// Added to an output; begins at 0.
    Bias,
    /// Factor of a normalised channel; begins at 1.
    Scale,
    /// Running mean of a channel; begins at 0; not trained.
    RunningMean,
    /// Running variance of a channel; begins at 1; not trained.
    RunningVariance,
}

impl Role {
    /// Whether gradients change it.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVariance)
    }
}

/// One named array of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `conv1.weight`.
    pub name: String,
    /// `[KH, KW, C, O]` of a convolution, `[I, O]` of a dense layer, `[C]` otherwise.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

impl Parameter {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A layer with its shapes.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer's name.
    pub name: String,
    /// The layer as the model says, `units` filled in.
    pub kind: LayerKind,
    /// Its input, per image.
    pub input: Shape,
    /// Its output, per image.
    pub output: Shape,
    /// Its parameters, inner layers included: a range of [`Plan::parameters`].
    pub parameters: Range<usize>,
    /// The inner lists of a block, in the order of [`LayerKind::inner`].
    pub inner: Vec<Vec<Step>>,
    /// The 1x1 convolution of a residual block's shortcut, where shapes differ.
    pub projection: Option<Box<Step>>,
}

/// A model made concrete.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Height, width and channels of the images.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The layers in order.
    pub steps: Vec<Step>,
    /// Every parameter, in the order of the layers.
    pub parameters: Vec<Parameter>,
}

/// A layer that cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer `{layer}`: {message}")]
pub struct PlanError {
    /// The layer.
    pub layer: String,
    /// What is wrong.
    pub message: String,
}

/// Images or vectors: all that can be said of shapes before the data are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Height, width, channels.
    Image,
    /// Values.
    Vector,
}

/// Follows ranks through layers.
///
/// # Errors
/// The first layer that cannot take what reaches it.
pub fn rank(layers: &[Layer], input: Rank) -> Result<Rank, PlanError> {
    layers.iter().try_fold(input, |rank, layer| {
        let refuse = |message: &str| Err(PlanError { layer: layer.name.clone(), message: message.to_owned() });
        match (&layer.kind, rank) {
            (LayerKind::Dense(_), Rank::Image) => {
                refuse("a dense layer needs vectors: put `flatten` or `global_avg_pool` before it")
            }
            (LayerKind::Dropout(_), rank) => Ok(rank),
            (LayerKind::Residual(block), rank) => {
                if self::rank(&block.layers, rank)? == rank {
                    Ok(rank)
                } else {
                    refuse("the inner layers turn images into vectors, so there is nothing to add the shortcut to")
                }
            }
            (LayerKind::Dense(_), Rank::Vector) => Ok(Rank::Vector),
            (LayerKind::BatchNorm(_), rank) => Ok(rank),
            (_, Rank::Vector) => refuse(&format!("`{}` needs images, but vectors reach it", layer.kind.type_name())),
            (LayerKind::Flatten(_) | LayerKind::GlobalAvgPool(_), Rank::Image) => Ok(Rank::Vector),
            (LayerKind::Inception(block), Rank::Image) => {
                for branch in &block.branches {
                    if self::rank(branch, Rank::Image)? != Rank::Image {
                        return refuse("a branch turns images into vectors, so channels cannot be concatenated");
                    }
                }
                Ok(Rank::Image)
            }
            (LayerKind::Conv(_) | LayerKind::MaxPool(_) | LayerKind::AvgPool(_), Rank::Image) => Ok(Rank::Image),
        }
    })
}

/// The layer by which a model has more parameters than [`MOST_PARAMETERS`] on images of one pixel already.
pub(super) fn too_large(layers: &[Layer]) -> Option<String> {
    /// Walks a list of layers that is given so many channels at least; how many it gives, or the layer that is too much.
    fn walk(layers: &[Layer], mut channels: usize, all: &mut usize) -> Result<usize, String> {
        for layer in layers {
            let (own, after) = match &layer.kind {
                LayerKind::Conv(conv) => {
                    let window = conv.kernel.height.saturating_mul(conv.kernel.width);
                    (window.saturating_mul(channels).saturating_mul(conv.filters), conv.filters)
                }
                LayerKind::Dense(dense) => {
                    let units = dense.units.unwrap_or(1);
                    (channels.saturating_mul(units), units)
                }
                LayerKind::Residual(block) => (0, walk(&block.layers, channels, all)?),
                LayerKind::Inception(block) => {
                    let mut sum = 0;
                    for branch in &block.branches {
                        sum += walk(branch, channels, all)?;
                    }
                    (0, sum)
                }
                _ => (0, channels),
            };
            *all = all.saturating_add(own);
            if *all > MOST_PARAMETERS {
                return Err(layer.name.clone());
            }
            channels = after;
        }
        Ok(channels)
    }
    walk(layers, 1, &mut 0).err()
}

/// The most parameters a model may have: 8 GB of weights, of which training with Adam keeps four more copies.
pub const MOST_PARAMETERS: usize = 2_000_000_000;

/// The most values that a layer may make of an image: a batch of 32 takes 13 GB then.
const MOST_VALUES: usize = 100_000_000;

impl Plan {
    /// Infers every shape for images of `input` = [height, width, channels] and a number of classes.
    ///
    /// # Errors
    /// The first layer that does not fit.
    pub fn new(model: &Model, input: [usize; 3], classes: usize) -> Result<Self, PlanError> {
        let [h, w, c] = input;
        let mut planner = Planner { classes, parameters: Vec::new() };
        let steps = planner.steps(&model.layers, Shape::Image(h, w, c))?;
        let last = steps.last().ok_or_else(|| error("", "the model has no layers"))?;
        if last.output != Shape::Vector(classes) {
            let message =
                format!("the model gives {} values an image, but the data have {classes} classes", last.output);
            return Err(error(&last.name, &message));
        }
        Ok(Self { input, classes, steps, parameters: planner.parameters })
    }

    /// The number of values in all parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// The number of values in trained parameters.
    pub fn trained_count(&self) -> usize {
        self.parameters.iter().filter(|p| p.role.is_trained()).map(Parameter::len).sum()
    }

    /// The parameter that is the last kernel in the order of the layers. In most models it gives the classes.
    pub fn last_kernel(&self) -> Option<usize> {
        self.parameters.iter().rposition(|p| matches!(p.role, Role::Kernel { .. }))
    }

    /// A layer by name, blocks included.
    pub fn step(&self, name: &str) -> Option<&Step> {
        fn find<'a>(steps: &'a [Step], name: &str) -> Option<&'a Step> {
            steps
                .iter()
                .find_map(|s| if s.name == name { Some(s) } else { s.inner.iter().find_map(|inner| find(inner, name)) })
        }
        find(&self.steps, name)
    }

    /// The names of all layers, blocks included, in order.
    pub fn names(&self) -> Vec<&str> {
        fn collect<'a>(steps: &'a [Step], names: &mut Vec<&'a str>) {
            for step in steps {
                names.push(&step.name);
                step.inner.iter().for_each(|inner| collect(inner, names));
            }
        }
        let mut names = Vec::new();
        collect(&self.steps, &mut names);
        names
    }
}

fn error(layer: &str, message: &str) -> PlanError {
    PlanError { layer: layer.to_owned(), message: message.to_owned() }
}

struct Planner {
    classes: usize,
    parameters: Vec<Parameter>,
}

impl Planner {
    fn steps(&mut self, layers: &[Layer], mut input: Shape) -> Result<Vec<Step>, PlanError> {
        let mut steps = Vec::with_capacity(layers.len());
        for layer in layers {
            let step = self.step(layer, input)?;
            input = step.output;
            steps.push(step);
        }
        Ok(steps)
    }

    /// Adds a parameter, if the model does not outgrow memory by it.
    fn parameter(&mut self, layer: &str, part: &str, shape: Vec<usize>, role: Role) -> Result<(), PlanError> {
        let before: usize = self.parameters.iter().map(Parameter::len).sum();
        let own = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
        if own.and_then(|own| own.checked_add(before)).is_none_or(|all| all > MOST_PARAMETERS) {
            let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
            let message =
                format!("its {part} of {shape} values makes the model larger than {MOST_PARAMETERS} parameters");
            return Err(error(layer, &message));
        }
        self.parameters.push(Parameter { name: format!("{layer}.{part}"), shape, role });
        Ok(())
    }

    fn step(&mut self, layer: &Layer, input: Shape) -> Result<Step, PlanError> {
        let name = layer.name.as_str();
        let first = self.parameters.len();
        let mut kind = layer.kind.clone();
        let (mut inner, mut projection) = (Vec::new(), None);
        let output = match (&mut kind, input) {
            (LayerKind::Conv(conv), Shape::Image(h, w, c)) => self.conv(name, conv, (h, w, c))?,
            (LayerKind::MaxPool(pool) | LayerKind::AvgPool(pool), Shape::Image(h, w, c)) => {
                let (h, w) = windows(name, (h, w), Extent::square(pool.size), pool.step(), pool.padding)?;
                Shape::Image(h, w, c)
            }
            (LayerKind::GlobalAvgPool(_), Shape::Image(_, _, c)) => Shape::Vector(c),
            (LayerKind::Flatten(_), shape @ Shape::Image(..)) => Shape::Vector(shape.len()),
            (LayerKind::Dense(dense), Shape::Vector(inputs)) => {
                let units = *dense.units.get_or_insert(self.classes);
                let role = Role::Kernel { fan_in: inputs, fan_out: units };
                self.parameter(name, "weight", vec![inputs, units], role)?;
                self.parameter(name, "bias", vec![units], Role::Bias)?;
                Shape::Vector(units)
            }
            (LayerKind::Dropout(_), shape) => shape,
            (LayerKind::BatchNorm(_), shape) => {
                let (Shape::Image(_, _, c) | Shape::Vector(c)) = shape;
                self.parameter(name, "scale", vec![c], Role::Scale)?;
                self.parameter(name, "bias", vec![c], Role::Bias)?;
                self.parameter(name, "mean", vec![c], Role::RunningMean)?;
                self.parameter(name, "variance", vec![c], Role::RunningVariance)?;
                shape
            }
            (LayerKind::Residual(block), shape) => {
                inner.push(self.steps(&block.layers, shape)?);
                let output = inner[0].last().map_or(shape, |s| s.output);
                if output != shape {
                    projection = Some(Box::new(self.project(name, shape, output)?));
                }
                output
            }
            (LayerKind::Inception(block), shape @ Shape::Image(..)) => {
                for branch in &block.branches {
                    inner.push(self.steps(branch, shape)?);
                }
                concatenated(name, &inner)?
            }
            (kind, shape) => {
                return Err(error(name, &format!("`{}` cannot take {shape} values", kind.type_name())));
            }
        };
        if output.is_empty() {
            return Err(error(name, &format!("nothing is left of an input of {input}")));
        }
        if output.len() > MOST_VALUES {
            return Err(error(name, &format!("gives {output} values an image, more than {MOST_VALUES}")));
        }
        let parameters = first..self.parameters.len();
        Ok(Step { name: name.to_owned(), kind, input, output, parameters, inner, projection })
    }

    fn conv(&mut self, name: &str, conv: &Conv, (h, w, c): (usize, usize, usize)) -> Result<Shape, PlanError> {
        let (oh, ow) = windows(name, (h, w), conv.kernel, conv.stride, conv.padding)?;
        let Extent { height, width } = conv.kernel;
        let role = Role::Kernel { fan_in: height * width * c, fan_out: height * width * conv.filters };
        self.parameter(name, "weight", vec![height, width, c, conv.filters], role)?;
        self.parameter(name, "bias", vec![conv.filters], Role::Bias)?;
        Ok(Shape::Image(oh, ow, conv.filters))
    }

    /// The shortcut of a residual block whose inner layers change the shape.
    fn project(&mut self, block: &str, from: Shape, to: Shape) -> Result<Step, PlanError> {
        let (Shape::Image(h, w, _), Shape::Image(oh, ow, filters)) = (from, to) else {
            return Err(error(block, &format!("a shortcut cannot turn {from} into {to}")));
        };
        let fits = |stride: &usize| (h.div_ceil(*stride), w.div_ceil(*stride)) == (oh, ow);
        let Some(stride) = (1..=h.max(w)).find(fits) else {
            return Err(error(block, &format!("no stride of a 1x1 shortcut turns {from} into {to}")));
        };
        let conv = Conv {
            filters,
            kernel: Extent::square(1),
            stride,
            padding: Padding::Same,
            activation: super::spec::Activation::None,
        };
        self.step(&Layer { name: format!("{block}_projection"), kind: LayerKind::Conv(conv) }, from)
    }
}

fn windows(
    layer: &str,
    (h, w): (usize, usize),
    size: Extent,
    stride: usize,
    padding: Padding,
) -> Result<(usize, usize), PlanError> {
    let along = |length: usize, size: usize| match padding {
        Padding::Same => Some(length.div_ceil(stride)),
        Padding::Valid => length.checked_sub(size).map(|rest| rest / stride + 1),
    };
    match (along(h, size.height), along(w, size.width)) {
        (Some(h), Some(w)) => Ok((h, w)),
        _ => Err(error(layer, &format!("a window of {}x{} does not fit into {h}x{w}", size.height, size.width))),
    }
}

fn concatenated(block: &str, branches: &[Vec<Step>]) -> Result<Shape, PlanError> {
    let mut sum: Option<(usize, usize, usize)> = None;
    for last in branches.iter().filter_map(|b| b.last()) {
        sum = match (sum, last.output) {
            (None, Shape::Image(h, w, c)) => Some((h, w, c)),
            (Some((h, w, sum)), Shape::Image(bh, bw, c)) if (h, w) == (bh, bw) => Some((h, w, sum + c)),
            (sum, shape) => {
                let (h, w, _) = sum.unwrap_or_default();
                let message = format!("branches must end alike: `{}` gives {shape}, the first {h}x{w}", last.name);
                return Err(error(block, &message));
            }
        };
    }
    let (h, w, c) = sum.ok_or_else(|| error(block, "there is no branch"))?;
    Ok(Shape::Image(h, w, c))
}
