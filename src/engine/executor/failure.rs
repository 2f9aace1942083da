//! Why an execution gave no result.

use crate::diagnostic::with_causes;
use crate::failure::Failure;
use crate::show;
use crate::store::StoreError;

/// Why there is no result.
pub(crate) enum NoResult {
    /// The stage, or something around it, failed.
    Failed(Failed),
    /// Whoever ran it is gone, or had to let it go, and that says nothing of the stage: it is to be laid out and run anew.
    Lost(Box<Lost>),
    /// The user asked to stop.
    Interrupted,
}

/// Why an attempt came to nothing that the stage is not to blame for.
pub(crate) struct Lost {
    /// What it is if there is no further attempt.
    pub(crate) failed: Failed,
    /// Whether it ran out of the time it was given. Then a further attempt has a point only if this one came further.
    pub(crate) out_of_time: bool,
}

/// A failure, and what is said below it.
pub(crate) struct Failed {
    /// What failed.
    pub(crate) failure: Failure,
    /// What the stage said last, hints, and where to find what it wrote: each a line or more.
    pub(crate) beside: Vec<String>,
}

impl Failed {
    /// All of it in words.
    pub(crate) fn text(&self) -> String {
        let mut text = show::failure::words(&self.failure);
        for line in &self.beside {
            // What was stopped has nothing to say for itself.
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
        text
    }

    /// With a line below.
    #[must_use]
    pub(crate) fn and(mut self, line: impl Into<String>) -> Self {
        self.beside.push(line.into());
        self
    }
}

impl NoResult {
    /// The same, if it is a failure, changed.
    #[must_use]
    pub(crate) fn map(self, change: impl FnOnce(Failed) -> Failed) -> Self {
        match self {
            Self::Failed(failed) => Self::Failed(change(failed)),
            Self::Lost(lost) => {
                let Lost { failed, out_of_time } = *lost;
                Self::Lost(Box::new(Lost { failed: change(failed), out_of_time }))
            }
            Self::Interrupted => Self::Interrupted,
        }
    }
}

impl std::convert::From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, beside: vec![] }
    }
}

impl std::convert::From<&StoreError> for Failed {
    fn from(error: &StoreError) -> Self {
        let failure = match error {
            StoreError::InTheWay { path, what } => Failure::InTheWay { path: path.clone(), what: what.clone() },
            _ => Failure::Cache { why: with_causes(error) },
        };
        let hint = error.hint().map(|hint| format!("hint: {hint}"));
        Self { failure, beside: hint.into_iter().collect() }
    }
}

impl std::convert::From<Failure> for NoResult {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl<E: std::error::Error + 'static> std::convert::From<E> for NoResult {
    fn from(error: E) -> Self {
        let any: &(dyn std::error::Error + 'static) = &error;
        Self::Failed(match any.downcast_ref::<StoreError>() {
            Some(error) => error.into(),
            None => Failure::System { why: with_causes(&error) }.into(),
        })
    }
}
