//! What the way in which a command ended tells.

use super::CommandEnd;
use crate::engine::executor::script;

/// A pipe that was ended by a part that did not read all.
pub(super) fn pipe(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    if !script::shell(scene.stage).is_some_and(|shell| shell.pipefail()) {
        return None;
    }
    let stopped = scene.code == Some(script::SIGPIPE);
    // Who ignores the signal, as Python does, is told by an error.
    let told = lines.iter().any(|line| line.contains("BrokenPipeError") || line.to_lowercase().contains("broken pipe"));
    (stopped || told).then(|| {
        "a part of a pipe was stopped because a later part, such as `head`, did not read to its end; if that is no fault, \
         end the pipe with `|| true`, or write `shell: sh`"
            .into()
    })
}
