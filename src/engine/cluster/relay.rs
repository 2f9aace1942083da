//! Passing on what a job says while it goes on: its log, what it announces, and states that a command leaves.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::attempt_folder::AttemptFolder;
use crate::engine::executor::log::Log;
use crate::engine::executor::{Listener, Ports};
use crate::kind::Event;

/// What was passed on so far.
pub(super) struct Relay<'r> {
    /// Where the job works, and where those look who laid the stage out: two folders if an earlier Kiln submitted it.
    from: &'r AttemptFolder,
    to: &'r AttemptFolder,
    ports: &'r Ports,
    log: Log<'r>,
    linked: bool,
    /// Bytes of the log that were copied where it could not be linked: an earlier attempt said something, or the file system has no links.
    copied: u64,
    events: u64,
}

impl<'r> Relay<'r> {
    pub(super) fn new(from: &'r AttemptFolder, to: &'r AttemptFolder, ports: &'r Ports, log: Log<'r>) -> Self {
        Self { from, to, ports, log, linked: false, copied: 0, events: 0 }
    }

    /// Passes on what there is.
    pub(super) fn pass_on(&mut self, listener: &Listener<'_>) {
        if let Err(error) = self.speak() {
            tracing::debug!("cannot pass on {}: {error}", self.from.log().display());
        }
        if let Err(error) = self.announce(listener) {
            tracing::debug!("cannot read {}: {error}", self.from.events().display());
        }
        if self.from != self.to
            && let Err(error) = self.move_states()
        {
            tracing::debug!("cannot move states from {}: {error}", self.from.path().display());
        }
    }

    /// Passes on what the stage said.
    fn speak(&mut self) -> io::Result<()> {
        if self.linked {
            return Ok(());
        }
        let mut log = match File::open(self.from.log()) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let length = log.metadata()?.len();
        // One that grew too long was shortened in its middle.
        self.copied = self.copied.min(length);
        if length == self.copied {
            return Ok(());
        }
        if self.copied == 0 && self.log.become_of(&log) {
            self.linked = true;
            return Ok(());
        }
        log.seek(io::SeekFrom::Start(self.copied))?;
        let mut to = self.log.open().map_err(io::Error::other)?;
        self.copied += io::copy(&mut log.take(length - self.copied), &mut to)?;
        Ok(())
    }

    fn announce(&mut self, listener: &Listener<'_>) -> io::Result<()> {
        let file = match File::open(self.from.events()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length <= self.events {
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(length - self.events).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, self.events)?;
        // The last line may be half written.
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        self.events += end as u64 + 1;
        for line in bytes[..=end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                // An earlier Kiln has taken it, or the job had no room for it.
                Ok(Event::Checkpoint { folder, .. }) if !folder.exists() => {}
                Ok(event) => (listener.events)(event),
                Err(error) => tracing::debug!("the job announced nonsense: {error}"),
            }
        }
        Ok(())
    }

    /// Moves finished states of a command, with the metrics that go with them.
    fn move_states(&self) -> io::Result<()> {
        let Some((states, metrics)) = &self.ports.states else { return Ok(()) };
        let (from, to) = (self.from.stage(), self.to.stage());
        let finished = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        let mut copied = false;
        for entry in fs::read_dir(from.join(states))?.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(finished) {
                continue;
            }
            if !std::mem::replace(&mut copied, true) && from.join(metrics).is_file() {
                put(&from.join(metrics), &to.join(metrics))?;
            }
            fs::rename(entry.path(), to.join(states).join(name))?;
        }
        Ok(())
    }
}

/// Copies a file over another.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    let unfinished = to.with_extension("moving");
    fs::copy(from, &unfinished)?;
    fs::rename(unfinished, to)
}
