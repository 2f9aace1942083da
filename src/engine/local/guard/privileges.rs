//! What the superuser may do in a stage: what everybody may, and read everybody's files.
//!
//! Permissions then hold for the superuser, too: an input that is read-only is not written to. Files of other users stay readable, for in a
//! container the project is often another user's.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What is kept: reading, keeping memory from being swapped, becoming another user (for programs that refuse to run as the superuser), and
/// listening where servers do.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH
    .union(CapabilitySet::IPC_LOCK)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up the rest, for the calling thread and what it starts from now on. It must not be able to gain privileges any more, or the next
/// program would have them back. Makes system calls and allocates nothing.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn give_up() -> io::Result<()> {
    let now = capabilities(None)?;
    let kept = CapabilitySets {
        effective: now.effective.intersection(KEPT),
        permitted: now.permitted.intersection(KEPT),
        inheritable: now.inheritable.intersection(KEPT),
    };
    if kept != now {
        set_capabilities(None, kept)?;
    }
    Ok(())
}
