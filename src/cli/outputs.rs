//! `kiln outputs`: every output with its path, role, size and digest, as they lie in the project now.

use std::path::PathBuf;

use clap::Args;
use kiln::hash::{Digest, Memo};
use kiln::kind::Role;
use kiln::pipeline::{Pipeline, Stage};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::args::{Place, Select};
use super::render::look::Look;
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Outputs {
    /// The stages whose outputs to list: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    targets: Vec<String>,
    #[command(flatten)]
    select: Select,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// An output as it lies in the project.
#[derive(Serialize)]
pub(crate) struct InPlace {
    /// The stage: `train[model=5]`.
    pub(crate) stage: String,
    /// Its name.
    pub(crate) output: String,
    /// Relative to the project.
    pub(crate) path: PathBuf,
    /// What Kiln may do with it.
    pub(crate) role: Role,
    /// The digest of what is there; `None` if nothing is.
    pub(crate) digest: Option<Digest>,
    /// Its size; of a folder that of all files in it.
    pub(crate) bytes: Option<u64>,
}

pub(crate) fn outputs(place: &Place, args: &Outputs) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let pipeline = project::load(&file, &args.select)?;
    let stages = match &targets[..] {
        [] => project::selected(&pipeline, &[])?,
        targets => project::named(&pipeline, targets)?,
    };
    let store = project::store(place, &pipeline.root)?;
    let stages: Vec<&Stage> = stages.iter().map(|id| &pipeline.stages[id.0]).collect();
    let found: Vec<Vec<InPlace>> =
        stages.par_iter().map(|stage| look(&pipeline, stage, store.memo())).collect::<Result<_, _>>()?;
    project::save_memo(&store);
    let outputs: Vec<InPlace> = found.into_iter().flatten().collect();
    if args.json {
        render::json(&json!({ "version": 1, "outputs": outputs }))?;
    } else {
        render::data(&render::list::outputs(&outputs, &Look::stdout()))?;
    }
    Ok(0)
}

fn look(pipeline: &Pipeline, stage: &Stage, memo: &Memo) -> std::io::Result<Vec<InPlace>> {
    let outputs = stage.outputs.iter().map(|(name, output)| {
        let artifact = memo.artifact(&pipeline.root.join(&output.path))?;
        Ok(InPlace {
            stage: stage.name.to_string(),
            output: name.clone(),
            path: output.path.clone(),
            role: output.role,
            digest: artifact.as_ref().map(|artifact| artifact.digest),
            bytes: artifact.map(|artifact| artifact.bytes),
        })
    });
    outputs.collect()
}
