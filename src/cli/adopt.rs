//! `kiln adopt`: takes what lies in place for the results of stages, which are not executed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Args;
use kiln::diagnostic::with_causes;
use kiln::engine::{self, Adoption, Outputs};
use kiln::hash::Artifact;
use kiln::name_map::NameMap;
use kiln::pipeline::{Body, From, Pipeline, Stage};
use kiln::store::{Access, Store};

use super::select::{ProjectArgs, Select};
use super::{EXIT_FAILED, Stop, claim, project, render};

#[derive(Args, Debug)]
pub(crate) struct Adopt {
    /// The stages: `train`, `train[model=5]`, `eval*`. What they need has a result, or is named as well.
    #[arg(value_name = "STAGE", required = true)]
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// Where such results are from, as it is said later.
const FROM: &str = "the files in place";

pub(crate) fn adopt(place: &ProjectArgs, args: &Adopt) -> Result<u8, Stop> {
    let (identity, cache) = project::identity(place, &place.file, &args.select)?;
    let (pipeline, store) = project::open(place, &identity, &cache, &args.select, Access::Write)?;
    let stages = project::named(&pipeline, &args.stages)?;
    for id in &stages {
        fit(&pipeline, &pipeline.stages[id.0]).map_err(Stop::Usage)?;
    }
    let mut say = |text: &str| render::talk(&format!("kiln: {text}\n"));
    let _claim = claim::wait(&store, &pipeline.root, None, &mut say)?;
    let _hold = store.hold()?;
    let faults = RefCell::new(BTreeMap::new());
    let adopted = engine::adopt(&pipeline, &store, FROM, &stages, &|id, outputs| {
        let stage = stages.contains(&id).then(|| &pipeline.stages[id.0])?;
        let made = came_of(&pipeline, stage, &store, outputs).and_then(|()| in_place(&pipeline, stage, &store));
        match made {
            Ok(artifacts) => Some(artifacts),
            Err(why) => {
                faults.borrow_mut().insert(id, why);
                None
            }
        }
    })?;
    let mut code = 0;
    for (id, adoption) in adopted.into_iter().filter(|(id, _)| stages.contains(id)) {
        let name = &pipeline.stages[id.0].name;
        let why = match adoption {
            Adoption::Adopted => {
                render::talk(&format!("{name}: adopted, not executed\n"));
                continue;
            }
            Adoption::Known | Adoption::Executed => {
                render::talk(&format!("{name}: it has a result already\n"));
                continue;
            }
            Adoption::Astray => format!(
                "it was executed here, and something else lies in place\nhint: `kiln run --force-overwrite '{name}'` puts the result back"
            ),
            Adoption::Needs(other) => format!(
                "`{other}`, which it needs, has no result\nhint: name `{other}` as well, run it, or `kiln pull` it"
            ),
            Adoption::Broken(why) => why,
            Adoption::Nothing => faults.borrow_mut().remove(&id).unwrap_or_default(),
        };
        code = EXIT_FAILED;
        render::talk(&format!("{name}: not adopted: {why}\n"));
    }
    store.memo().save()?;
    Ok(code)
}

/// Whether the outputs of a stage can be taken.
fn fit(pipeline: &Pipeline, stage: &Stage) -> Result<(), String> {
    let name = &stage.name;
    if let Body::Uses { kind, .. } = &stage.body {
        let kind = kind.name();
        return Err(format!(
            "`{name}` uses the kind `{kind}`: what Kiln makes itself is not adopted\nhint: `kiln run {name}` makes it"
        ));
    }
    for output in stage.outputs.values() {
        let path = output.path.display();
        let why = match fs::symlink_metadata(pipeline.root.join(&output.path)) {
            Ok(found) if found.is_symlink() => "it is a link\nhint: put a copy of what it leads to in its place",
            Ok(_) => continue,
            Err(_) => {
                "it is not there\nhint: all outputs of a stage are adopted together; name as outputs what there is"
            }
        };
        return Err(format!("`{name}` has the output `{path}`, and {why}"));
    }
    Ok(())
}

/// Whether what lies in place of other stages' outputs is what the key of a stage will name.
fn came_of(pipeline: &Pipeline, stage: &Stage, store: &Store, outputs: &Outputs<'_>) -> Result<(), String> {
    for input in stage.inputs.values().flatten() {
        let From::Output { stage: producer, output } = &input.from else { continue };
        let path = &pipeline.stages[producer.0].outputs[output].path;
        let at = pipeline.root.join(path);
        let Some(artifact) = outputs(*producer, output).filter(|_| fs::symlink_metadata(&at).is_ok()) else { continue };
        if !matches!(store.memo().holds(&at, &artifact), Ok(true)) {
            let (path, name) = (path.display(), &pipeline.stages[producer.0].name);
            return Err(format!(
                "it takes `{path}`, and what lies there is not the result of `{name}`\nhint: `kiln run --force-overwrite '{name}'` puts that back"
            ));
        }
    }
    Ok(())
}

/// Copies of the outputs that lie in place.
fn in_place(pipeline: &Pipeline, stage: &Stage, store: &Store) -> Result<NameMap<Artifact>, String> {
    let take = |path: &Path| {
        let at = pipeline.root.join(path);
        let artifact = store.take_output(&at).map_err(|error| with_causes(&error))?;
        // What was written to meanwhile is the state of no moment.
        match store.memo().holds(&at, &artifact) {
            Ok(true) => Ok(artifact),
            _ => Err(format!(
                "`{}` was changed while it was read\nhint: try again when nothing writes to it",
                path.display()
            )),
        }
    };
    stage.outputs.iter().map(|(name, output)| Ok((name.clone(), take(&output.path)?))).collect()
}
