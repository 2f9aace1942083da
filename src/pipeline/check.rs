//! Checks of paths over the whole pipeline: outputs against each other, and both outputs and sources against the disk.

use std::collections::HashMap;
use std::path::Path;

use super::disk::{Disk, Found, Way};
use super::expand::World;
use super::inputs::Source;
use super::mistake::{Mistake, Mistakes};

/// Every path that is written, by whom.
pub(super) struct Written<'w> {
    /// Path -> draft and output name.
    paths: HashMap<&'w str, (usize, &'w str)>,
    /// Folder -> a path in it that is written.
    folders: HashMap<&'w str, &'w str>,
}

impl<'w> Written<'w> {
    /// Who writes this path.
    pub(super) fn at(&self, path: &str) -> Option<(usize, &'w str)> {
        self.paths.get(path).copied()
    }

    /// The folder around this path that is written as a whole, and by whom.
    pub(super) fn around<'p>(&self, path: &'p str) -> Option<(&'p str, (usize, &'w str))> {
        super::paths::ancestors(path).find_map(|outer| Some((outer, self.at(outer)?)))
    }

    /// A path in this folder that is written, and by whom.
    pub(super) fn within(&self, folder: &str) -> Option<(&'w str, (usize, &'w str))> {
        let inner = *self.folders.get(folder)?;
        Some((inner, self.at(inner)?))
    }
}

/// Collects what is written; two writers of one path, or of a folder and something in it, are mistakes.
pub(super) fn outputs<'w>(world: &'w World<'_>, mistakes: &mut Mistakes<'_>) -> Written<'w> {
    let mut written = Written { paths: HashMap::new(), folders: HashMap::new() };
    let all = || {
        world.outputs.iter().enumerate().flat_map(|(draft, outputs)| {
            outputs.iter().filter_map(move |(name, o)| Some((draft, name.as_str(), o.path.to_str()?)))
        })
    };
    for (draft, name, path) in all() {
        if let Some(&(first, other)) = written.paths.get(path) {
            mistakes.add(twice(world, path, (first, other), (draft, name)));
        } else {
            written.paths.insert(path, (draft, name));
        }
        for folder in super::paths::ancestors(path) {
            if written.folders.insert(folder, path).is_some() {
                break;
            }
        }
    }
    for (draft, name, path) in all() {
        if let Some((outer, (other, output))) = written.around(path) {
            let message = format!("`{path}` lies in `{outer}`, and both are outputs");
            let mistake = Mistake::new(message)
                .at(world.output_place(draft, name), format!("written by `{}`", world.name(draft)))
                .at(world.output_place(other, output), format!("written by `{}`", world.name(other)));
            mistakes.add(mistake.hint("an output is replaced as a whole; give one of them another path"));
        }
    }
    written
}

fn twice(world: &World<'_>, path: &str, first: (usize, &str), second: (usize, &str)) -> Mistake {
    let (a, b) = (world.name(first.0), world.name(second.0));
    let (there, here) = (world.output_place(first.0, first.1), world.output_place(second.0, second.1));
    if a.stage == b.stage && a != b && here == there {
        let axis = world.plan(world.drafts[second.0]).1.axes.first().map_or("", |x| x.name.as_str());
        return Mistake::new(format!("the variants of stage `{}` write the same path `{path}`", a.stage))
            .at(here, "")
            .note(format!("for example `{a}` and `{b}`"))
            .hint(format!("put the matrix into the path, for example `${{matrix.{axis}}}`"));
    }
    Mistake::new(format!("`{path}` is written twice"))
        .at(here, format!("by `{b}`"))
        .at(there, format!("by `{a}`"))
        .hint("give one of them another path")
}

