//! From the files that a stage has read to the inputs that a person would write: modules as their package, many files of a folder as the
//! folder, what another stage writes as its output.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::found_input::{FoundInput, by_keys, for_all, gathered};
use crate::engine::execute::found::Found;
use crate::engine::executor::toolchain::is_toolchain;
use crate::pipeline::{Pipeline, StageId};

/// What programs import of each other.
const CODE: [&str; 6] = ["py", "R", "r", "jl", "lua", "pl"];

/// Files that do nothing but mark the root of a project, for rootutils and pyprojroot.
const MARKS: [&str; 2] = [".project-root", ".here"];

/// So many files of a folder are named one by one; more are its folder, if they are half of it.
const FEW: usize = 3;

/// So many files of a folder that does not fit are named one by one at most.
const MANY: usize = 20;

/// So many files are counted in a folder at most.
const COUNTED: usize = 100_000;

/// The inputs that a stage has to declare beside those that it does.
pub(super) fn inputs(found: &Found, pipeline: &Pipeline, id: StageId) -> Vec<(String, FoundInput)> {
    let stage = &pipeline.stages[id.0];
    let mut all: Vec<FoundInput> = Vec::new();
    let (mut code, mut other) = (Vec::new(), Vec::new());
    let mut outputs = BTreeSet::new();
    // What another stage has yet to make is not there.
    let to_come = found.missing.iter().filter(|path| producer(path, pipeline, id).is_some());
    // Whether an output is there decides what a command does, too; but not that of a stage which comes after it.
    let asked = found
        .sought
        .iter()
        .chain(&found.asked)
        .filter(|path| maker(path, pipeline, id).is_some_and(|(other, _)| !pipeline.comes_after(other, id)));
    // So does whether the mark of a project is there: its root is looked for from the script upwards.
    let marks = found.asked.iter().filter(|path| is_mark(path));
    let paths = found.read.iter().chain(to_come).chain(asked).chain(marks);
    for path in paths.filter(|path| is_of_project(path, &pipeline.root)) {
        if stage.outputs.values().any(|output| path.starts_with(&output.path)) {
            continue;
        }
        match producer(path, pipeline, id) {
            Some(output) => drop(outputs.insert(output)),
            None if suffix(path).is_some() => code.push(path.as_path()),
            None => other.push(path.as_path()),
        }
    }
    let mut listed = BTreeSet::new();
    for path in looked_through(found, &code, pipeline, id) {
        match producer(path, pipeline, id) {
            Some(output) => drop(outputs.insert(output)),
            None => drop(listed.insert(path)),
        }
    }
    all.extend(packages(&code, &pipeline.root));
    let taken = outputs_of(pipeline);
    let mut tree = Folder::default();
    other.iter().for_each(|path| tree.add(path));
    listed.iter().for_each(|path| tree.reach(path));
    all.extend(tree.fold(Path::new(""), &listed, &pipeline.root, &taken).into_iter().map(FoundInput::Path));
    all.extend(gathered(outputs, pipeline).into_iter().map(FoundInput::From));
    let mut all: Vec<FoundInput> =
        all.into_iter().map(|input| by_keys(for_all(input, pipeline, id), pipeline)).collect();
    all.dedup();
    let mut names: HashSet<String> = stage.inputs.iter().map(|(name, _)| name.clone()).collect();
    all.into_iter().map(|input| (name(&input, &mut names), input)).collect()
}

fn outputs_of(pipeline: &Pipeline) -> Vec<&Path> {
    pipeline.stages.iter().flat_map(|stage| stage.outputs.values()).map(|output| output.path.as_path()).collect()
}

/// The folders that were listed to see what is in them. Python lists the folders of a module that it imports, and those above them, so these count only
/// if several files in them were read that are no code.
fn looked_through<'f>(found: &'f Found, code: &[&Path], pipeline: &Pipeline, id: StageId) -> Vec<&'f Path> {
    let stage = &pipeline.stages[id.0];
    let of_code: HashSet<&Path> = code.iter().flat_map(|path| path.ancestors().skip(1)).collect();
    let data = |folder: &Path| {
        found.read.iter().filter(|path| path.parent() == Some(folder) && suffix(path).is_none()).count() > 1
    };
    let counts = |path: &&Path| {
        let own = stage.outputs.values().any(|output| path.starts_with(&output.path));
        let place = pipeline.root.join(path);
        let is_environment = is_toolchain(&place) || !is_of_project(path, &pipeline.root);
        !own && !is_environment && (!of_code.contains(path) || data(path)) && place.is_dir()
    };
    found.listed.iter().map(PathBuf::as_path).filter(counts).collect()
}

/// Whether a path of the project is such a file, at its top.
pub(super) fn is_mark(path: &Path) -> bool {
    MARKS.iter().any(|mark| path.as_os_str() == *mark)
}

/// Whether a path is no environment, and nothing of Git's.
pub(super) fn is_of_project(path: &Path, root: &Path) -> bool {
    let git = path.components().any(|part| part.as_os_str() == ".git");
    !git && !path.ancestors().skip(1).any(|above| !above.as_os_str().is_empty() && is_toolchain(&root.join(above)))
}

/// The output of another stage that a path is, or lies in.
pub(super) fn producer(path: &Path, pipeline: &Pipeline, id: StageId) -> Option<String> {
    let (other, name) = maker(path, pipeline, id)?;
    Some(format!("{}.{name}", pipeline.stages[other.0].name))
}

