//! What a command reads of the project that its stage does not declare: shown to it where that was asked for, and told.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::execution::Execution;
use super::found::Found;
use crate::engine::decide::decision::input_path;
use crate::engine::executor::software::is_library;
use crate::engine::executor::{Attempt, Seen};
use crate::hash::is_left_in;
use crate::pipeline::Input;

impl Execution<'_> {
    /// Whether its command may read what is not declared.
    pub(crate) fn is_open(&self) -> bool {
        self.discovers || self.stage.warns
    }

    /// Shows a command the rest of the project beside its inputs, by links. Without a guard it gets nothing: it could write there.
    pub(crate) fn open_rest(&self, work: &Path, attempt: &dyn Attempt) -> io::Result<BTreeSet<PathBuf>> {
        let mut links = BTreeSet::new();
        if self.is_open() && attempt.is_guarded() {
            self.fill(Path::new(""), work, &mut links)?;
        }
        Ok(links)
    }

    /// Fills a folder of the project, in which there may be inputs and folders for outputs.
    fn fill(&self, folder: &Path, work: &Path, links: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let (root, store) = (&self.pipeline.root, self.store.root());
        let outputs = || self.stage.outputs.values().map(|output| output.path.as_path());
        let inputs = || self.stage.inputs.values().flatten().map(|item| (input_path(self.pipeline, item), item));
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let place = work.join(&path);
            let whole = |(input, item): (&Path, &Input)| path.starts_with(input) && item.view.is_none();
            if entry.path() == store || outputs().any(|output| output == path) || inputs().any(whole) {
                continue;
            }
            let laid = fs::symlink_metadata(&place).is_ok();
            let holds = inputs().map(|(input, _)| input).chain(outputs()).any(|inside| inside.starts_with(&path));
            if entry.file_type()?.is_dir() && (laid || holds || store.starts_with(entry.path())) {
                fs::create_dir_all(&place)?;
                self.fill(&path, work, links)?;
            } else if !laid {
                symlink(root.join(&path), &place)?;
                links.insert(path);
            }
        }
        Ok(())
    }

    /// What of that a command has read. `links` is what it was shown.
    pub(crate) fn undeclared(&self, seen: Seen, work: &Path, links: &BTreeSet<PathBuf>) -> Found {
        if seen.is_empty() {
            return Found::default();
        }
        let root = &self.pipeline.root;
        let work = work.canonicalize().unwrap_or_else(|_| work.to_owned());
        let real = root.canonicalize().unwrap_or_else(|_| root.clone());
        let of_project = |path: PathBuf| {
            let inside = [&work, root, &real].into_iter().find_map(|above| path.strip_prefix(above).ok())?;
            let shown = inside.ancestors().any(|above| links.contains(above));
            (shown && !is_left_in(root, inside)).then(|| inside.to_owned())
        };
        // What was not there has no link.
        let wanted = |path: &PathBuf| {
            let inside = [&work, root, &real].into_iter().find_map(|above| path.strip_prefix(above).ok())?;
            let absent =
                fs::symlink_metadata(work.join(inside)).is_err() && fs::symlink_metadata(root.join(inside)).is_err();
            let own = self.stage.outputs.values().any(|output| inside.starts_with(&output.path));
            let kilns = root.join(inside).starts_with(self.store.root());
            (absent && !own && !kilns && !is_library(inside) && !is_left_in(root, inside)).then(|| inside.to_owned())
        };
        let kilns = |path: &PathBuf| path.starts_with(self.store.root());
        let outside = seen.outside.into_iter().filter(|path| path.is_file() && !kilns(path));
        let mut found = Found {
            outside: outside.collect(),
            missing: seen.read.iter().filter_map(wanted).collect(),
            sought: seen.asked.iter().filter_map(wanted).collect(),
            ..Found::default()
        };
        for path in seen.read.into_iter().filter_map(of_project) {
            match fs::metadata(root.join(&path)) {
                Ok(there) if there.is_dir() => found.listed.insert(path),
                Ok(_) => found.read.insert(path),
                // It was told above.
                Err(_) => true,
            };
        }
        found.listed.extend(seen.listed.into_iter().filter_map(|path| {
            // The project itself is listed by many, and says nothing.
            of_project(path).filter(|path| !path.as_os_str().is_empty())
        }));
        let asked = seen.asked.into_iter().filter_map(of_project);
        found.asked = asked.filter(|path| !found.read.contains(path) && root.join(path).is_file()).collect();
        found
    }
}
