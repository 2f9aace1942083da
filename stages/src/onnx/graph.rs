//! A network's layers as nodes of ONNX.
//!
//! Kiln's images are [N, H, W, C], ONNX's convolutions take [N, C, H, W]: images are transposed where they come in, and back
//! where they are flattened. Names of values are `LAYER/WHAT`; layers have no `/` in theirs, so nothing meets.

use crate::model::plan::{Shape, Step};
use crate::model::spec::{Activation, Conv, Extent, LayerKind, Padding, Pool};
use crate::model::{Network, Plan};

use super::proto::{Attribute, FLOAT, Graph, Node, Tensor};

/// The images that go in.
pub(super) const IMAGES: &str = "images";
/// What comes out before softmax.
pub(super) const LOGITS: &str = "logits";
/// What comes out after it.
pub(super) const PROBABILITIES: &str = "probabilities";

/// scaled = (pixel - offset) / divisor, a number a channel.
pub(super) struct Scale {
    pub(super) offset: Vec<f32>,
    pub(super) divisor: Vec<f32>,
}

/// The nodes and weights of a network. With a scale, pixels are scaled first.
///
/// # Errors
/// If the weights cannot be read back from the device.
pub(super) fn graph(name: &str, network: &Network, scale: Option<&Scale>) -> candle_core::Result<Graph> {
    let graph = Graph { name: name.to_owned(), ..Graph::default() };
    let mut builder = Builder { plan: &network.plan, values: network.values()?, graph };
    let images = builder.images(scale);
    let last = builder.steps(&network.plan.steps, images);
    builder.give("Identity", LOGITS, &[&last], vec![]);
    builder.give("Softmax", PROBABILITIES, &[LOGITS], vec![Attribute::int("axis", -1)]);
    Ok(builder.graph)
}

struct Builder<'a> {
    plan: &'a Plan,
    /// The weights, in the order of the plan's parameters.
    values: Vec<Vec<f32>>,
    graph: Graph,
}

