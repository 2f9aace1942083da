//! Runs one stage in a temporary folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use stages::kind::{Checkpoints, Context, Event, Input, Kind, ParamError};
use tempfile::TempDir;

/// A folder for stages to work in; it stands for the project, too.
pub(crate) struct Bench {
    folder: TempDir,
    /// What the stages said.
    pub(crate) messages: Mutex<Vec<String>>,
    /// (done, total) of every progress event.
    pub(crate) progress: Mutex<Vec<(u64, u64)>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), messages: Mutex::default(), progress: Mutex::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Checks the parameters and runs a kind; its outputs are called `<prefix><file>`. The error is its whole chain.
    pub(crate) fn run(
        &self,
        kind: &Kind,
        with: &Value,
        inputs: &[(&str, &[&Path])],
        prefix: &str,
    ) -> Result<BTreeMap<String, PathBuf>, String> {
        let params = (kind.check)(with).map_err(|e: ParamError| format!("{}: {}", e.path.join("."), e.message))?;
        let input = |path: &&Path| Input { label: String::new(), path: path.to_path_buf() };
        let outputs: BTreeMap<String, PathBuf> =
            kind.outputs.iter().map(|o| (o.name.to_owned(), self.path(&format!("{prefix}{}", o.file)))).collect();
        let context = Context {
            inputs: inputs.iter().map(|(name, paths)| (name.to_string(), paths.iter().map(input).collect())).collect(),
            outputs: outputs.clone(),
            threads: 1,
            device: "cpu".to_owned(),
            project: self.folder.path().to_owned(),
            checkpoints: Checkpoints::default(),
            events: &|event| match event {
                Event::Message { text } => self.messages.lock().unwrap().push(text),
                Event::Progress { done, total, .. } => self.progress.lock().unwrap().push((done, total)),
                Event::Checkpoint { .. } => {}
            },
        };
        (kind.run)(&params, &context).map_err(|e| format!("{e:#}"))?;
        Ok(outputs)
    }

    pub(crate) fn said(&self, what: &str) -> bool {
        self.messages.lock().unwrap().iter().any(|m| m.contains(what))
    }
}

/// Packs bytes with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
