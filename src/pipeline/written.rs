//! What the stages of a pipeline write, by path.

use std::collections::HashMap;

use super::expand::World;
use super::mistake::{Mistake, Mistakes};
use super::paths;

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

    /// Every path that is written.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'w str> {
        self.paths.keys().copied()
    }

    /// The folder around this path that is written as a whole, and by whom.
    pub(super) fn around<'p>(&self, path: &'p str) -> Option<(&'p str, (usize, &'w str))> {
        paths::ancestors(path).find_map(|outer| Some((outer, self.at(outer)?)))
    }

    /// A path in this folder that is written, and by whom.
    pub(super) fn within(&self, folder: &str) -> Option<(&'w str, (usize, &'w str))> {
        let inner = *self.folders.get(folder)?;
        Some((inner, self.at(inner)?))
    }
}

/// Collects what is written; two writers of one path, or of a folder and something in it, are mistakes.
pub(super) fn collect<'w>(world: &'w World<'_>, mistakes: &mut Mistakes<'_>) -> Written<'w> {
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
        for folder in paths::ancestors(path) {
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
