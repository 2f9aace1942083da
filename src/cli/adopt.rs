//! `kiln adopt`: takes what lies in place for the results of stages, which are not executed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Args;
use kiln::diagnostic::with_causes;
use kiln::engine::{self, Adoption};
use kiln::hash::Artifact;
use kiln::name_map::NameMap;
use kiln::pipeline::{Body, Pipeline, Stage};
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
    let adopted = engine::adopt(&pipeline, &store, FROM, &|id| {
        let stage = stages.contains(&id).then(|| &pipeline.stages[id.0])?;
        match in_place(&pipeline, stage, &store) {
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
        let told = match adoption {
            Adoption::Adopted => format!("{name}: adopted, not executed"),
            Adoption::Known | Adoption::Executed => format!("{name}: it has a result already"),
            Adoption::Needs(other) => {
                code = EXIT_FAILED;
                format!(
                    "{name}: not adopted: `{other}`, which it needs, has no result\nhint: name `{other}` as well, or run it first"
                )
            }
            Adoption::Broken(why) => {
                code = EXIT_FAILED;
                format!("{name}: not adopted: {why}")
            }
            Adoption::Nothing => {
                code = EXIT_FAILED;
                format!("{name}: not adopted: {}", faults.borrow().get(&id).map_or("", String::as_str))
            }
        };
        render::talk(&format!("{told}\n"));
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

/// Copies of the outputs that lie in place.
fn in_place(pipeline: &Pipeline, stage: &Stage, store: &Store) -> Result<NameMap<Artifact>, String> {
    let take = |path: &Path| store.take_copy(path, &|_| None).map_err(|error| with_causes(&error));
    let outputs = stage.outputs.iter();
    outputs.map(|(name, output)| Ok((name.clone(), take(&pipeline.root.join(&output.path))?))).collect()
}
