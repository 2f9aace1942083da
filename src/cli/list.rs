//! `kiln list`: the stages of the pipeline, with kind, variants and outputs.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use kiln::kind::Role;
use kiln::pipeline::{Body, From, Pipeline, Stage, StageId};
use serde::Serialize;
use serde_json::json;

use super::render::look::Look;
use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct List {
    /// The stages to list: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    targets: Vec<String>,
    #[command(flatten)]
    select: Select,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A stage with all its variants.
#[derive(Serialize)]
pub(crate) struct Listed {
    /// The key under `stages:`.
    pub(crate) stage: String,
    /// The kind; `None` for a command.
    pub(crate) uses: Option<String>,
    /// The matrix axes, in order.
    pub(crate) axes: Vec<String>,
    /// Every variant.
    pub(crate) variants: Vec<Variant>,
}

/// One variant of a stage.
#[derive(Serialize)]
pub(crate) struct Variant {
    /// `train[model=5]`.
    pub(crate) name: String,
    /// Axis -> value.
    pub(crate) variant: BTreeMap<String, String>,
    /// The stages whose outputs it takes.
    pub(crate) needs: Vec<String>,
    /// Output name -> path and role.
    pub(crate) outputs: BTreeMap<String, Output>,
}

/// A declared output.
#[derive(Serialize)]
pub(crate) struct Output {
    /// Relative to the project.
    pub(crate) path: std::path::PathBuf,
    pub(crate) role: Role,
}

pub(crate) fn list(place: &ProjectArgs, args: &List) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let pipeline = project::load(place, &file, &args.select)?;
    let stages = match &targets[..] {
        [] => project::selected(&pipeline, &[])?,
        targets => project::named(&pipeline, targets)?,
    };
    let listed = listed(&pipeline, &stages);
    if args.json {
        render::json(&json!({ "version": 1, "stages": listed }))?;
    } else {
        render::data(&render::list::stages(&listed, &Look::stdout()))?;
    }
    Ok(0)
}

/// Variants under their stages, both in topological order.
fn listed(pipeline: &Pipeline, stages: &BTreeSet<StageId>) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for stage in stages.iter().map(|id| &pipeline.stages[id.0]) {
        let place = *places.entry(&stage.name.stage).or_insert_with(|| {
            all.push(Listed {
                stage: stage.name.stage.clone(),
                uses: match &stage.body {
                    Body::Uses { kind, .. } => Some(kind.name().to_owned()),
                    Body::Run(_) => None,
                },
                axes: stage.name.variant.iter().map(|(axis, _)| axis.clone()).collect(),
                variants: vec![],
            });
            all.len() - 1
        });
        all[place].variants.push(variant(pipeline, stage));
    }
    all
}

fn variant(pipeline: &Pipeline, stage: &Stage) -> Variant {
    let producers: BTreeSet<StageId> = stage
        .inputs
        .values()
        .flatten()
        .filter_map(|input| match &input.from {
            From::Output { stage, .. } => Some(*stage),
            From::Source(_) => None,
        })
        .collect();
    let outputs = stage.outputs.iter();
    Variant {
        name: stage.name.to_string(),
        variant: stage.name.variant.iter().cloned().collect(),
        needs: producers.into_iter().map(|id| pipeline.stages[id.0].name.to_string()).collect(),
        outputs: outputs.map(|(name, o)| (name.clone(), Output { path: o.path.clone(), role: o.role })).collect(),
    }
}
