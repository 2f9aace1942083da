//! What a stage was the last time: the ground against which `why` is told. Read only when there is something to tell.

use std::collections::HashMap;
use std::path::Path;

use super::decide::Missing;
use crate::action::{Manifest, differences};
use crate::hash::ActionKey;
use crate::record::RunRecord;
use crate::store::{RunSummary, Store};

/// How many runs are looked through for a stage's last key.
const DEPTH: usize = 50;

/// The reason of a stage that no run record knows.
pub(super) const NEVER: &str = "never run before";

/// The reason of a stage whose key is what it was, but which has no result.
pub(super) const NO_RESULT: &str = "its last execution gave no result";

/// The last key of every stage, from the project's run records.
pub(super) struct History<'a> {
    store: &'a Store,
    project: &'a Path,
    /// Runs not looked into yet, newest first; `None` until the first question.
    older: Option<std::vec::IntoIter<RunSummary>>,
    keys: HashMap<String, (ActionKey, Option<f64>)>,
}

impl<'a> History<'a> {
    pub(super) fn new(store: &'a Store, project: &'a Path) -> Self {
        Self { store, project, older: None, keys: HashMap::new() }
    }

    fn last(&mut self, stage: &str) -> Option<(ActionKey, Option<f64>)> {
        while !self.keys.contains_key(stage) {
            let older = self.older.get_or_insert_with(|| {
                let mut runs = self.store.runs(Some(self.project)).unwrap_or_default();
                runs.truncate(DEPTH);
                runs.into_iter()
            });
            let run = older.next()?;
            let Ok(record) = self.store.find_run(&run.id, None) else { continue };
            self.learn(record);
        }
        self.keys.get(stage).copied()
    }

    fn learn(&mut self, record: RunRecord) {
        for stage in record.stages {
            if let Some(key) = stage.key {
                self.keys.entry(stage.name).or_insert((key, stage.executed_seconds));
            }
        }
    }

    /// How long the stage took when it last ran, in seconds.
    pub(super) fn seconds(&mut self, stage: &str) -> Option<f64> {
        self.last(stage)?.1
    }

    /// Why a stage is not up to date, one line a reason.
    pub(super) fn reasons(&mut self, stage: &str, key: &ActionKey, manifest: &Manifest, why: &Missing) -> Vec<String> {
        match why {
            Missing::Forced => vec!["forced".into()],
            Missing::Artifact(output) => vec![format!("output `{output}` is no longer in the cache")],
            Missing::Result => self.changes(stage, key, manifest),
        }
    }

    /// What changed in a stage's manifest since its last run.
    pub(super) fn changes(&mut self, stage: &str, key: &ActionKey, manifest: &Manifest) -> Vec<String> {
        let Some((last, _)) = self.last(stage) else { return vec![NEVER.into()] };
        if last == *key {
            return vec![NO_RESULT.into()];
        }
        match self.store.manifest(&last) {
            Some(old) => differences(&old, manifest).iter().map(ToString::to_string).collect(),
            None => vec!["its last result is no longer in the cache".into()],
        }
    }
}