/// The other stage of which a path is an output, or lies in one; and the output's name.
fn maker<'p>(path: &Path, pipeline: &'p Pipeline, id: StageId) -> Option<(StageId, &'p str)> {
    let others = pipeline.stages.iter().enumerate().filter(|(number, _)| *number != id.0);
    let mut outputs = others.flat_map(|(number, stage)| {
        stage.outputs.iter().map(move |(name, output)| (StageId(number), name.as_str(), output))
    });
    outputs.find(|(.., output)| path.starts_with(&output.path)).map(|(other, name, _)| (other, name))
}

/// The suffix of a file of code.
fn suffix(path: &Path) -> Option<&str> {
    path.extension().and_then(|suffix| suffix.to_str()).filter(|suffix| CODE.contains(suffix))
}

/// Modules beside each other as their folder, those of a package as the package.
fn packages(code: &[&Path], root: &Path) -> Vec<FoundInput> {
    let mut groups: BTreeMap<(PathBuf, &str), Vec<&Path>> = BTreeMap::new();
    for path in code {
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_package =
            |folder: &&Path| !folder.as_os_str().is_empty() && root.join(folder).join("__init__.py").is_file();
        let top = folder.ancestors().take_while(is_package).last().unwrap_or(folder);
        groups.entry((top.to_owned(), suffix(path).unwrap_or_default())).or_default().push(path);
    }
    // A folder in another that is taken goes with it.
    let taken: Vec<(PathBuf, String)> = groups
        .iter()
        .filter(|((folder, _), files)| !folder.as_os_str().is_empty() && files.len() > 1)
        .map(|((folder, suffix), _)| (folder.clone(), (*suffix).to_owned()))
        .collect();
    let covered = |folder: &Path, suffix: &str, or_same: bool| {
        taken.iter().any(|(above, own)| own == suffix && folder.starts_with(above) && (or_same || folder != above))
    };
    let mut all = Vec::new();
    for ((folder, suffix), files) in &groups {
        if covered(folder, suffix, false) {
            continue;
        }
        if covered(folder, suffix, true) {
            all.push(FoundInput::Suffix(folder.clone(), (*suffix).to_owned()));
        } else {
            all.extend(files.iter().map(|file| FoundInput::Path((*file).to_owned())));
        }
    }
    all
}

/// Files that were read, by folders.
#[derive(Default)]
struct Folder {
    folders: BTreeMap<PathBuf, Folder>,
    files: BTreeSet<PathBuf>,
}

impl Folder {
    fn add(&mut self, path: &Path) {
        let mut at = self;
        let mut parts: Vec<_> = path.components().collect();
        let Some(file) = parts.pop() else { return };
        for part in parts {
            at = at.folders.entry(PathBuf::from(part.as_os_str())).or_default();
        }
        at.files.insert(PathBuf::from(file.as_os_str()));
    }

    /// Makes room for a folder of which nothing may have been read.
    fn reach(&mut self, path: &Path) {
        let mut at = self;
        for part in path.components() {
            at = at.folders.entry(PathBuf::from(part.as_os_str())).or_default();
        }
    }

    fn count(&self) -> usize {
        self.files.len() + self.folders.values().map(Self::count).sum::<usize>()
    }

    /// The paths that stand for the files and for the folders that were looked through.
    fn fold(&self, own: &Path, listed: &BTreeSet<&Path>, root: &Path, taken: &[&Path]) -> Vec<PathBuf> {
        let count = self.count();
        let top = own.as_os_str().is_empty();
        // No input may hold what a stage writes.
        let free = !top && !taken.iter().any(|output| output.starts_with(own));
        let most = count > FEW && count * 2 >= files_in(&root.join(own), count * 2 + 1);
        if free && (most || listed.contains(own) || self.files.len() > MANY) {
            return vec![own.to_owned()];
        }
        let files = self.files.iter().map(|file| own.join(file));
        let inner = self.folders.iter().flat_map(|(name, folder)| folder.fold(&own.join(name), listed, root, taken));
        files.chain(inner).collect()
    }
}

/// How many files lie in a folder; no more than `most` are counted.
fn files_in(folder: &Path, most: usize) -> usize {
    let (mut count, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else {
                count += 1;
            }
            if count >= most.min(COUNTED) {
                return count;
            }
        }
    }
    count
}

/// A name for an input that no other has.
fn name(input: &FoundInput, names: &mut HashSet<String>) -> String {
    let own = match input {
        FoundInput::Path(path) | FoundInput::Keys(path, _) => {
            path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
        }
        FoundInput::Suffix(path, _) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        FoundInput::From(output) => output.rsplit('.').next().unwrap_or_default().to_owned(),
    };
    let good = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    // Of what each variant has its own the axis is as good as a name.
    let own = own.replace("${label.", "").replace('}', "");
    let own: String = own.trim_start_matches('.').chars().map(good).collect();
    let own = if own.starts_with(|c: char| c.is_ascii_alphabetic()) { own } else { format!("in_{own}") };
    let mut unique = own.clone();
    let mut number = 2;
    while !names.insert(unique.clone()) {
        unique = format!("{own}_{number}");
        number += 1;
    }
    unique
}
