//! Inputs that are read where they lie: by built-in kinds, and by commands if they are large. What is read so must stay what the stage was
//! decided by until the stage has ended.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::execution::Execution;
use crate::engine::decide::decision::input_path;
use crate::engine::decide::sources::extent;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{Attempt, Shown};
use crate::failure::Failure;
use crate::hash::tree::Node;
use crate::hash::walk::Extent;
use crate::hash::{Artifact, SourceStamps};
use crate::pipeline::{Input, Source, View};
use crate::show;

/// Of so many bytes on, an input is not copied for a command: that takes longer than a mount namespace does.
const LARGE: u64 = 32 << 20;

/// Of so many files, folders and links on, the same.
const MANY: usize = 1_000;

/// At least so long is between two looks at what is read in place.
const LOOKS: Duration = Duration::from_secs(2);

/// What a stage reads where it lies in the project, as it was before the stage began.
#[derive(Default)]
pub(crate) struct InPlace {
    all: Vec<One>,
    sealed: Vec<Sealed>,
}

/// A file of the store that is read where it lies. It may have other names, outside of the store, by which somebody could write to it.
struct Sealed {
    file: PathBuf,
    /// What the stage knows it as.
    path: PathBuf,
    before: Option<SourceStamps>,
    artifact: Artifact,
}

struct One {
    path: PathBuf,
    view: Option<Arc<View>>,
    /// `None` where stamps tell nothing.
    before: Option<SourceStamps>,
    decided_by: Option<Artifact>,
}

impl InPlace {
    /// Adds what lies at a path of the project.
    pub(crate) fn add(&mut self, source: Source<'_>, before: Option<SourceStamps>, decided_by: Option<Artifact>) {
        self.all.push(One { path: source.path.to_owned(), view: source.view.cloned(), before, decided_by });
    }

    /// Whether a source is among it.
    pub(crate) fn has(&self, source: Source<'_>) -> bool {
        self.all.iter().any(|one| one.path == source.path && one.view.as_ref() == source.view)
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.sealed.is_empty()
    }
}

/// A large input that a command may be shown.
struct Candidate {
    source: PathBuf,
    /// Whether it is a folder.
    tree: bool,
    /// What has to stay as it is; of a file of the store that is looked at by itself.
    before: Option<SourceStamps>,
    /// How much it is.
    bytes: u64,
    files: usize,
}

