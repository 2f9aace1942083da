//! `kiln outputs`: every output with its path, role, size and digest, as they lie in the project now; and those that no stage gives any more.

use std::path::PathBuf;

use clap::Args;
use kiln::engine;
use kiln::hash::{Digest, Memo};
use kiln::kind::Role;
use kiln::pipeline::{Pipeline, Stage};
use kiln::store::Ownership;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::render::look::Look;
use super::select::{ProjectArgs, Select};
use super::{Stop, claim, project, render};

#[derive(Args, Debug)]
pub(crate) struct Outputs {
    /// The stages whose outputs to list: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    targets: Vec<String>,
    #[command(flatten)]
    select: Select,
    /// List what stages that are no longer there, or put their outputs elsewhere now, left in the project.
    #[arg(long, conflicts_with = "targets")]
    stale: bool,
    /// Delete what is listed with `--stale`, if it is as Kiln put it there.
    #[arg(short = 'y', long, visible_alias = "yes", requires = "stale")]
    delete: bool,
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

pub(crate) fn outputs(place: &ProjectArgs, args: &Outputs) -> Result<u8, Stop> {
    if args.stale {
        return stale(place, args);
    }
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let pipeline = project::load(place, &file, &args.select)?;
    let stages = match &targets[..] {
        [] => project::selected(&pipeline, &[])?,
        targets => project::named(&pipeline, targets)?,
    };
    let store = project::store(place, &pipeline.root)?;
    let stages: Vec<&Stage> = stages.iter().map(|id| &pipeline.stages[id.0]).collect();
    let found: Vec<Vec<InPlace>> =
        stages.par_iter().map(|stage| look(&pipeline, stage, store.memo())).collect::<Result<_, _>>()?;
    let outputs: Vec<InPlace> = found.into_iter().flatten().collect();
    if args.json {
        render::json(&json!({ "version": 1, "outputs": outputs }))?;
    } else {
        render::data(&render::list::outputs(&outputs, &Look::stdout()))?;
    }
    Ok(0)
}

/// What no stage gives any more, with any of the overrides that runs had.
fn stale(place: &ProjectArgs, args: &Outputs) -> Result<u8, Stop> {
    let pipeline = project::load(place, &place.file, &args.select)?;
    let root = pipeline.root.clone();
    let store = if args.delete { project::store_to_write(place, &root)? } else { project::store(place, &root)? };
    let mut say = |text: &str| render::talk(&format!("kiln: {text}\n"));
    let _claim = if args.delete { claim::wait(&store, &root, None, &mut say)? } else { None };
    let places = store.places(&root)?;
    let mut pipelines = vec![pipeline];
    for (profile, set) in &places.overrides {
        let select = Select { profile: profile.clone(), set: set.clone() };
        // Overrides that the pipeline no longer knows have no outputs.
        pipelines.extend(project::load_settings(place, &select).ok());
    }
    let ownership = Ownership::new(&store, &root, false);
    let mut stale = engine::stale(&store, &root, &places, &pipelines, &ownership);
    if args.delete {
        for output in &mut stale {
            output.delete(&root, &ownership)?;
        }
    }
    if args.json {
        render::json(&json!({ "version": 1, "stale": stale }))?;
    } else {
        render::data(&render::list::stale(&stale, args.delete, &Look::stdout()))?;
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
