//! The `embed` kind: what a layer of a trained model makes of every image.

use std::collections::BTreeMap;

use anyhow::bail;
use common::params::hint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::dataset::Dataset;
use crate::artifact::tensors::{self, Data};
use crate::kind::{Arity, Context, Kind, Output, Port, Reads, Role, check, schema};
use crate::model::inference;
use crate::model::threads::Threads;
use crate::model::{device, file};
use crate::ops::Precision;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&EMBED];

/// Embeds images.
pub const EMBED: Kind = Kind {
    name: "embed",
    summary: "Takes a layer's activations for every image of a set",
    inputs: &[
        Port { name: "model", doc: "the trained model (model.safetensors)", arity: Arity::One, reads: Reads::Artifact },
        Port {
            name: "data",
            doc: "the image set, normalised like the one it was trained on",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
    ],
    outputs: &[Output {
        name: "embeddings",
        file: "embeddings.safetensors",
        role: Role::Data,
        doc: "embeddings [N, D] f32, labels [N] u32, original_labels [N] u32; metadata `classes`, `original_classes`, `layer`",
    }],
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "embed.rs",
};

/// `with:` of an `embed` stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The layer whose output is taken, after its activation; images are laid out as vectors. Layers inside blocks count.
    pub layer: String,
    /// What the operands of convolutions and dense layers are rounded to. Weights, sums and all else stay float32.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    #[schemars(extend("default" = "float32"))]
    pub precision: Precision,
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let Params { layer, precision } = serde_json::from_value(params.clone())?;
    let trained = file::read(context.input("model")?, &device::device(&context.device)?)?;
    let data = Dataset::open(context.input("data")?)?;
    trained.expect(&data.shape[1..], &data.classes)?;
    let network = &trained.network.with_precision(precision)?;
    let Some(step) = network.plan.step(&layer) else {
        let hint = hint(&layer, network.plan.names()).unwrap_or_default();
        bail!("model `{}` has no layer `{layer}` ({hint})", trained.model.name);
    };
    let pixels = data.normalised()?;
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    let threads = Threads::new(context.threads)?;
    let embeddings = inference::over(network, &threads, &pixels, &rows, |x| network.activations(x, &layer))?;
    let metadata = BTreeMap::from([
        ("classes".to_owned(), serde_json::to_string(&data.classes)?),
        ("original_classes".to_owned(), serde_json::to_string(&data.original_classes)?),
        ("layer".to_owned(), layer.clone()),
    ]);
    tensors::write(
        context.output("embeddings")?,
        &[
            ("embeddings", vec![data.len(), step.output.len()], Data::F32(&embeddings)),
            ("labels", vec![data.len()], Data::U32(&data.labels)),
            ("original_labels", vec![data.len()], Data::U32(&data.original_labels)),
        ],
        metadata,
    )
}
