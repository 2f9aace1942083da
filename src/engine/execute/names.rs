//! The paths of a scratch directory in the words of who wrote the pipeline: a message that names one would lead nowhere. Values that were
//! passed to a command are left out.

use std::path::{Path, PathBuf};

use super::command::WORK;
use super::execution::Execution;
use crate::engine::decide::decision::input_path;
use crate::engine::executor::HOME;
use crate::engine::executor::failure::{Failed, NoResult};

/// The value of a variable that was passed may be a secret if it has so many bytes; one that is shorter stands everywhere.
const SECRET: usize = 8;

/// What is written for what.
pub(crate) struct Names(Vec<(String, String)>);

impl Execution<'_> {
    /// The names of what lies in a scratch directory of this execution.
    pub(crate) fn names(&self, scratch: &Path) -> Names {
        let mut names = Vec::new();
        // A program that asks where it is gets the path without links.
        let mut roots = vec![scratch.to_owned()];
        roots.extend(scratch.canonicalize().ok().filter(|path| path != scratch));
        for root in &roots {
            let mut add = |path: PathBuf, name: String| names.push((path.display().to_string(), name));
            for (name, items) in &self.stage.inputs {
                for (position, item) in items.iter().enumerate() {
                    let path = input_path(self.pipeline, item);
                    let file = path.file_name().unwrap_or_default();
                    let there = root.join("inputs").join(name).join(position.to_string()).join(file);
                    add(there, path.display().to_string());
                }
            }
            for (name, output) in &self.stage.outputs {
                let file = output.path.file_name().unwrap_or_default();
                add(root.join("outputs").join(name).join(file), output.path.display().to_string());
            }
            add(root.join(WORK).join(""), String::new());
            add(root.join(WORK), ".".into());
            add(root.join(HOME), "$HOME".into());
        }
        let secrets = self.stage.pass.iter().filter_map(|name| std::env::var(name).ok());
        names.extend(secrets.filter(|value| value.len() >= SECRET).map(|value| (value, "***".into())));
        Names(names)
    }
}

impl Names {
    /// A text with the user's names.
    pub(crate) fn put_into(&self, mut text: String) -> String {
        for (path, name) in &self.0 {
            if text.contains(path) {
                text = text.replace(path, name);
            }
        }
        text
    }

    /// A failure in the user's names.
    pub(crate) fn no_result(&self, why: NoResult) -> NoResult {
        why.map(|Failed { failure, beside }| Failed {
            failure: failure.renamed(&|text| self.put_into(text)),
            beside: beside.into_iter().map(|line| self.put_into(line)).collect(),
        })
    }
}
