//! Comparing what runs did: records in, differences out. Pure: no files, no clock, no printing.
//!
//! [`diff`] sets two or more runs side by side; [`within`] sets the variants of one run side by side. Both results
//! serialise to the JSON that `docs/compare.md` documents.

mod change;
mod columns;
mod diff;
mod summary;
mod variants;

pub use change::{Change, changes};
pub use columns::matches;
pub use diff::{Comparison, InputChange, MetricRow, OutputChange, StageDiff, diff};
pub use summary::{Counts, RunSummary};
pub use variants::{Column, VariantRow, VariantTable, within};

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
}

impl CompareError {
    /// The nearest name, else the names there are.
    pub fn hint(&self) -> Option<String> {
        let (asked, known) = match self {
            Self::UnknownStage { stage, known, .. } => (stage, known),
            Self::UnknownColumn { pattern, known } => (pattern, known),
        };
        let nearest = known.iter().max_by(|a, b| {
            let likeness = |name: &str| strsim::jaro_winkler(name, asked);
            likeness(a).total_cmp(&likeness(b))
        })?;
        if strsim::jaro_winkler(nearest, asked) > 0.8 {
            return Some(format!("did you mean `{nearest}`?"));
        }
        const SHOWN: usize = 12;
        let mut names = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if known.len() > SHOWN {
            names.push_str(", ...");
        }
        Some(format!("there are {names}"))
    }
}
