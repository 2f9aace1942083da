//! What a failed command may have stumbled over, told from the end of its log.
//!
//! A wrong hint costs more than none. So a hint is given on evidence alone: a line that complains in words that are known, and a look at
//! what it complains of that bears it out. Whatever is not certain is left to the log.

mod complaint;
mod ending;
mod environment;
mod files;
mod manager;
mod python;

use std::path::{Component, Path, PathBuf};

use crate::engine::decide::decision::input_path;
use crate::engine::executor::toolchain::is_toolchain;
use crate::links::without_dots;
use crate::pipeline::{Pipeline, Stage};

/// Where a command ran, and how it ended.
pub(crate) struct CommandEnd<'a> {
    /// The pipeline.
    pub(crate) pipeline: &'a Pipeline,
    /// The stage.
    pub(crate) stage: &'a Stage,
    /// The cache.
    pub(crate) cache: &'a Path,
    /// The scratch directory, in which all may be written.
    pub(crate) scratch: &'a Path,
    /// The folder in it that the command was started in.
    pub(crate) work: &'a Path,
    /// Whether the guard kept it in bounds.
    pub(crate) guarded: bool,
    /// The code that it ended with, if it was started and ended by itself.
    pub(crate) code: Option<i32>,
}

/// A hint on a failure.
pub(crate) fn hint(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    manager::runs(lines, scene)
        .or_else(|| files::undeclared(lines, scene))
        .or_else(|| python::module(lines, scene))
        .or_else(|| environment::unset(lines, scene.stage))
        .or_else(|| files::denied(lines, scene))
        .or_else(|| environment::repository(lines, scene))
        .or_else(|| ending::pipe(lines, scene))
}

/// What lines complain of, if it is a file of the project that the stage does not declare.
pub(crate) fn undeclared(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    files::undeclared(lines, scene)
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// What the stage declares as an input, or what lies in such a folder.
    Input(PathBuf),
    /// The same of an output.
    Output(PathBuf),
    /// Another project path; one that begins with `..` leads beside the project.
    Project(PathBuf),
    /// A path outside the project.
    Outside(PathBuf),
}

impl CommandEnd<'_> {
    fn project(&self) -> &Path {
        &self.pipeline.root
    }

    /// What a name stands for, with whether it was asked for in the stage's own folder; `None` if that tells nothing.
    fn find(&self, name: &str) -> Option<(Named, bool)> {
        let full = self.work.join(name);
        let full = full.canonicalize().unwrap_or_else(|_| plain(&full));
        let (path, own) = match full.strip_prefix(self.work) {
            Ok(path) => (path.to_owned(), true),
            Err(_) if full.starts_with(self.scratch) || full.starts_with(self.cache) => (beside(name)?, true),
            Err(_) => match full.strip_prefix(self.project()) {
                Ok(path) => (path.to_owned(), false),
                Err(_) if !Path::new(name).is_absolute() || name == "/" => return None,
                Err(_) => return Some((Named::Outside(full), false)),
            },
        };
        if path.as_os_str().is_empty() || self.project().join(&path).starts_with(self.cache) {
            return None;
        }
        let inputs = self.stage.inputs.values().flatten().map(|item| input_path(self.pipeline, item));
        let outputs = self.stage.outputs.values().map(|output| output.path.as_path());
        let mut above = false;
        for (declared, is_input) in inputs.map(|path| (path, true)).chain(outputs.map(|path| (path, false))) {
            if path.starts_with(declared) {
                return Some((if is_input { Named::Input(path) } else { Named::Output(path) }, own));
            }
            above |= declared.starts_with(&path);
        }
        // A folder with something that is declared is there.
        if above { None } else { Some((Named::Project(path), own)) }
    }

    /// The input that names what another stage writes at a path: `first.x`.
    fn producer(&self, path: &Path) -> Option<String> {
        let others = self.pipeline.stages.iter().filter(|stage| stage.name != self.stage.name);
        let mut outputs =
            others.flat_map(|stage| stage.outputs.iter().map(move |(name, output)| (stage, name, output)));
        let (stage, name, _) = outputs.find(|(.., output)| path.starts_with(&output.path))?;
        Some(format!("{}.{name}", stage.name))
    }

    /// The toolchain of the project that a path lies in.
    fn toolchain(&self, path: &Path) -> Option<PathBuf> {
        let mut above = path.ancestors().filter(|above| !above.as_os_str().is_empty());
        above.find(|above| is_toolchain(&self.project().join(above))).map(Path::to_owned)
    }
}

/// A relative path, without what is undone in it, if it leads out of the folder that it is relative to: `../a/y`.
fn beside(name: &str) -> Option<PathBuf> {
    let out = without_dots(Path::new(name));
    out.starts_with("..").then_some(out)
}

/// The path without `.` and `..`, for what does not exist.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