impl Execution<'_> {
    /// Makes sure that everything is still what it was before the stage read it.
    pub(crate) fn unchanged(&self, in_place: &InPlace) -> Result<(), NoResult> {
        for One { path, view, before, decided_by } in &in_place.all {
            let absolute = self.pipeline.root.join(path);
            let extent = extent(Source { path, view: view.as_ref() });
            self.is_unchanged(path, &absolute, extent, before.as_ref(), decided_by.as_ref())?;
        }
        for Sealed { file, path, before, artifact } in &in_place.sealed {
            self.is_unchanged(path, file, Extent::Everything, before.as_ref(), Some(artifact))?;
        }
        Ok(())
    }

    fn is_unchanged(
        &self,
        path: &Path,
        absolute: &Path,
        extent: Extent<'_>,
        before: Option<&SourceStamps>,
        decided_by: Option<&Artifact>,
    ) -> Result<(), NoResult> {
        match before {
            Some(before) if before.holds(absolute, extent) => Ok(()),
            // What was written may have been read, even if by now it is what it was.
            Some(before) if !before.is_unwritten(absolute, extent) => Err(changed(path)),
            // After a change of rights or names, and where stamps would tell nothing, that the content is the same has to do.
            _ if self.memo.source_in(absolute, extent)?.as_ref() == decided_by => Ok(()),
            _ => Err(changed(path)),
        }
    }

    /// Adds the file of the store that an input is, unless it has no other name than the store's.
    pub(crate) fn watch_sealed(&self, path: &Path, artifact: &Artifact, in_place: &mut InPlace) {
        let Some(file) = self.store.sealed(&artifact.digest) else { return };
        if fs::metadata(&file).is_ok_and(|metadata| metadata.nlink() > 1) {
            let artifact = Artifact { executable: false, ..artifact.clone() };
            let before = SourceStamps::of(&file, Extent::Everything, self.memo);
            let before = before.filter(|before| before.artifact == artifact);
            in_place.sealed.push(Sealed { file, path: path.to_owned(), before, artifact });
        }
    }

    /// Tells, now and then, whether everything is what it was. What comes of a source that was changed is thrown away: the sooner the stage
    /// ends, the less that is.
    pub(crate) fn watching<'w>(&'w self, in_place: &'w InPlace) -> impl Fn() -> bool + 'w {
        let next = Cell::new(Instant::now() + LOOKS);
        move || {
            let begun = Instant::now();
            if in_place.is_empty() || begun < next.get() {
                return true;
            }
            let goes_on = self.unchanged(in_place).is_ok();
            // Of many files a look takes its time.
            next.set(Instant::now() + LOOKS.max(begun.elapsed() * 50));
            goes_on
        }
    }

    /// The same of an output of another stage, which may be a folder.
    pub(crate) fn watch_output(&self, path: &Path, artifact: &Artifact, in_place: &mut InPlace) {
        if !artifact.tree {
            return self.watch_sealed(path, artifact, in_place);
        }
        for (_, node) in self.store.kept_listing(&artifact.digest).map(|listing| listing.entries).unwrap_or_default() {
            if let Node::File { digest, bytes, .. } = node {
                self.watch_sealed(path, &Artifact { digest, tree: false, bytes, executable: false }, in_place);
            }
        }
    }

    /// What a command is shown at a path if its input is large, and there is nothing beside it to hide. It is to stay as it is meanwhile.
    pub(crate) fn shown(
        &self,
        name: &str,
        position: usize,
        item: &Input,
        at: &Path,
        attempt: &dyn Attempt,
        in_place: &mut InPlace,
    ) -> Result<Option<Shown>, NoResult> {
        let path = input_path(self.pipeline, item);
        // What a command writes beneath a folder needs a folder that can be written in.
        if self.stage.outputs.values().any(|output| output.path.starts_with(path)) {
            return Ok(None);
        }
        let candidate = match item.source() {
            Some(source) => self.of_project(source)?,
            None => self.of_store(name, position, path)?,
        };
        let Some(candidate) = candidate else { return Ok(None) };
        let size = || format!("{} in {} files", show::number::size(candidate.bytes), candidate.files);
        if !candidate.tree && shares_blocks(&candidate.source, at) {
            return Ok(None);
        }
        if !attempt.can_show() {
            (self.detail)(format!("{} is copied ({})", path.display(), size()));
            return Ok(None);
        }
        place(&candidate, at)?;
        (self.detail)(format!("{} is read where it lies ({})", path.display(), size()));
        if let Some(before) = candidate.before {
            let artifact = before.artifact.clone();
            let source = item.source().unwrap_or(Source { path, view: None });
            in_place.add(source, Some(before), Some(artifact));
        } else if let Some(artifact) = self.input(name, position) {
            self.watch_sealed(path, artifact, in_place);
        }
        Ok(Some(Shown { source: candidate.source, place: at.to_owned() }))
    }

    /// A large source, if all that lies there is what the stage was decided by.
    fn of_project(&self, source: Source<'_>) -> Result<Option<Candidate>, NoResult> {
        if matches!(source.view.map(|view| &**view), Some(View::Written(_))) {
            return Ok(None);
        }
        let decided = self.sources.get(source).ok();
        // A file that is small needs no look.
        if decided.as_ref().is_none_or(|decided| !decided.tree && decided.bytes < LARGE) {
            return Ok(None);
        }
        let absolute = self.pipeline.root.join(source.path);
        let Some(before) = SourceStamps::of(&absolute, extent(source), self.memo) else { return Ok(None) };
        if Some(&before.artifact) != decided.as_ref() {
            return Err(changed(source.path));
        }
        if !(before.whole && is_large(&before)) {
            return Ok(None);
        }
        let Ok(source) = absolute.canonicalize() else { return Ok(None) };
        Ok(Some(Candidate::of(source, before)))
    }

    /// A large file of the store, or a large folder that lies in the project as it was made.
    fn of_store(&self, name: &str, position: usize, path: &Path) -> Result<Option<Candidate>, NoResult> {
        let Some(artifact) = self.input(name, position) else { return Ok(None) };
        if !artifact.tree {
            // The blob of an executable file is none.
            if artifact.bytes < LARGE || artifact.executable {
                return Ok(None);
            }
            let blob = self.store.sealed(&artifact.digest);
            let candidate = |source| Candidate { source, tree: false, before: None, bytes: artifact.bytes, files: 1 };
            return Ok(blob.map(candidate));
        }
        let absolute = self.pipeline.root.join(path);
        let before = SourceStamps::of(&absolute, Extent::Source, self.memo);
        let before = before.filter(|before| before.whole && before.artifact == *artifact && is_large(before));
        Ok(before.and_then(|before| Some(Candidate::of(absolute.canonicalize().ok()?, before))))
    }
}

impl Candidate {
    fn of(source: PathBuf, before: SourceStamps) -> Self {
        let Artifact { tree, bytes, .. } = before.artifact;
        Self { source, tree, bytes, files: before.count(), before: Some(before) }
    }
}

/// What is to be said of a source that is not what the stage was decided by.
pub(super) fn changed(path: &Path) -> NoResult {
    Failure::InputChanged { path: path.to_owned(), why: None }.into()
}

fn is_large(before: &SourceStamps) -> bool {
    before.artifact.bytes >= LARGE || before.count() >= MANY
}

/// Puts something at a path that can be covered by an input.
fn place(candidate: &Candidate, at: &Path) -> io::Result<()> {
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder)?;
    }
    if candidate.tree {
        return fs::create_dir(at);
    }
    // Whether it can be executed is seen from outside, too.
    let mode = fs::metadata(&candidate.source)?.permissions().mode() & 0o555;
    File::create_new(at)?.set_permissions(fs::Permissions::from_mode(mode))
}

/// Whether a copy of a file shares its blocks: it takes no time and no room, and leaves the file to be edited.
fn shares_blocks(file: &Path, at: &Path) -> bool {
    let shares = reflink_copy::reflink(file, at).is_ok();
    let _ = fs::remove_file(at);
    shares
}
