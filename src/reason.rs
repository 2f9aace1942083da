//! Why a stage was not left alone, or would not be: as data. `show::reason` puts it into words.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::action::Difference;
use crate::failure::Failure;
use crate::hash::Digest;

/// A reason. In JSON `kind` says which, and the fields lie beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// No run of the pipeline file knows the stage.
    NeverRun,
    /// It was asked for.
    Forced,
    /// Something that decides its outputs is not what it was.
    Changed(Box<Difference>),
    /// So many more such changes are not listed.
    MoreChanges {
        /// How many.
        count: usize,
    },
    /// Nothing changed, but its last execution gave no result.
    NoResult,
    /// Nothing changed, but its last result is no longer in the cache.
    ResultGone,
    /// Nothing changed, but an output of its result is no longer in the cache.
    OutputGone {
        /// The output.
        output: String,
    },
    /// What the cache had of its result turned out to be damaged.
    ResultDamaged {
        /// What was found.
        finding: String,
    },
    /// Its outputs do not lie where they belong.
    NotInPlace {
        /// Where they belong, relative to the project.
        paths: Vec<PathBuf>,
    },
    /// The same action gave other outputs than before.
    NotDeterministic {
        /// The outputs that differ.
        outputs: Vec<Differing>,
        /// Whether the new outputs count: the first ones are damaged. Otherwise the first result is kept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
    },
    /// It goes on from a step that earlier executions left.
    GoesOn {
        /// What a step is: `epoch`.
        unit: String,
        /// The last step that is there.
        step: u64,
        /// Whether that is the last one wanted.
        last: bool,
    },
    /// It goes on from no earlier step, although only the number of steps changed.
    StartsOver {
        /// Why.
        why: String,
    },
    /// Whether it has to be executed is known when these stages have been.
    DependsOn {
        /// The stages.
        stages: Vec<String>,
    },
    /// It was not tried: a stage that it needs has no outputs.
    Needs {
        /// The stage.
        stage: String,
    },
    /// It was not tried: another stage failed.
    AnotherFailed,
    /// The run was stopped.
    Interrupted,
    /// A run that goes on is at it.
    UnderWay,
    /// The run was killed while it was at it.
    Killed,
    /// An input cannot be read.
    Unreadable {
        /// Why not.
        why: String,
    },
    /// An input leads into a store.
    LeadsIntoStore {
        /// Where.
        why: String,
    },
    /// It failed.
    Failed {
        /// How.
        error: String,
        /// The same as data, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
    },
    /// Its result was not made by Kiln: an import took it over from another tool.
    Adopted {
        /// The tool.
        from: String,
    },
    /// A sentence, from a record that has nothing else.
    Told {
        /// The sentence.
        text: String,
    },
}

/// An output that came out otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Differing {
    /// The output.
    pub output: String,
    /// What the cache has; `None` if its result lacks it.
    pub kept: Option<Digest>,
    /// What came out.
    pub found: Digest,
}

impl Reason {
    /// A change.
    pub fn changed(difference: Difference) -> Self {
        Self::Changed(Box::new(difference))
    }
}
