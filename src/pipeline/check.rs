//! Checks of paths over the whole pipeline: outputs against each other, and both outputs and sources against the disk.

use std::collections::HashMap;
use std::path::Path;

use super::disk::{Broken, Disk, Found, Way};
use super::expand::World;
use super::inputs::Source;
use super::mistake::{Mistake, Mistakes};
use super::near;
use super::reach::Reach;
use super::written::Written;

/// A file of parameters decides what the stages are, so none of them can write it.
pub(super) fn params(world: &World<'_>, written: &Written<'_>, mistakes: &mut Mistakes<'_>) {
    for (file, _) in &world.params.files {
        let Some(path) = file.to_str() else { continue };
        let Some((draft, output)) = written.at(path).or_else(|| Some(written.around(path)?.1)) else { continue };
        let message = format!("`{path}` holds parameters of the pipeline, and a stage writes it");
        let mistake =
            Mistake::new(message).at(world.output_place(draft, output), format!("written by `{}`", world.name(draft)));
        mistakes.add(mistake.hint("parameters are read before anything runs; give the output another path"));
    }
}

/// Outputs that cannot be put where they are to be. A link on the way may lead to another disk.
pub(super) fn ways(world: &World<'_>, disk: &mut Disk, mistakes: &mut Mistakes<'_>) {
    for (draft, outputs) in world.outputs.iter().enumerate() {
        for (name, output) in outputs {
            let Some(path) = output.path.to_str() else { continue };
            if let Some(reach) = disk.reach(path) {
                let stage = &world.plans[world.drafts[draft].plan].spec.name;
                let mistake = Mistake::new(format!("stage `{stage}` cannot write `{path}`"));
                mistakes.add(into_store(mistake.at(world.output_place(draft, name), meeting(&reach))));
                continue;
            }
            let (why, hint) = match disk.way(path) {
                Way::Plain | Way::Linked | Way::Missing { .. } => continue,
                Way::Broken(link, broken) => {
                    (format!("`{link}` {}", broken.words()), "a link on the way to an output has to lead to a folder")
                }
                Way::Blocked(file) => (format!("`{file}` is not a folder"), "choose another path, or move the file"),
                Way::Denied(folder, why) => {
                    (format!("`{folder}` cannot be looked at: {why}"), "choose another path, or allow it")
                }
            };
            let message = format!("stage `{}` cannot write `{path}`", world.plans[world.drafts[draft].plan].spec.name);
            mistakes.add(Mistake::new(message).at(world.output_place(draft, name), why).hint(hint));
        }
    }
}

/// What to say of a path that meets a store.
pub(super) fn meeting(reach: &Reach) -> String {
    match reach {
        Reach::Into(store) if store == "." => "the project lies in Kiln's store".into(),
        Reach::Into(store) => format!("`{store}/` is Kiln's store"),
        Reach::Around(store) => format!("Kiln's store is in it: `{store}/`"),
    }
}

fn into_store(mistake: Mistake) -> Mistake {
    mistake.hint("choose another path, or another store with `--cache` or `KILN_CACHE`")
}

/// Sources that are not there, or cannot be read. Returns which are good.
pub(super) fn sources(
    world: &World<'_>,
    sources: &[Source],
    written: &Written<'_>,
    disk: &mut Disk,
    mistakes: &mut Mistakes<'_>,
) -> Vec<bool> {
    let mut known: HashMap<&str, bool> = HashMap::with_capacity(sources.len());
    let mut good = Vec::with_capacity(sources.len());
    for source in sources {
        let before = known.get(source.path.as_str()).copied();
        let fine = before.unwrap_or_else(|| state(&source.path, disk).is_ok());
        if !fine && let Err(fault) = state(&source.path, disk) {
            let missing = matches!(fault, Fault::Missing | Fault::MissingFolder(_));
            let mistake = explain(world, source, written, disk, fault, mistakes);
            // Where another name is near, this one was written wrongly.
            let may_lack = missing && (source.path.starts_with("../") || !mistake.has_hint());
            if !(may_lack && mistakes.lacks(&source.path)) {
                mistakes.add(mistake);
            }
        }
        known.insert(&source.path, fine);
        good.push(fine);
    }
    good
}

