//! Comparing what runs did: records in, differences out. Pure: no files, no clock, no printing.
//!
//! [`diff`] sets two or more runs side by side, and a [`Gate`] is held against the result; [`within`] sets the variants of
//! one run side by side, and [`VariantTable::by`] groups them; [`history`] follows metrics over many runs. The results
//! serialise to the JSON that `docs/compare.md` documents.

mod columns;
mod diff;
mod gate;
mod history;
mod over;
mod spread;
mod summary;
mod variants;
mod welch;
mod why;

pub use crate::differ::{Change, changes};
pub use columns::matches;
pub use diff::{Comparison, InputChange, MetricRow, OutputChange, StageDiff, diff};
pub use gate::{Gate, GateMetric, GateResult, Verdict};
pub use history::{History, history};
pub use over::{Over, OverRow};
pub use spread::{Spread, SpreadRow, SpreadTable};
pub use summary::{Counts, RunSummary};
pub use variants::{Column, VariantRow, VariantTable, within, within_by};
pub use welch::Interval;
pub(crate) use why::as_recorded;
pub use why::{Evidence, Fields};

use crate::show::names::escaped;
use crate::suggest;

/// The version of the JSON shapes of [`Comparison`] and [`VariantTable`].
pub const VERSION: u32 = 1;

/// Why records could not be compared as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// The run has no such stage.
    #[error("run `{run}` has no stage `{stage}`")]
    UnknownStage {
        /// The run.
        run: String,
        /// The name that was asked for.
        stage: String,
        /// The stages it has.
        known: Vec<String>,
    },
    /// No column has that name.
    #[error("no column matches `{pattern}`")]
    UnknownColumn {
        /// What was asked for.
        pattern: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// No metric has that name.
    #[error("no metric matches `{pattern}`")]
    UnknownMetric {
        /// What was asked for.
        pattern: String,
        /// The metrics there are.
        known: Vec<String>,
    },
    /// No stage varies over that axis.
    #[error("run `{run}` has no matrix axis `{axis}`")]
    UnknownAxis {
        /// The run.
        run: String,
        /// What was asked for.
        axis: String,
        /// The axes there are.
        known: Vec<String>,
    },
    /// A gate that cannot be read.
    #[error("`{gate}` is no gate: {why}")]
    BadGate {
        /// What was given.
        gate: String,
        /// What is wrong with it.
        why: String,
    },
    /// A gate on differences where there is one run only.
    #[error("gate `{gate}` asks for a difference, and one run has none")]
    OneRun {
        /// The gate.
        gate: String,
        /// The metric that it names.
        pattern: String,
    },
}

impl CompareError {
    /// The nearest name, else the names there are.
    pub fn hint(&self) -> Option<String> {
        let (asked, known) = match self {
            Self::UnknownStage { stage, known, .. } => (stage, known),
            Self::UnknownColumn { pattern, known } | Self::UnknownMetric { pattern, known } => (pattern, known),
            Self::UnknownAxis { axis, known, .. } => (axis, known),
            Self::BadGate { .. } => {
                return Some("write `[STAGE.]METRIC OP NUMBER`, such as `accuracy < -0.002`, `loss > 5%`".to_owned());
            }
            Self::OneRun { pattern, .. } => {
                return Some(format!("name the value itself: `value({pattern}) < 0.9`"));
            }
        };
        if let Some(nearest) = suggest::nearest(asked, known.iter().map(String::as_str)) {
            return Some(format!("did you mean `{}`?", escaped(nearest)));
        }
        if known.is_empty() {
            return None;
        }
        const SHOWN: usize = 12;
        let mut names =
            known.iter().take(SHOWN).map(|name| format!("`{}`", escaped(name))).collect::<Vec<_>>().join(", ");
        if known.len() > SHOWN {
            names.push_str(", ...");
        }
        Some(format!("there are {names}"))
    }
}
