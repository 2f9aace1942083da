//! An execution that is looked at: the states of its steps are put aside and not published, it begins with the state that it is handed, and it
//! may be stopped after a step.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::hash::Artifact;
use crate::record::Resumed;

/// What becomes of what an execution makes beside its result: of the states of steps, and of outputs that are not enough for a result.
#[derive(Clone, Copy)]
pub(crate) enum Keeping<'a> {
    /// It is kept.
    Everything,
    /// It is not.
    Nothing,
    /// States are put aside to be looked at.
    Aside(&'a Rehearsal),
}

/// What such an execution begins with, and where its states go.
pub(crate) struct Rehearsal {
    /// Where its states are put: under the numbers of their steps.
    pub(crate) folder: PathBuf,
    /// The state that it begins with, and the lines of metrics up to that.
    pub(crate) from: Option<(Resumed, Artifact, Option<Artifact>)>,
    /// The step that it is stopped after.
    pub(crate) until: Option<u64>,
    reached: AtomicBool,
}

impl Rehearsal {
    /// One that begins with nothing. The folder has to be there.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, from: None, until: None, reached: AtomicBool::new(false) }
    }

    /// Where the state after a step is, if it was left.
    pub(crate) fn state(&self, step: u64) -> PathBuf {
        self.folder.join(step.to_string())
    }

    /// Where the lines of metrics up to a step are, if there are any.
    pub(crate) fn lines(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{step}.metrics"))
    }

    /// The steps whose states were left, in order.
    pub(crate) fn steps(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut steps: Vec<u64> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        steps.sort_unstable();
        steps
    }

    /// Whether the step was reached after which it is stopped.
    pub(crate) fn is_far_enough(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Takes a state away from who has left it.
    pub(crate) fn put_aside(&self, step: u64, state: &Path) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let kind = fs::symlink_metadata(state).map_err(text)?.file_type();
        if !kind.is_dir() && !kind.is_file() {
            return Err("it is neither a folder nor a file".into());
        }
        fs::rename(state, self.state(step)).map_err(text)?;
        if self.until == Some(step) {
            self.reached.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
