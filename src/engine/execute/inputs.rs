//! Putting a stage's inputs where it reads them, and holding that they are what it was decided by: a result must not be filed
//! under a content that the stage did not read.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::execution::Execution;
use super::in_place::{InPlace, changed};
use crate::diagnostic::with_causes;
use crate::engine::decide::decision::input_path;
use crate::engine::decide::sources::{Sources, extent};
use crate::engine::executor::failure::NoResult;
use crate::failure::Failure;
use crate::hash::{Artifact, ContentError, SourceStamps};
use crate::kind::Event;
use crate::pipeline::{From, Input, Source, View};
use crate::store::{self, Placement};

impl Execution<'_> {
    /// Gives a command an input of its own. A source may change from then on: the command reads what it was decided by.
    pub(crate) fn copy(&self, name: &str, position: usize, item: &Input, path: &Path) -> Result<(), NoResult> {
        let Some(source) = item.source() else {
            return self.place(name, position, item, path, Placement::Scratch);
        };
        let absolute = self.pipeline.root.join(source.path);
        if let Some(View::Written(text)) = source.view.map(|view| &**view) {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
            file.write_all(text.as_bytes())?;
            return Ok(file.set_modified(fs::metadata(&absolute)?.modified()?)?);
        }
        if self.sources.is_taken(source) {
            let why = format!("`{}` is not here, and the stage has to be executed", source.path.display());
            return Err(Failure::Unreadable { why }.into());
        }
        let before = self.decided(source)?;
        let copied = store::copy(&absolute, path, extent(source), self.interrupt);
        copied.map_err(|error| self.not_copied(source.path, &error))?;
        let proven = before.is_some_and(|before| before.holds(&absolute, extent(source)));
        // What changed meanwhile may have been read before or after, or half and half.
        if proven || self.memo.artifact(path)? == self.sources.get(source).ok() {
            Ok(())
        } else {
            Err(changed(source.path))
        }
    }

    /// What is to be said of a source that could not be copied.
    fn not_copied(&self, source: &Path, error: &ContentError) -> NoResult {
        let why = with_causes(error).replace(&format!("{}/", self.pipeline.root.display()), "");
        match error {
            ContentError::Io { source: cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Failure::InputChanged { path: source.to_owned(), why: Some(why) }.into()
            }
            _ => Failure::Unreadable { why }.into(),
        }
    }

    /// Looks at the sources that a built-in kind is to read where they lie: all but documents.
    pub(crate) fn linked(&self) -> Result<InPlace, NoResult> {
        let mut linked = InPlace::default();
        for (name, items) in &self.stage.inputs {
            for (position, item) in items.iter().enumerate() {
                if let Some(source) = item.source()
                    && !self.decision.documents.contains_key(&(name.clone(), position))
                {
                    linked.add(source, self.decided(source)?, self.sources.get(source).ok());
                } else if item.source().is_none()
                    && let Some(artifact) = self.input(name, position)
                {
                    self.watch_output(input_path(self.pipeline, item), artifact, &mut linked);
                }
            }
        }
        Ok(linked)
    }

    /// Shows a built-in kind, which is trusted not to write, an input where it lies.
    pub(crate) fn link(&self, name: &str, position: usize, item: &Input, path: &Path) -> Result<(), NoResult> {
        match &item.from {
            From::Source(source) => Ok(std::os::unix::fs::symlink(self.pipeline.root.join(source), path)?),
            From::Output { .. } => self.place(name, position, item, path, Placement::Link),
        }
    }

    /// Tells the user of sources that were changed since a command was given its copies. What it read where it lies was looked at already.
    pub(crate) fn tell_of_changes(&self, in_place: &InPlace) {
        let sources = self.stage.inputs.values().flatten().filter_map(Input::source);
        // Several inputs may name the same.
        for source in sources.filter(|source| !in_place.has(*source)).collect::<BTreeSet<_>>() {
            if Sources::look(self.pipeline, source, self.memo) != self.sources.get(source) {
                let source = source.path.display();
                let text = format!("{source} was changed while the stage was running; run again to take it up");
                (self.events)(Event::Message { text });
            }
        }
    }

    /// The stamps of a source that is what the stage was decided by.
    fn decided(&self, source: Source<'_>) -> Result<Option<SourceStamps>, NoResult> {
        let absolute = self.pipeline.root.join(source.path);
        let source_stamps = SourceStamps::of(&absolute, extent(source), self.memo);
        let found = match &source_stamps {
            Some(source_stamps) => Some(source_stamps.artifact.clone()),
            None => self.memo.source_in(&absolute, extent(source))?,
        };
        if found == self.sources.get(source).ok() { Ok(source_stamps) } else { Err(changed(source.path)) }
    }

    /// What another stage produced that is an input.
    pub(super) fn input(&self, name: &str, position: usize) -> Option<&Artifact> {
        self.inputs.get(name)?.get(position)?.as_ref()
    }

    /// Puts what another stage produced at a path.
    fn place(&self, name: &str, position: usize, item: &Input, path: &Path, how: Placement) -> Result<(), NoResult> {
        let artifact = self.input(name, position);
        let artifact = artifact.ok_or_else(|| Failure::InputMissing { input: name.to_owned() })?;
        match self.store.materialise(artifact, path, how) {
            // Lost or damaged in the store; what it was decided by lies in place in the project.
            Err(error) if error.is_damage() => {
                self.adopt(artifact, input_path(self.pipeline, item))?;
                Ok(self.store.materialise(artifact, path, how)?)
            }
            other => Ok(other?),
        }
    }

    /// Brings an artifact that is in place in the project, but no longer in the store, back into the store.
    fn adopt(&self, artifact: &Artifact, path: &Path) -> Result<(), NoResult> {
        let scratch = self.store.scratch("adopt")?;
        let copy = scratch.path().join("artifact");
        let place = self.pipeline.root.join(path);
        // As it was made, or without what programs have left in it since.
        let (_, extent) = self.memo.output_at(&place, &|there| there == artifact)?.ok_or_else(|| changed(path))?;
        store::copy(&place, &copy, extent, self.interrupt)?;
        if self.store.capture(&copy)? == *artifact { Ok(()) } else { Err(changed(path)) }
    }
}
