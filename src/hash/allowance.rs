//! How much may be read to answer a question.

use std::sync::atomic::{AtomicU64, Ordering};

use super::ContentError;

/// How many bytes may be read of what is not known. Looking at a file of a folder counts as well.
pub(crate) struct Allowance(Option<AtomicU64>);

/// What looking at a file of a folder counts as.
pub(super) const A_LOOK: u64 = 256;

impl Allowance {
    /// So many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        Self(Some(AtomicU64::new(bytes)))
    }

    /// As many as it takes.
    pub(crate) fn boundless() -> Self {
        Self(None)
    }

    /// Takes so many bytes off it.
    pub(super) fn take(&self, bytes: u64) -> Result<(), ContentError> {
        let Some(left) = &self.0 else { return Ok(()) };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| ContentError::TooMuch)
    }
}
