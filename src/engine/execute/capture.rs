//! What a stage that ended well left: taken into the store, and read where it holds numbers.
//!
//! Whatever is wrong with it, nothing that the stage made is thrown away. Numbers that cannot be read are a warning. Where an output is
//! missing or is nothing that can be kept there is no result, and the others lie where they can be fetched from.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use super::execution::Execution;
use crate::diagnostic::with_causes;
use crate::engine::decide::decision::input_path;
use crate::engine::decide::metrics::Numbers;
use crate::engine::executor::failure::{Failed, Lost, NoResult};
use crate::failure::{Failure, MissingOutput};
use crate::hash::{Artifact, ContentError};
use crate::name_map::NameMap;
use crate::pipeline::Body;
use crate::record::Resumed;
use crate::show;
use crate::store::{ActionResult, Store, StoreError, remove_all};

/// So many files are named of what a stage left.
const NAMED: usize = 5;

/// Where a worker wrote.
pub(crate) struct WorkerOutputs {
    /// Its outputs, by name.
    pub(crate) outputs: BTreeMap<String, PathBuf>,
    /// The folder of its scratch directory that they are in.
    pub(crate) folder: PathBuf,
}

/// How something is taken into the store.
type Capture = fn(&Store, &Path) -> Result<Artifact, StoreError>;

impl Execution<'_> {
    /// Takes what a worker that ended well has written into the store.
    pub(crate) fn capture(
        &self,
        left: &WorkerOutputs,
        took: Duration,
        resumed: Option<Resumed>,
    ) -> Result<ActionResult, NoResult> {
        let (mut outputs, mut missing, mut faults) = (NameMap::new(), Vec::new(), Vec::new());
        for (name, path) in &left.outputs {
            match self.take(path, Store::capture) {
                Ok(Some(artifact)) => {
                    let within = left.folder.parent().and_then(|folder| path.strip_prefix(folder).ok());
                    if !within.is_none_or(|path| self.course.agrees(path, &artifact)) {
                        let why = format!("output `{name}` is not seen here as it was written by its job");
                        let failed = Failed::from(Failure::Other { why });
                        return Err(NoResult::Lost(Box::new(Lost { failed, out_of_time: false })));
                    }
                    outputs.insert(name.clone(), artifact);
                }
                Ok(None) => {
                    let path = self.stage.outputs[name].path.clone();
                    missing.push(MissingOutput { output: name.clone(), path });
                }
                Err(why) => faults.push(Failure::OutputNotKept { output: name.clone(), why }),
            }
        }
        let seconds = self.course.executed(took).as_secs_f64();
        let mut result = ActionResult { seconds, resumed, ..ActionResult::of(outputs) };
        let failed = if missing.is_empty() {
            (!faults.is_empty()).then(|| faults.remove(0)).map(Failed::from)
        } else {
            Some(Failed { failure: Failure::OutputMissing { outputs: missing }, beside: self.tail() })
        };
        if let Some(failed) = failed {
            let others = faults.iter().map(show::failure::words);
            return Err(self.incomplete(others.fold(failed, Failed::and), result, left));
        }
        self.is_as_pinned(&result.outputs)?;
        let mut numbers = Numbers::of(self.stage, &result.outputs, self.store);
        std::mem::take(&mut numbers.remarks).into_iter().for_each(|remark| self.say(remark));
        numbers.enter(&mut result);
        Ok(result)
    }

    /// What becomes of a result that lacks outputs.
    fn incomplete(&self, mut failed: Failed, result: ActionResult, left: &WorkerOutputs) -> NoResult {
        let kept = self.salvage(&left.folder, &result.outputs);
        if self.interrupt.is_set() {
            if let Some(kept) = kept {
                self.say(format!("interrupted while its outputs were taken into the cache; {kept}"));
            }
            return NoResult::Interrupted;
        }
        failed.beside.extend(kept);
        failed.beside.extend(self.keep_part(result));
        NoResult::Failed(failed)
    }

    /// Takes an output into the store; `None` if there is none.
    pub(super) fn take(&self, path: &Path, capture: Capture) -> Result<Option<Artifact>, String> {
        match fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A file in the place of a folder above it, say.
            Err(e) => return Err(format!("cannot look at {}: {e}", path.display())),
            Ok(_) => stays(path)?,
        }
        let captured = match capture(self.store, path) {
            Err(StoreError::Content(ContentError::LinkLeaves { .. })) if shorten_links(path, path).is_ok() => {
                capture(self.store, path)
            }
            captured => captured,
        };
        captured.map(Some).map_err(|e| with_causes(&e))
    }

    /// Files the outputs that there are as the result of a stage that has no others: the same command on the same inputs. So whoever
    /// takes the missing ones out of the pipeline has the rest.
    fn keep_part(&self, mut result: ActionResult) -> Option<String> {
        if !self.keeps() || result.outputs.is_empty() || !matches!(self.stage.body, Body::Run(_)) {
            return None;
        }
        let mut manifest = self.decision.manifest.clone();
        manifest.outputs.retain(|name, _| result.outputs.contains_key(name));
        // Its numbers are read by that stage.
        result.unread = true;
        let published = self.store.publish(&manifest.key(), &manifest, &result);
        if let Err(error) = published {
            tracing::warn!("cannot keep a part of the result: {}", with_causes(&error));
            return None;
        }
        let lacking = self.stage.outputs.keys().filter(|name| !result.outputs.contains_key(name));
        let lacking = lacking.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Some(format!(
            "hint: take {lacking} out of its `outputs`, and the others come from the cache without an execution"
        ))
    }

    /// Keeps what a stage left that ended well and gives no result, and says where.
    pub(crate) fn salvage(&self, folder: &Path, outputs: &NameMap<Artifact>) -> Option<String> {
        if !self.keeps() {
            return None;
        }
        // The inputs are copies.
        for item in self.stage.inputs.values().flatten() {
            let _ = remove_all(&folder.join(input_path(self.pipeline, item)));
        }
        for (name, artifact) in outputs {
            let place = folder.join(&self.stage.outputs[name].path);
            if let Err(error) = self.store.hand_back(artifact, &place) {
                tracing::warn!("{} is in the cache only: {}", place.display(), with_causes(&error));
            }
        }
        let mut files = Vec::new();
        let _ = list(folder, Path::new(""), &mut files);
        if files.is_empty() {
            return None;
        }
        files.sort();
        let named = show::names::first_of(files.iter().map(|file| file.display().to_string()), NAMED);
        match self.store.salvage(folder, &self.stage.name.to_string()) {
            Ok(place) => Some(format!("what it wrote is kept in {} for a week: {named}", place.display())),
            Err(error) => Some(format!("what it wrote is lost ({named}): {}", with_causes(&error))),
        }
    }

    /// Holds outputs against the digests that a kind pins.
    fn is_as_pinned(&self, outputs: &NameMap<Artifact>) -> Result<(), NoResult> {
        let Body::Uses { kind, params } = &self.stage.body else { return Ok(()) };
        for (name, pinned) in kind.fixed(params).unwrap_or_default() {
            let found = outputs.get(&name).map(|a: &Artifact| a.digest);
            if found != Some(pinned) {
                return Err(Failure::WrongContents { output: name, expected: pinned, found }.into());
            }
        }
        Ok(())
    }
}

