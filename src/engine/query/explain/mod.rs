//! Why a stage is dirty, or needs nothing: its manifest against that of its last run, field by field, and the same for
//! every stage above it that has a part in it.

mod now;
mod parts;
mod past;

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::action::{Change, Contents, Difference, Files, Manifest, differences};
use crate::engine::decide::documents::changed_files;
use crate::engine::query::plan::Step;
use crate::hash::tree::Listing;
use crate::hash::{ActionKey, Digest};
use crate::reason::Reason;
use crate::record::{Outcome, RunId};
use crate::show::difference::words;
use crate::store::Maker;

pub use now::explain;
pub use parts::Part;
pub use past::explain_past;

/// Why a stage is, or was, as it is.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its name.
    pub stage: String,
    /// What a run would do with it, or did.
    pub standing: StageState,
    /// In short, the most telling first: what a run says.
    pub reasons: Vec<Reason>,
    /// The run that its changes are counted from.
    pub since: Option<RunName>,
    /// What changed: in the stage itself first, then in those above it, the nearest first.
    pub changes: Vec<Changes>,
    /// Its key, where its inputs are final.
    pub key: Option<ActionKey>,
    /// All that decides it and what it gave, where its inputs are final.
    pub parts: Vec<Part>,
    /// The execution that gave its result, if it has one.
    pub execution: Option<Origin>,
    /// What somebody should know who relies on its result.
    pub warnings: Vec<String>,
}

/// What becomes of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageState {
    /// What a run would do with it.
    Now(Step),
    /// What a past run did with it.
    Then(Outcome),
}

/// A run, by name.
#[derive(Clone, Debug, Serialize)]
pub struct RunName {
    /// Its name.
    pub id: RunId,
    /// When it began.
    pub started: Timestamp,
}

/// An execution that gave a result.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// The run; `None` if it was another project's, or too long ago.
    pub run: Option<RunId>,
    /// When it ended.
    pub ended: Timestamp,
    /// On which machine.
    pub host: String,
    /// How long it took.
    pub seconds: f64,
    /// The tool whose result it is, if it was taken over and not executed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// What made it there, if that was noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker: Option<Maker>,
}

/// What of one stage is not what it was.
#[derive(Clone, Debug, Serialize)]
pub struct Changes {
    /// The stage.
    pub stage: String,
    /// Its fields.
    pub fields: Vec<Changed>,
    /// Stages above it that have to be executed before more is known.
    pub waits_for: Vec<String>,
    /// What cannot be put as a field.
    pub notes: Vec<String>,
}

/// A field that is not what it was.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// In one line.
    pub text: String,
    /// What it was and is.
    #[serde(flatten)]
    pub difference: Difference,
    /// Where an input comes from: `split.split`, or a path.
    pub from: Option<String>,
    /// The stage it comes from, if one makes it.
    pub stage: Option<String>,
}

/// A stage as one side of a comparison has it.
struct Action {
    /// What it executes, where that is known or can be put together.
    manifest: Option<Manifest>,
    /// The producers that have to be executed first.
    waits_for: Vec<String>,
    /// What cannot be put as a field.
    notes: Vec<String>,
}

/// A state of the pipeline's stages: as it is now, or as a run had it.
trait Side {
    /// A stage; `other` is what the other side has, to fill in what a record does not say.
    fn action(&self, stage: &str, other: Option<&Manifest>) -> Option<Action>;
    /// Where an artifact of an input comes from: the stage, if one makes it, and how the pipeline would name it.
    fn origin(&self, stage: &str, input: &str, label: &str, digest: &Digest) -> (Option<String>, Option<String>);
    /// What a digest stands for, if it is a document or another small JSON file.
    fn document(&self, digest: &Digest) -> Option<Value>;
    /// What a digest stands for, if it is a folder that a stage is handed.
    fn listing(&self, stage: &str, digest: &Digest) -> Option<Listing>;
    /// Whether an input of a stage is a document that someone wrote.
    fn is_document(&self, stage: &str, input: &str) -> bool;
}

/// So many changes of a stage are looked into.
const LOOKED_INTO: usize = 100;

/// What a stage is handed on either side.
struct Both<'a> {
    stage: &'a str,
    now: &'a dyn Side,
    then: &'a dyn Side,
}

impl Contents for Both<'_> {
    fn document(&self, digest: &Digest) -> Option<Value> {
        self.now.document(digest).or_else(|| self.then.document(digest))
    }

    fn files(&self, old: &Digest, new: &Digest) -> Option<Files> {
        let listing =
            |digest: &Digest| self.then.listing(self.stage, digest).or_else(|| self.now.listing(self.stage, digest));
        Some(changed_files(&listing(old)?, &listing(new)?))
    }

    fn is_document(&self, input: &str) -> bool {
        self.now.is_document(self.stage, input)
    }
}

/// What changed from `then` to `now` in a stage and in all above it that have a part in that.
fn changes(stage: &str, now: &dyn Side, then: &dyn Side) -> Vec<Changes> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([stage.to_owned()]);
    let mut queue = VecDeque::from([stage.to_owned()]);
    while let Some(stage) = queue.pop_front() {
        let Some(new) = now.action(&stage, None) else { continue };
        let old = then.action(&stage, new.manifest.as_ref());
        let new = if new.manifest.is_some() {
            new
        } else {
            let other = old.as_ref().and_then(|old| old.manifest.as_ref());
            now.action(&stage, other).unwrap_or(new)
        };
        let first = found.is_empty();
        let mut changes = Changes { stage, fields: vec![], waits_for: new.waits_for, notes: new.notes };
        match (old.and_then(|old| old.manifest), new.manifest) {
            (Some(old), Some(new)) => {
                for (i, difference) in differences(&old, &new).into_iter().enumerate() {
                    let both = Both { stage: &changes.stage, now, then };
                    let difference = if i < LOOKED_INTO { difference.look_into(&both) } else { difference };
                    changes.fields.push(changed(&changes.stage, difference, now, then));
                }
                let idle = changes.fields.is_empty() && changes.waits_for.is_empty() && changes.notes.is_empty();
                if idle && !first {
                    changes.notes.push("the same action, with other outputs than before".into());
                }
            }
            (None, Some(_)) => changes.notes.push("the run compared with does not have it".into()),
            (_, None) => {}
        }
        let above = changes.fields.iter().filter_map(|field| field.stage.as_ref()).chain(&changes.waits_for);
        for producer in above {
            if seen.insert(producer.clone()) {
                queue.push_back(producer.clone());
            }
        }
        found.push(changes);
    }
    found
}

fn changed(stage: &str, difference: Difference, now: &dyn Side, then: &dyn Side) -> Changed {
    let (producer, from) = match &difference {
        Difference::Input { name, label, change: Change { new: Some(digest), .. }, .. } => {
            now.origin(stage, name, label, digest)
        }
        Difference::Input { name, label, change: Change { old: Some(digest), .. }, .. } => {
            // Gone from this stage; what gave it need not have changed.
            (None, then.origin(stage, name, label, digest).1)
        }
        _ => (None, None),
    };
    Changed { text: words(&difference), difference, from, stage: producer }
}
