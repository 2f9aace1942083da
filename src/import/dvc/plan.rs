//! The stages of the pipeline that an import writes: what DVC's become in Kiln.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::file::File;
use super::keyed::Keyed;
use super::note::Notes;
use super::outputs::Written;
use super::planned::Planned;
use super::planner::Planner;
use super::roles;

/// What is to be written.
pub(super) struct Plan<'f> {
    pub(super) stages: Vec<Planned<'f>>,
    /// Files of parameters of which stages take keys, beside those that templates take.
    pub(super) more: Vec<String>,
}

/// Plans all stages, in the order of the files.
pub(super) fn plan<'f>(root: &Path, files: &'f [File], notes: &mut Notes) -> Plan<'f> {
    let written = Written::of(files);
    let keyed = Keyed::of(root, files);
    let names = names(files, notes);
    let roles = roles::top_level(files, &written, notes);
    let mut planned = Vec::new();
    for (f, file) in files.iter().enumerate() {
        for (s, stage) in file.stages.iter().enumerate() {
            let name = names[&(f, s)].clone();
            let planner = Planner { root, file, stage, name: &name, written: &written, roles: &roles, keyed: &keyed };
            if stage.frozen {
                let what = format!("`{}` is frozen: it is commented out, and what it wrote is a source", stage.name);
                notes.told(&file.path, stage.at, what, "");
                // What else there is to say concerns nobody.
                planned.push(planner.plan(&mut Notes::default()));
                continue;
            }
            planned.push(planner.plan(notes));
        }
    }
    Plan { stages: planned, more: keyed.more }
}

/// Names of Kiln's: those of DVC, with the folder in front where two files have the same.
pub(super) fn names(files: &[File], notes: &mut Notes) -> BTreeMap<(usize, usize), String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (f, file) in files.iter().enumerate() {
        for (s, stage) in file.stages.iter().enumerate() {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let clean: String = stage.name.chars().map(|c| if good(c) { c } else { '_' }).take(90).collect();
            let clean = clean.trim_start_matches(['-', '.']).to_owned();
            let mut name = if clean.is_empty() { "stage".to_owned() } else { clean.clone() };
            if taken.contains(&name) {
                let folder: String = file.folder.chars().map(|c| if good(c) { c } else { '.' }).collect();
                name = format!("{folder}.{name}").trim_start_matches('.').to_owned();
            }
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            if name != stage.name {
                notes.told(&file.path, stage.at, format!("stage `{}` is called `{name}`", stage.name), "");
            }
            names.insert((f, s), name);
        }
    }
    names
}
