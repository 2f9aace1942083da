//! What a model is: layers, and how they are trained. The serialised form is the canonical model, defaults spelt out.

use serde::{Deserialize, Serialize};

use super::recipe::{Augmentation, Clipping, EarlyStopping, Ema, Optimiser, Schedule};

/// A network and how it is trained, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What people call it.
    pub name: String,
    /// The layers, from the image to the classes.
    pub layers: Vec<Layer>,
    /// How weights follow gradients.
    pub optimiser: Optimiser,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// How training images are varied.
    pub augmentation: Option<Augmentation>,
    /// How much of the target probability is spread evenly over all classes, in [0, 1).
    pub label_smoothing: f32,
    /// A bound on gradients.
    pub gradient_clipping: Option<Clipping>,
    /// The average of the weights that is kept instead of them. Left out where there is none, so that such a model has the
    /// form that it always had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<Ema>,
}

/// A named layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Unique in the model, blocks included.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: LayerKind,
}

/// The layer types; `type:` in a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LayerKind {
    /// Two-dimensional convolution with a bias.
    Conv(Conv),
    /// The largest value of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AvgPool(Pool),
    /// The mean of each channel: [H, W, C] -> [C].
    GlobalAvgPool(Empty),
    /// [H, W, C] -> [H * W * C].
    Flatten(Empty),
    /// Every output from every input, with a bias.
    Dense(Dense),
    /// Zeroes values at random while training.
    Dropout(Dropout),
    /// Normalises each channel over the batch (Ioffe and Szegedy, 2015).
    BatchNorm(BatchNorm),
    /// Inner layers with a shortcut around them (He et al., 2015).
    Residual(Residual),
    /// Branches side by side, their channels concatenated (Szegedy et al., 2014).
    Inception(Inception),
}

/// The names in `type:`.
pub const LAYER_TYPES: &[&str] = &[
    "conv",
    "max_pool",
    "avg_pool",
    "global_avg_pool",
    "flatten",
    "dense",
    "dropout",
    "batch_norm",
    "residual",
    "inception",
];

impl LayerKind {
    /// Its name in `type:`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool(_) => "avg_pool",
            Self::GlobalAvgPool(_) => "global_avg_pool",
            Self::Flatten(_) => "flatten",
            Self::Dense(_) => "dense",
            Self::Dropout(_) => "dropout",
            Self::BatchNorm(_) => "batch_norm",
            Self::Residual(_) => "residual",
            Self::Inception(_) => "inception",
        }
    }

    /// The layers inside it: one list for a residual block, one a branch for an inception block, else none.
    pub fn inner(&self) -> &[Vec<Layer>] {
        match self {
            Self::Residual(block) => std::slice::from_ref(&block.layers),
            Self::Inception(block) => &block.branches,
            _ => &[],
        }
    }
}

/// What a layer applies to its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// max(0, x).
    Relu,
    /// Probabilities; only on the last layer.
    Softmax,
}

/// How a window meets the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Zeros around the image, so that ceil(size / stride) windows fit; the odd one goes to the end (as in TensorFlow).
    Same,
    /// Only windows that lie within the image.
    Valid,
}

/// Height and width; a single number in YAML stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "[usize; 2]")]
pub struct Extent {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number, or two: [height, width]")]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Extent {
    fn from(value: OneOrTwo) -> Self {
        match value {
            OneOrTwo::One(n) => Self::square(n),
            OneOrTwo::Two([height, width]) => Self { height, width },
        }
    }
}

impl From<Extent> for [usize; 2] {
    fn from(value: Extent) -> Self {
        [value.height, value.width]
    }
}

impl Extent {
    /// As high as wide.
    pub const fn square(n: usize) -> Self {
        Self { height: n, width: n }
    }

    fn is_positive(self) -> bool {
        self.height > 0 && self.width > 0
    }
}

/// Parameters of `conv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub filters: usize,
    /// Size of the window; 3 unless given.
    #[serde(default = "three")]
    pub kernel: Extent,
    /// Step of the window along rows and columns; 1 unless given.
    #[serde(default = "one")]
    pub stride: usize,
    /// Border; `same` unless given.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Applied after the bias; none unless given.
    #[serde(default)]
    pub activation: Activation,
}

/// Parameters of `max_pool` and `avg_pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Height and width of the window; 2 unless given.
    #[serde(default = "two")]
    pub size: usize,
    /// Step of the window along rows and columns; `size` unless given.
    #[serde(default)]
    pub stride: Option<usize>,
    /// Border; `valid` unless given (a 7x7 image gives 3x3).
    #[serde(default = "valid")]
    pub padding: Padding,
}

