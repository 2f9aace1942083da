//! Paths that are apart in the pipeline and meet on the disk: behind symbolic links, or outside of the project and back.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::check;
use super::disk::Disk;
use super::expand::World;
use super::inputs::Source;
use super::mistake::{Mistake, Mistakes};
use super::paths;

/// An output: the draft, its name, and its path in the project.
type Output<'w> = (usize, &'w str, &'w str);

/// Where each output is, links followed.
type Places<'w> = BTreeMap<PathBuf, Output<'w>>;

/// Tells of outputs and sources that are not where they seem to be, and meet there. `sources` are those that can be read.
pub(super) fn check<'s>(
    world: &World<'_>,
    sources: impl Iterator<Item = &'s Source>,
    pipeline: &Path,
    disk: &mut Disk,
    mistakes: &mut Mistakes<'_>,
) {
    let outputs: Vec<(Output<'_>, bool)> =
        all(world).map(|output| (output, check::is_elsewhere(output.2, disk))).collect();
    let moved = outputs.iter().any(|(_, elsewhere)| *elsewhere);
    let mut seen = HashSet::new();
    // An output behind a link may have come to where any source lies.
    let sources: Vec<&Source> = sources
        .filter(|source| seen.insert(source.path.as_str()) && (moved || check::is_elsewhere(&source.path, disk)))
        .collect();
    if sources.is_empty() && !moved {
        return;
    }
    let places = outputs_apart(world, &outputs, pipeline, disk, mistakes);
    for source in sources {
        let Some(place) = disk.place(&source.path) else { continue };
        let scope = world.scope(world.drafts[source.draft]);
        if let Some(mistake) = source_apart(world, source, &place, &places, disk.root()) {
            mistakes.add(scope.blame(mistake));
        }
    }
}

fn all<'w>(world: &'w World<'_>) -> impl Iterator<Item = Output<'w>> {
    world.outputs.iter().enumerate().flat_map(|(draft, outputs)| {
        outputs.iter().filter_map(move |(name, output)| Some((draft, name.as_str(), output.path.to_str()?)))
    })
}

/// The places of all outputs; two that meet, and those that nothing may be written to, are mistakes.
fn outputs_apart<'w>(
    world: &World<'_>,
    outputs: &[(Output<'w>, bool)],
    pipeline: &Path,
    disk: &Disk,
    mistakes: &mut Mistakes<'_>,
) -> Places<'w> {
    let mut places = Places::new();
    let mut elsewhere = Vec::new();
    for &(output, moved) in outputs {
        let (draft, name, path) = output;
        let place = if moved { disk.place(path) } else { Some(disk.root().join(path)) };
        let Some(place) = place else { continue };
        if moved && let Some(why) = taken(&place, disk.root(), &pipeline.to_string_lossy()) {
            let stage = world.plans[world.drafts[draft].plan].spec.name;
            let mistake = Mistake::new(format!("stage `{stage}` cannot write `{path}`"))
                .at(world.output_place(draft, name), format!("a symbolic link leads there to `{}`", place.display()));
            mistakes.add(mistake.note(why));
        }
        match places.get(&place) {
            Some(&other) if other.2 != path => mistakes.add(two(world, other, output, &place)),
            Some(_) => {}
            None => {
                places.insert(place.clone(), output);
                elsewhere.push((place, output));
            }
        }
    }
    for (place, output) in elsewhere {
        if let Some(outer) = around(&places, &place)
            && !Path::new(output.2).starts_with(outer.2)
        {
            mistakes.add(two(world, *outer, output, &place));
        }
    }
    places
}

/// Why nothing may be written to a place that a link leads to.
fn taken(place: &Path, root: &Path, pipeline: &str) -> Option<String> {
    if root.starts_with(place) {
        return Some("the project lies there".into());
    }
    let within = place.strip_prefix(root).ok()?.to_str()?;
    paths::reserved(within, pipeline).map(str::to_owned)
}

fn two(world: &World<'_>, first: Output<'_>, second: Output<'_>, place: &Path) -> Mistake {
    let at = |(draft, name, _): Output<'_>| world.output_place(draft, name);
    Mistake::new(format!("the outputs `{}` and `{}` meet behind a symbolic link", first.2, second.2))
        .at(at(second), format!("written by `{}`", world.name(second.0)))
        .at(at(first), format!("written by `{}`", world.name(first.0)))
        .note(format!("`{}` is `{}`", second.2, place.display()))
        .hint("give one of them another path")
}

/// A source that is where a stage writes, or around the project.
fn source_apart(world: &World<'_>, source: &Source, place: &Path, places: &Places<'_>, root: &Path) -> Option<Mistake> {
    let path = source.path.as_str();
    if root.starts_with(place) {
        let mistake = Mistake::new(format!("`{path}` is a folder that holds the project itself"));
        return Some(mistake.at(source.place, place.display().to_string()).hint("name a file or folder in it"));
    }
    let met = places.get(place).or_else(|| around(places, place)).or_else(|| within(places, place));
    let stays = place == root.join(path);
    // Where the paths themselves meet, that has been told.
    let is_told = |written: &str| Path::new(written).starts_with(path) || Path::new(path).starts_with(written);
    if let Some(&(draft, name, written)) = met.filter(|(_, _, written)| !(stays && is_told(written))) {
        let stage = world.name(draft);
        let from = format!("`{{from: \"{stage}.{name}\"}}`");
        let (note, hint) = if stays {
            let note = format!("a link on the way to `{written}` leads there");
            (note, format!("let the link lead to another folder, or for that output write {from}"))
        } else {
            (format!("`{path}` is `{}`", place.display()), format!("for that output write {from}"))
        };
        return Some(
            Mistake::new(format!("`{path}` and the output `{written}` of stage `{stage}` meet behind a symbolic link"))
                .at(source.place, "read here")
                .at(world.output_place(draft, name), "written here")
                .note(note)
                .hint(hint),
        );
    }
    let inside = place.strip_prefix(root).ok()?;
    path.starts_with("../").then(|| {
        Mistake::new(format!("`{path}` leaves the project and comes back to it"))
            .at(source.place, "")
            .hint(format!("write `{}`", inside.display()))
    })
}

/// The output that a place lies in.
fn around<'p, 'w>(places: &'p Places<'w>, place: &Path) -> Option<&'p Output<'w>> {
    place.ancestors().skip(1).find_map(|outer| places.get(outer))
}

/// An output that lies in a place.
fn within<'p, 'w>(places: &'p Places<'w>, place: &Path) -> Option<&'p Output<'w>> {
    let behind = (Bound::Excluded(place), Bound::Unbounded);
    places.range::<Path, _>(behind).next().filter(|(inner, _)| inner.starts_with(place)).map(|(_, output)| output)
}
