//! The machine that a run is on.

use crate::record::Host;

/// This machine, for a run record.
pub(crate) fn host() -> Host {
    Host {
        name: host_name(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        kiln: env!("CARGO_PKG_VERSION").into(),
    }
}

/// The machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