/// Lock files that are not there, or cannot be read; each is told once.
pub(super) fn locks(world: &World<'_>, disk: &mut Disk, mistakes: &mut Mistakes<'_>) {
    let mut told = std::collections::HashSet::new();
    for around in world.plans.iter().filter_map(|plan| plan.spec.environment.as_ref()) {
        for (file, place) in around.environment.from.iter().zip(&around.places) {
            let Some(path) = file.to_str().filter(|path| told.insert((path.to_string(), place.start))) else {
                continue;
            };
            let why = match state(path, disk) {
                Ok(()) => continue,
                Err(Fault::Missing | Fault::MissingFolder(_)) => "there is no such file".to_owned(),
                Err(Fault::Broken(link, broken)) => format!("`{link}` {}", broken.words()),
                Err(Fault::Denied(folder, why)) => format!("`{folder}` cannot be looked at: {why}"),
                Err(Fault::Special) => "it is no file".to_owned(),
                Err(Fault::Store(reach)) => meeting(&reach),
            };
            let mistake = Mistake::new(format!("the lock file `{path}` cannot be read")).at(*place, why);
            mistakes.add(mistake.hint("name a file of the project, or write `auto` for what is in use"));
        }
    }
}

/// Whether an output can be put in place, and is in the project's own folders.
pub(super) fn leads(path: &Path, disk: &mut Disk) -> bool {
    let plain = |path: &str, disk: &mut Disk| matches!(disk.way(path), Way::Plain | Way::Missing { linked: false, .. });
    path.to_str().is_some_and(|path| plain(path, disk) && disk.reach(path).is_none())
}

/// Whether a source is there, in the project's own folders.
pub(super) fn is_there(path: &Path, disk: &mut Disk) -> bool {
    path.to_str().is_some_and(|path| !is_elsewhere(path, disk) && state(path, disk).is_ok())
}

/// Whether a path that can be followed leads through a link, or out of the project.
pub(super) fn is_elsewhere(path: &str, disk: &mut Disk) -> bool {
    match disk.way(path) {
        Way::Linked | Way::Missing { linked: true, .. } => true,
        Way::Plain => disk.look(path) == Found::Link,
        _ => false,
    }
}

enum Fault {
    Missing,
    MissingFolder(String),
    Broken(String, Broken),
    Denied(String, String),
    Special,
    Store(Reach),
}

fn state(path: &str, disk: &mut Disk) -> Result<(), Fault> {
    if let Some(reach) = disk.reach(path) {
        return Err(Fault::Store(reach));
    }
    match disk.way(path) {
        Way::Plain | Way::Linked => {}
        Way::Missing { folder, .. } | Way::Blocked(folder) => return Err(Fault::MissingFolder(folder)),
        Way::Broken(link, broken) => return Err(Fault::Broken(link, broken)),
        Way::Denied(folder, why) => return Err(Fault::Denied(folder, why)),
    }
    let found = match disk.look(path) {
        Found::Link => disk.behind(path).map_err(|broken| Fault::Broken(path.to_owned(), broken))?,
        found => found,
    };
    match found {
        Found::File | Found::Folder => Ok(()),
        Found::Missing => Err(Fault::Missing),
        Found::Denied(why) => Err(Fault::Denied(path.to_owned(), why)),
        Found::Other | Found::Link => Err(Fault::Special),
    }
}

fn explain(
    world: &World<'_>,
    source: &Source,
    written: &Written<'_>,
    disk: &Disk,
    fault: Fault,
    mistakes: &Mistakes<'_>,
) -> Mistake {
    let path = source.path.as_str();
    let scope = world.scope(world.drafts[source.draft]);
    let mistake = match fault {
        Fault::Store(reach) => {
            into_store(Mistake::new(format!("`{path}` cannot be an input")).at(source.place, meeting(&reach)))
        }
        Fault::Broken(link, broken) => Mistake::new(format!("`{path}` cannot be read"))
            .at(source.place, format!("`{link}` {}", broken.words()))
            .maybe_hint(match broken {
                Broken::Nowhere(_) => Some("mount the disk that it leads to, or make the link anew".into()),
                Broken::Circle(_) | Broken::NoFolder(_) => None,
            }),
        Fault::Denied(at, why) => {
            Mistake::new(format!("`{path}` cannot be read")).at(source.place, format!("`{at}`: {why}"))
        }
        Fault::Special => Mistake::new(format!("`{path}` is neither a file nor a folder")).at(source.place, ""),
        Fault::Missing | Fault::MissingFolder(_) if path.starts_with("../") => {
            Mistake::new(format!("`{path}` does not exist"))
                .at(source.place, "outside of this project")
                .hint("if another pipeline makes it, run that first")
        }
        Fault::MissingFolder(folder) => Mistake::new(format!("`{path}` does not exist"))
            .at(source.place, format!("there is no folder `{folder}`"))
            .maybe_hint(near::hint(world, path, &folder, written, disk, mistakes)),
        Fault::Missing => Mistake::new(format!("`{path}` does not exist"))
            .at(source.place, "and no stage writes it")
            .maybe_hint(near::hint(world, path, path, written, disk, mistakes)),
    };
    scope.blame(mistake)
}
