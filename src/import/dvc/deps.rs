//! What the dependencies of a stage become, and the files that its command names.

use std::collections::BTreeSet;
use std::path::Path;

use super::context::join;
use super::file::{Item, Variant};
use super::ignore::Ignore;
use super::note::Notes;
use super::planned::Taken;
use super::planner::Planner;

impl Planner<'_, '_> {
    /// What a dependency becomes: itself, or where it meets outputs of stages what these are.
    pub(super) fn dep(&self, dep: &Item, position: usize, notes: &mut Notes) -> Vec<Taken> {
        let line = dep.at.line;
        let taken = |path: String| Taken { path, keys: vec![], line };
        let file = &self.file.path;
        if dep.path.contains("://") {
            let hint = "fetch it in a stage of its own, or declare the file where it was downloaded to";
            notes.lost(file, dep.at, format!("`{}` is not in the project", dep.path), hint);
            return vec![];
        }
        if dep.path.starts_with('/') {
            let hint = "make a link in the project that leads there, and name that";
            notes.lost(file, dep.at, format!("`{}` is an absolute path", dep.path), hint);
            return vec![];
        }
        if self.written.exactly(&dep.path) {
            return vec![taken(dep.written.clone())];
        }
        if let Some(outer) = self.written.around(&dep.path) {
            let what = format!("`{}` is taken with all of `{outer}`, which a stage writes as a whole", dep.path);
            notes.differs(
                file,
                dep.at,
                what,
                "declare it as an output of its own to have a change of its neighbours pass by",
            );
            // A name in the path may stand for several folders; then it does not say where the outer one ends.
            let parts: Vec<&str> = dep.written.split('/').collect();
            let depth = outer.split('/').count();
            let alike = parts.len() == dep.path.split('/').count();
            return vec![taken(if alike { parts[..depth].join("/") } else { outer.to_owned() })];
        }
        let own: BTreeSet<&str> =
            self.stage.variants.iter().flat_map(|v| &v.outs).map(|out| out.item.path.as_str()).collect();
        let within: Vec<&str> = self.written.within(&dep.path).filter(|path| !own.contains(path)).collect();
        let has_own = own.iter().any(|path| path.starts_with(&format!("{}/", dep.path)));
        if within.is_empty() && !has_own {
            if !self.root.join(&dep.path).exists() {
                let path = &self.stage.variants[0].deps[position].path;
                let hint = match path.contains('\\') {
                    true => "`\\` is a letter of a name here, as it is to DVC on Linux; write `/`",
                    false => "kiln refuses the pipeline until it is; `dvc pull` brings it",
                };
                notes.lost(file, dep.at, format!("`{path}` is not there"), hint);
            }
            return vec![taken(dep.written.clone())];
        }
        let what = format!("`{}` is listed file by file, because stages write into it", dep.path);
        notes.differs(file, dep.at, what, "a new file there has to be added to the inputs");
        let mut out: Vec<Taken> = within.iter().map(|path| taken((*path).to_owned())).collect();
        let mut avoid: Vec<&str> = self.written.within(&dep.path).collect();
        avoid.sort_unstable();
        let ignore = Ignore::down_to(self.root, &dep.path);
        list(self.root, &dep.path, &avoid, &ignore, &mut |path| out.push(taken(path)));
        out
    }

    /// Files of the project that the command names.
    pub(super) fn named(&self, variant: &Variant) -> Vec<String> {
        let mut found = Vec::new();
        for command in &variant.commands {
            let text = command.resolved();
            let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || "'\"`;|&()<>=".contains(c)).collect();
            for (i, word) in words.iter().enumerate() {
                let mut candidates = vec![(*word).to_owned()];
                if i > 0 && words[i - 1] == "-m" {
                    candidates = vec![
                        format!("{}.py", word.replace('.', "/")),
                        format!("{}/__main__.py", word.replace('.', "/")),
                    ];
                }
                for candidate in candidates {
                    if candidate.is_empty() || candidate.starts_with('/') || candidate.contains("..") {
                        continue;
                    }
                    let path = join(&variant.wdir, &candidate);
                    let own = variant.outs.iter().any(|out| out.item.path == path);
                    let is_output = own || self.written.exactly(&path) || self.written.around(&path).is_some();
                    if !is_output && self.root.join(&path).is_file() && !found.contains(&path) && !is_environment(&path)
                    {
                        found.push(path);
                    }
                }
            }
        }
        found
    }
}

/// Whether a path lies in an environment of Python, which a stage sees anyway.
fn is_environment(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, ".venv" | "venv" | "env" | "node_modules"))
}

/// The files and folders in a folder that hold nothing of what is to be avoided.
fn list(root: &Path, folder: &str, avoid: &[&str], ignore: &Ignore, found: &mut dyn FnMut(String)) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    let ignore = ignore.and_of(root, folder);
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let path = join(folder, &name);
        if avoid.contains(&path.as_str())
            || matches!(name.as_str(), ".gitignore" | ".dvcignore")
            || name.ends_with(".dvc")
            || ignore.passes_over(&path, root.join(&path).is_dir())
        {
            continue;
        }
        if avoid.iter().any(|other| other.starts_with(&format!("{path}/"))) {
            list(root, &path, avoid, &ignore, found);
        } else {
            found(path);
        }
    }
}
