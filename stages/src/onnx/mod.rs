//! The `onnx` kind: a trained network in the form that other programs run (<https://onnx.ai>).
//!
//! A kind of its own and no output of `train`, so that networks that are trained already can be written, too.
//! [`graph`] turns layers into nodes; [`proto`] is the file's format.

mod graph;
mod proto;

use std::path::Path;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::{Arity, Context, Kind, Output, Port, Reads, Role, check, schema};
use crate::model::file::{self, Trained};

use graph::{IMAGES, LOGITS, PROBABILITIES, Scale};
use proto::{Dimension, Extent, FLOAT, Model, OperatorSet, Property, Shape, TensorType, Type};

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&ONNX];

/// Writes a network in the ONNX format.
pub const ONNX: Kind = Kind {
    name: "onnx",
    summary: "Writes a trained model as ONNX, for other programs to run",
    inputs: &[
        Port { name: "model", doc: "the trained model (model.safetensors)", arity: Arity::One, reads: Reads::Artifact },
        Port {
            name: "scale",
            doc: "`scale` of the `normalise` stage; with it the network takes pixels as they are, without it normalised ones",
            arity: Arity::Optional,
            reads: Reads::Artifact,
        },
    ],
    outputs: &[Output {
        name: "network",
        file: "network.onnx",
        role: Role::Data,
        doc: "opset 17; images [batch, H, W, C] f32 in, logits and probabilities [batch, classes] f32 out; metadata `classes`, \
              `normalisation`",
    }],
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "onnx/mod.rs",
};

/// `with:` of an `onnx` stage: nothing to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The operators' version. 17 is of 2022, and every newer runtime takes it.
const OPSET: i64 = 17;

/// The file format's version that came with that opset.
const IR_VERSION: i64 = 8;

/// A message of protobuf holds less than 2 GiB. This leaves room for all but the weights.
const MOST_PARAMETERS: usize = (i32::MAX as usize - (64 << 20)) / 4;

/// The part of `scale.json` that says how to scale.
#[derive(Deserialize)]
struct ScaleFile {
    offset: Vec<f32>,
    divisor: Vec<f32>,
}

fn run(_: &Value, context: &Context) -> anyhow::Result<()> {
    // On the processor: nothing is computed.
    let trained = file::read(context.input("model")?, &candle_core::Device::Cpu)?;
    let scale = context.optional("scale").map(|path| read_scale(path, &trained)).transpose()?;
    let parameters = trained.network.plan.parameter_count();
    ensure!(
        parameters <= MOST_PARAMETERS,
        "model `{}` has {parameters} parameters, and a file of ONNX holds at most {MOST_PARAMETERS}",
        trained.model.name
    );
    let bytes = model(&trained, scale.as_ref())?.encode_to_vec();
    let path = context.output("network")?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn read_scale(path: &Path, trained: &Trained) -> anyhow::Result<Scale> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let ScaleFile { offset, divisor } =
        serde_json::from_slice(&text).with_context(|| format!("{} is not the scale of `normalise`", path.display()))?;
    let [_, _, channels] = trained.network.plan.input;
    ensure!(
        [&offset, &divisor].iter().all(|values| values.len() == channels),
        "the scale is one of {} channels, but the model takes images of {channels}",
        offset.len()
    );
    Ok(Scale { offset, divisor })
}

fn model(trained: &Trained, scale: Option<&Scale>) -> anyhow::Result<Model> {
    let Trained { model, classes, network } = trained;
    let [height, width, channels] = network.plan.input;
    let mut graph = graph::graph(&model.name, network, scale)?;
    let pixels = match scale {
        Some(_) => "pixels as they are in the data",
        None => "pixels as the `normalise` stage gives them",
    };
    graph.input =
        vec![value(IMAGES, &[height, width, channels], &format!("[batch, height, width, channels]: {pixels}"))];
    graph.output = vec![
        value(LOGITS, &[classes.len()], "[batch, classes]: before softmax"),
        value(PROBABILITIES, &[classes.len()], "[batch, classes]: after softmax"),
    ];
    let property = |key: &str, value: String| Property { key: key.to_owned(), value };
    Ok(Model {
        ir_version: IR_VERSION,
        producer_name: "kiln".to_owned(),
        doc_string: format!("model `{}`, trained with Kiln", model.name),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: vec![
            property("classes", serde_json::to_string(classes)?),
            property("normalisation", if scale.is_some() { "inside" } else { "outside" }.to_owned()),
        ],
    })
}

/// A tensor of a graph's border: of as many items as the caller likes, each of these dimensions.
fn value(name: &str, dims: &[usize], doc: &str) -> proto::Value {
    let batch = Extent::Name("batch".to_owned());
    let dims = std::iter::once(batch).chain(dims.iter().map(|&length| Extent::Length(length as i64)));
    let shape = Shape { dim: dims.map(|extent| Dimension { extent: Some(extent) }).collect() };
    let tensor = TensorType { elem_type: FLOAT, shape: Some(shape) };
    proto::Value { name: name.to_owned(), r#type: Some(Type { tensor_type: Some(tensor) }), doc_string: doc.to_owned() }
}