/// Refuses an output that a link leads away from: what is captured is moved, and must not be somebody else's. (A link at
/// the path itself is refused when it is captured.)
pub(super) fn stays(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    // In one step where the kernel can (Linux 5.6).
    if openat2(CWD, folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS).is_ok() {
        return Ok(());
    }
    match folder.canonicalize() {
        Ok(found) if found == folder => Ok(()),
        Ok(found) => Err(format!("it lies in {}, where a symbolic link leads", found.display())),
        Err(e) => Err(format!("cannot find {}: {e}", folder.display())),
    }
}

/// Makes the absolute links in a folder that lead into it relative: a program that writes `last.ckpt` beside its checkpoints does
/// not know that the folder is to be moved.
fn shorten_links(root: &Path, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            shorten_links(root, &path)?;
        } else if kind.is_symlink()
            && let Ok(inner) = fs::read_link(&path)?.strip_prefix(root)
        {
            let depth = folder.strip_prefix(root).map_or(0, |below| below.components().count());
            let target: PathBuf = std::iter::repeat_n(Path::new(".."), depth).chain([inner]).collect();
            fs::remove_file(&path)?;
            symlink(target, &path)?;
        }
    }
    Ok(())
}

/// The files below a folder, by their paths in it; what a program compiled for itself is none that anybody wrote.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            files.push(path);
        } else if entry.file_name() != "__pycache__" {
            list(root, &path, files)?;
        }
    }
    Ok(())
}