impl Pool {
    /// The step of the window.
    pub fn step(&self) -> usize {
        self.stride.unwrap_or(self.size)
    }
}

/// Parameters of a layer that has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Parameters of `dense`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Outputs; on the last layer the number of classes unless given.
    #[serde(default)]
    pub units: Option<usize>,
    /// Applied after the bias; none unless given.
    #[serde(default)]
    pub activation: Activation,
}

/// Parameters of `dropout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share of values that become zero, in [0, 1); the others grow by 1 / (1 - rate).
    pub rate: f32,
}

/// Parameters of `batch_norm`, with Keras's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// The share of the old running statistics that a step keeps; 0.99 unless given.
    #[serde(default = "bn_momentum")]
    pub momentum: f32,
    /// Added to the variance; 0.001 unless given.
    #[serde(default = "bn_epsilon")]
    pub epsilon: f32,
    /// Applied at the end; none unless given.
    #[serde(default)]
    pub activation: Activation,
}

/// Parameters of `residual`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The inner layers. Where their output has another shape than the input, the shortcut is a 1x1 convolution named
    /// `<block>_projection`, else the input itself.
    pub layers: Vec<Layer>,
    /// Applied to the sum; `relu` unless given.
    #[serde(default = "relu")]
    pub activation: Activation,
}

/// Parameters of `inception`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inception {
    /// The branches; all must end with the same height and width.
    pub branches: Vec<Vec<Layer>>,
}

/// What is out of range: the field and what is wrong with it.
pub type Flaw = (&'static str, String);

pub(super) fn flaw(bad: bool, field: &'static str, message: &str) -> Result<(), Flaw> {
    if bad { Err((field, message.to_owned())) } else { Ok(()) }
}

/// The most filters of a convolution and units of a dense layer.
const MOST_CHANNELS: usize = 1_000_000;

/// The longest side of a window, and its longest step.
const LONGEST: usize = 10_000;

fn channels(count: usize, field: &'static str) -> Result<(), Flaw> {
    flaw(count > MOST_CHANNELS, field, "must be 1,000,000 at most")
}

fn length(length: usize, field: &'static str) -> Result<(), Flaw> {
    flaw(length > LONGEST, field, "must be 10,000 at most")
}

impl LayerKind {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        match self {
            Self::Conv(c) => {
                flaw(c.filters == 0, "filters", "a convolution needs at least one filter")?;
                flaw(!c.kernel.is_positive(), "kernel", "the kernel must be at least 1 high and wide")?;
                flaw(c.stride == 0, "stride", "the stride must be at least 1")?;
                channels(c.filters, "filters")?;
                length(c.kernel.height.max(c.kernel.width), "kernel")?;
                length(c.stride, "stride")
            }
            Self::MaxPool(p) | Self::AvgPool(p) => {
                flaw(p.size == 0, "size", "the window must be at least 1 high and wide")?;
                flaw(p.stride == Some(0), "stride", "the stride must be at least 1")?;
                length(p.size, "size")?;
                length(p.step(), "stride")
            }
            Self::Dense(d) => {
                flaw(d.units == Some(0), "units", "a dense layer needs at least one unit")?;
                channels(d.units.unwrap_or(1), "units")
            }
            Self::Dropout(d) => flaw(!(0.0..1.0).contains(&d.rate), "rate", "the rate must be at least 0 and below 1"),
            Self::BatchNorm(b) => {
                flaw(!(0.0..1.0).contains(&b.momentum), "momentum", "the momentum must be at least 0 and below 1")?;
                flaw(b.epsilon.is_nan() || b.epsilon <= 0.0, "epsilon", "epsilon must be above 0")?;
                flaw(b.activation == Activation::Softmax, "activation", "softmax belongs on the last layer")
            }
            Self::Residual(r) => {
                flaw(r.layers.is_empty(), "layers", "a residual block needs at least one layer")?;
                flaw(r.activation == Activation::Softmax, "activation", "softmax belongs on the last layer")
            }
            Self::Inception(i) => {
                flaw(i.branches.is_empty(), "branches", "an inception block needs at least one branch")?;
                flaw(i.branches.iter().any(Vec::is_empty), "branches", "a branch needs at least one layer")
            }
            Self::GlobalAvgPool(_) | Self::Flatten(_) => Ok(()),
        }
    }
}

const fn one() -> usize {
    1
}
const fn two() -> usize {
    2
}
const fn three() -> Extent {
    Extent::square(3)
}
const fn same() -> Padding {
    Padding::Same
}
const fn valid() -> Padding {
    Padding::Valid
}
const fn relu() -> Activation {
    Activation::Relu
}
const fn bn_momentum() -> f32 {
    0.99
}
const fn bn_epsilon() -> f32 {
    1e-3
}
