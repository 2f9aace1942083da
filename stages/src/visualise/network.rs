//! `visualise/network`: a drawing of a network made from its model file.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::flow::{Flow, Fork, Node, Part};
use super::figure::Figure;
use super::read::{self, grouped};
use super::style::{AXIS, Colour, NOISE, category};
use crate::artifact::dataset::Dataset;
use crate::kind::{Arity, Context, Kind, Port, Reads, check, schema};
use crate::model::plan::{Shape, Step};
use crate::model::spec::{Activation, Conv, LayerKind, Pool};
use crate::model::{Model, Plan, document};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/network",
    summary: "Draws a network from its model file: layers, shapes, and the branches of its blocks.",
    inputs: &[
        Port { name: "model", doc: "the model file (YAML)", arity: Arity::One, reads: Reads::Document(document) },
        super::port("data", Arity::One, "an image set: the size of the images, the number of classes"),
        super::port("metrics", Arity::Optional, "`metrics.json` of an evaluate stage: its accuracy joins the title"),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/network.rs",
};

#[derive(Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; without it the network's name.
    title: Option<String>,
    /// A remark below the figure.
    caption: String,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let model: Model = read::json(context.input("model")?)?;
    let data = Dataset::open(context.input("data")?)?;
    let [_, height, width, channels] = data.shape;
    let plan = Plan::new(&model, [height, width, channels], data.classes.len())
        .with_context(|| format!("model `{}` does not fit the images", model.name))?;
    let accuracy = match context.optional("metrics") {
        Some(path) => format!(", test accuracy {:.4}", read::accuracy(path)?),
        None => String::new(),
    };
    let name = params.title.unwrap_or_else(|| model.name.clone());
    let title = format!("{name}: {} parameters{accuracy}", grouped(plan.parameter_count() as u64));
    let subtitle = format!("Input {}, {} classes", size(Shape::Image(height, width, channels)), plan.classes);
    let input = node("input", size(Shape::Image(height, width, channels)), String::new(), AXIS);
    let parts = std::iter::once(Part::Node(input)).chain(parts(&plan.steps, "")).collect();
    Figure { title, subtitle, rows: vec![vec![Box::new(Flow { parts })]], caption: params.caption }.write(context)
}

/// The layers of a list; `block` is the block they are in.
fn parts(steps: &[Step], block: &str) -> Vec<Part> {
    steps.iter().map(|step| part(step, block)).collect()
}

fn part(step: &Step, block: &str) -> Part {
    let mut branches: Vec<Vec<Part>> = step.inner.iter().map(|branch| parts(branch, &step.name)).collect();
    match &step.kind {
        LayerKind::Residual(residual) => {
            branches.push(step.projection.iter().map(|p| part(p, &step.name)).collect());
            let join = node("add", activation(residual.activation).to_owned(), String::new(), AXIS);
            Part::Fork(Fork { name: format!("{} (residual)", step.name), branches, join })
        }
        LayerKind::Inception(_) => {
            let join = node("concatenate", size(step.output), String::new(), AXIS);
            Part::Fork(Fork { name: format!("{} (inception)", step.name), branches, join })
        }
        _ => Part::Node(layer(step, block)),
    }
}

/// A layer that has none inside it. One that was given no name is called by what it does.
fn layer(step: &Step, block: &str) -> Node {
    let (what, how, colour) = description(&step.kind);
    let shape = size(step.output);
    let changes = step.output != step.input || matches!(step.kind, LayerKind::Conv(_) | LayerKind::Dense(_));
    let joined = |parts: &[&str]| {
        parts.iter().filter(|part| !part.is_empty()).map(|part| (*part).to_owned()).collect::<Vec<_>>().join(", ")
    };
    if is_automatic(&step.name, block) {
        return match changes {
            true => node(what, String::new(), joined(&[&how, &shape]), colour),
            false => node(what, how, String::new(), colour),
        };
    }
    match changes {
        true if what == step.name => node(what, shape, how, colour),
        true => node(&step.name, shape, joined(&[&what, &how]), colour),
        false => node(&step.name, joined(&[&what, &how]), String::new(), colour),
    }
}

/// Whether a layer's name was made from that of its block: `block_1`, `block_2_1`, `block_projection`.
fn is_automatic(name: &str, block: &str) -> bool {
    let rest = name.strip_prefix(block).and_then(|rest| rest.strip_prefix('_'));
    !block.is_empty()
        && rest.is_some_and(|rest| rest == "projection" || rest.chars().all(|c| c.is_ascii_digit() || c == '_'))
}

/// What a layer does, the particulars, and the colour of its type.
fn description(kind: &LayerKind) -> (String, String, Colour) {
    let plain = |what: &str| (what.to_owned(), String::new());
    let (what, how) = match kind {
        LayerKind::Conv(conv) => convolution(conv),
        LayerKind::MaxPool(p) => pool("max", p),
        LayerKind::AvgPool(p) => pool("average", p),
        LayerKind::GlobalAvgPool(_) => plain("global average pool"),
        LayerKind::Flatten(_) => plain("flatten"),
        LayerKind::Dense(d) => ("dense".to_owned(), activation(d.activation).to_owned()),
        LayerKind::Dropout(d) => (format!("dropout {}", d.rate), String::new()),
        LayerKind::BatchNorm(b) => ("batch norm".to_owned(), activation(b.activation).to_owned()),
        LayerKind::Residual(_) => plain("residual"),
        LayerKind::Inception(_) => plain("inception"),
    };
    let colour = match kind {
        LayerKind::Conv(_) => category(0),
        LayerKind::MaxPool(_) | LayerKind::AvgPool(_) | LayerKind::GlobalAvgPool(_) => category(1),
        LayerKind::Dense(_) => category(2),
        LayerKind::BatchNorm(_) => category(3),
        LayerKind::Dropout(_) => NOISE,
        LayerKind::Flatten(_) | LayerKind::Residual(_) | LayerKind::Inception(_) => AXIS,
    };
    (what, how, colour)
}

fn convolution(conv: &Conv) -> (String, String) {
    let what = format!("conv {}×{}, {}", conv.kernel.height, conv.kernel.width, conv.filters);
    let stride = if conv.stride > 1 { format!("stride {}", conv.stride) } else { String::new() };
    let how = [stride.as_str(), activation(conv.activation)];
    (what, how.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", "))
}

fn pool(name: &str, pool: &Pool) -> (String, String) {
    let stride = if pool.step() == pool.size { String::new() } else { format!("stride {}", pool.step()) };
    (format!("{name} pool {0}×{0}", pool.size), stride)
}

fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::None => "",
        Activation::Relu => "ReLU",
        Activation::Softmax => "softmax",
    }
}

fn size(shape: Shape) -> String {
    shape.dims().iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

fn node(title: impl Into<String>, note: String, detail: String, colour: Colour) -> Node {
    Node { title: title.into(), note, detail, colour }
}