/// Outputs that a link on the way would take somewhere else.
pub(super) fn links(world: &World<'_>, disk: &mut Disk, mistakes: &mut Mistakes<'_>) {
    for (draft, outputs) in world.outputs.iter().enumerate() {
        for (name, output) in outputs {
            let Some(path) = output.path.to_str() else { continue };
            let (why, hint) = match disk.way(path) {
                Way::Plain | Way::Missing(_) => continue,
                Way::Link(link) => {
                    (format!("`{link}` is a symbolic link"), "outputs are written to folders of the project itself")
                }
                Way::Blocked(file) => (format!("`{file}` is not a folder"), "choose another path, or move the file"),
            };
            let message = format!("stage `{}` cannot write `{path}`", world.plans[world.drafts[draft].plan].spec.name);
            mistakes.add(Mistake::new(message).at(world.output_place(draft, name), why).hint(hint));
        }
    }
}

/// Sources that are not there, or not in the project. Returns which are good.
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
            mistakes.add(explain(world, source, written, disk, fault, mistakes));
        }
        known.insert(&source.path, fine);
        good.push(fine);
    }
    good
}

/// Whether nothing on the way to an output would take it somewhere else.
pub(super) fn leads(path: &Path, disk: &mut Disk) -> bool {
    path.to_str().is_some_and(|path| matches!(disk.way(path), Way::Plain | Way::Missing(_)))
}

/// Whether a source is there, and in the project.
pub(super) fn is_there(path: &Path, disk: &mut Disk) -> bool {
    path.to_str().is_some_and(|path| state(path, disk).is_ok())
}

enum Fault {
    Missing,
    MissingFolder(String),
    Outside,
    Special,
}

fn state(path: &str, disk: &mut Disk) -> Result<(), Fault> {
    let found = match disk.way(path) {
        Way::Plain => disk.look(path),
        Way::Link(_) => Found::Link,
        Way::Missing(folder) | Way::Blocked(folder) => return Err(Fault::MissingFolder(folder)),
    };
    match found {
        Found::File | Found::Folder => Ok(()),
        Found::Missing => Err(Fault::Missing),
        Found::Other => Err(Fault::Special),
        Found::Link => match disk.inside(path) {
            Some(true) => Ok(()),
            Some(false) => Err(Fault::Outside),
            None => Err(Fault::Missing),
        },
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
        Fault::Outside => Mistake::new(format!("`{path}` leaves the project through a symbolic link"))
            .at(source.place, "")
            .hint("copy the data into the project"),
        Fault::Special => Mistake::new(format!("`{path}` is neither a file nor a folder")).at(source.place, ""),
        Fault::MissingFolder(folder) => Mistake::new(format!("`{path}` does not exist"))
            .at(source.place, format!("there is no folder `{folder}`"))
            .maybe_hint(near(world, path, &folder, written, disk, mistakes)),
        Fault::Missing => Mistake::new(format!("`{path}` does not exist"))
            .at(source.place, "and no stage writes it")
            .maybe_hint(near(world, path, path, written, disk, mistakes)),
    };
    scope.blame(mistake)
}

/// What was probably meant by a path of which `missing` is the part that does not exist.
fn near(
    world: &World<'_>,
    path: &str,
    missing: &str,
    written: &Written<'_>,
    disk: &Disk,
    mistakes: &Mistakes<'_>,
) -> Option<String> {
    if let Ok(reference) = super::reference::parse(path)
        && world.index.contains_key(reference.stage)
    {
        return Some(format!("for an output of a stage write `{{from: \"{path}\"}}`"));
    }
    if mistakes.tired() {
        return None;
    }
    let (folder, name) = missing.rsplit_once('/').unwrap_or(("", missing));
    let siblings = disk.siblings(missing);
    if let Some(found) = mistakes.nearest_name(name, siblings.iter().map(String::as_str)) {
        let slash = if folder.is_empty() { "" } else { "/" };
        return Some(format!("did you mean `{folder}{slash}{found}{}`?", &path[missing.len()..]));
    }
    mistakes.nearest(path, written.paths.keys().copied())
}