impl Builder<'_> {
    /// Adds a node; its output has its name.
    fn give(&mut self, op: &str, name: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op.to_owned(),
            attribute,
        });
        name.to_owned()
    }

    /// Adds constant values.
    fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.graph.initializer.push(Tensor {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    /// The images, scaled and as [N, C, H, W].
    fn images(&mut self, scale: Option<&Scale>) -> String {
        let mut images = IMAGES.to_owned();
        if let Some(Scale { offset, divisor }) = scale {
            // By channel, which is the last dimension still.
            let offset = self.constant("images/offset", &[offset.len()], offset);
            let divisor = self.constant("images/divisor", &[divisor.len()], divisor);
            images = self.give("Sub", "images/moved", &[&images, &offset], vec![]);
            images = self.give("Div", "images/scaled", &[&images, &divisor], vec![]);
        }
        self.give("Transpose", "images/channels_first", &[&images], vec![Attribute::ints("perm", &[0, 3, 1, 2])])
    }

    fn steps(&mut self, steps: &[Step], images: String) -> String {
        steps.iter().fold(images, |x, step| self.step(step, x))
    }

    fn step(&mut self, step: &Step, x: String) -> String {
        let layer = &step.name;
        match &step.kind {
            LayerKind::Conv(conv) => self.conv(step, conv, &x),
            LayerKind::MaxPool(pool) => self.pool("MaxPool", step, pool, &x),
            // Zeros of the border do not count in a mean: `count_include_pad` is 0 by default.
            LayerKind::AvgPool(pool) => self.pool("AveragePool", step, pool, &x),
            LayerKind::GlobalAvgPool(_) => {
                let mean = self.give("GlobalAveragePool", &format!("{layer}/mean"), &[&x], vec![]);
                self.give("Flatten", &format!("{layer}/out"), &[&mean], vec![])
            }
            LayerKind::Flatten(_) => {
                let perm = vec![Attribute::ints("perm", &[0, 2, 3, 1])];
                let last = self.give("Transpose", &format!("{layer}/channels_last"), &[&x], perm);
                self.give("Flatten", &format!("{layer}/out"), &[&last], vec![])
            }
            LayerKind::Dense(dense) => {
                let [weight, bias] = [0, 1].map(|i| self.parameter(step, i));
                let sums = self.give("Gemm", &format!("{layer}/sums"), &[&x, &weight, &bias], vec![]);
                self.activate(layer, sums, dense.activation)
            }
            LayerKind::Dropout(_) => x,
            LayerKind::BatchNorm(norm) => {
                let [scale, bias, mean, variance] = [0, 1, 2, 3].map(|i| self.parameter(step, i));
                let inputs: [&str; 5] = [&x, &scale, &bias, &mean, &variance];
                let epsilon = vec![Attribute::float("epsilon", norm.epsilon)];
                let normed = self.give("BatchNormalization", &format!("{layer}/normed"), &inputs, epsilon);
                self.activate(layer, normed, norm.activation)
            }
            LayerKind::Residual(block) => {
                let inner = self.steps(&step.inner[0], x.clone());
                let shortcut = match step.projection.as_deref() {
                    Some(projection) => self.step(projection, x),
                    None => x,
                };
                let sum = self.give("Add", &format!("{layer}/sum"), &[&inner, &shortcut], vec![]);
                self.activate(layer, sum, block.activation)
            }
            LayerKind::Inception(_) => {
                let branches: Vec<String> = step.inner.iter().map(|branch| self.steps(branch, x.clone())).collect();
                let branches: Vec<&str> = branches.iter().map(String::as_str).collect();
                self.give("Concat", &format!("{layer}/out"), &branches, vec![Attribute::int("axis", 1)])
            }
        }
    }

    /// The n-th parameter of a layer, as it is.
    fn parameter(&mut self, step: &Step, n: usize) -> String {
        let at = step.parameters.start + n;
        let parameter = &self.plan.parameters[at];
        let values = std::mem::take(&mut self.values[at]);
        self.constant(&parameter.name, &parameter.shape, &values)
    }

    fn conv(&mut self, step: &Step, conv: &Conv, x: &str) -> String {
        let layer = &step.name;
        let at = step.parameters.start;
        let parameter = &self.plan.parameters[at];
        let values = std::mem::take(&mut self.values[at]);
        let Shape::Image(_, _, channels) = step.input else { unreachable!("the planner gives convolutions images") };
        let Extent { height, width } = conv.kernel;
        // Kiln's kernels are [height, width, channels, filters].
        let mut kernel = Vec::with_capacity(values.len());
        for filter in 0..conv.filters {
            for channel in 0..channels {
                kernel.extend((0..height * width).map(|at| values[(at * channels + channel) * conv.filters + filter]));
            }
        }
        let weight = self.constant(&parameter.name, &[conv.filters, channels, height, width], &kernel);
        let bias = self.parameter(step, 1);
        let mut attributes = windows(step, conv.kernel, conv.stride, conv.padding);
        attributes.push(Attribute::ints("kernel_shape", &[height as i64, width as i64]));
        let sums = self.give("Conv", &format!("{layer}/sums"), &[x, &weight, &bias], attributes);
        self.activate(layer, sums, conv.activation)
    }

    fn pool(&mut self, op: &str, step: &Step, pool: &Pool, x: &str) -> String {
        let mut attributes = windows(step, Extent::square(pool.size), pool.step(), pool.padding);
        attributes.push(Attribute::ints("kernel_shape", &[pool.size as i64; 2]));
        self.give(op, &format!("{}/out", step.name), &[x], attributes)
    }

    /// Softmax stands at the end of the graph and not in a layer.
    fn activate(&mut self, layer: &str, sums: String, activation: Activation) -> String {
        match activation {
            Activation::Relu => self.give("Relu", &format!("{layer}/out"), &[&sums], vec![]),
            Activation::None | Activation::Softmax => sums,
        }
    }
}

/// The attributes of a window: its steps, and the zeros before and after each dimension.
fn windows(step: &Step, size: Extent, stride: usize, padding: Padding) -> Vec<Attribute> {
    let (Shape::Image(h, w, _), Shape::Image(oh, ow, _)) = (step.input, step.output) else {
        unreachable!("the planner gives windows images")
    };
    let zeros = |length: usize, windows: usize, size: usize| match padding {
        Padding::Same => ((windows - 1) * stride + size).saturating_sub(length),
        Padding::Valid => 0,
    };
    let [rows, columns] = [zeros(h, oh, size.height), zeros(w, ow, size.width)];
    // The odd one goes to the end.
    let pads = [rows / 2, columns / 2, rows.div_ceil(2), columns.div_ceil(2)].map(|zeros| zeros as i64);
    vec![Attribute::ints("strides", &[stride as i64; 2]), Attribute::ints("pads", &pads)]
}
