//! A shell where a stage would run.

use std::ffi::OsString;

use super::trial::{Means, Trial};
use crate::pipeline::{Pipeline, StageId};
use crate::store::Store;

/// Runs a program where the command of a stage would run, on the terminal; a shell, if none is named. Returns the code that it ended with. All that
/// the stage needs has to be up to date. Neither the project nor the results in the store change.
///
/// # Errors
/// Why it cannot be run; `None` if the user asked to stop.
pub fn shell(
    pipeline: &Pipeline,
    store: &Store,
    id: StageId,
    words: &[OsString],
    means: &Means<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<i32, Option<String>> {
    Trial::prepare(pipeline, store, id, means, false, note)?.visit(words)
}
