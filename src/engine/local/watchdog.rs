//! The watchdog: a process that outlives Kiln by a moment and kills what Kiln's commands left running.
//!
//! The kernel kills a command itself when Kiln dies, but not what the command started. So the groups of all commands that run
//! are written down in memory that a small process shares, which reads it once Kiln is gone, however it went. What left its
//! group is found by its home, which was in a scratch directory that nobody holds any more.
//!
//! Kiln is gone when the kernel says so of the process. The end of a pipe would come earlier, while locks are still held, and
//! scratch directories would look as if somebody worked in them.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::process;
use crate::store;

/// Bytes in which a group is written down.
const ENTRY: usize = 4;

/// A running watchdog; it leaves when this is dropped.
pub(crate) struct Watchdog {
    child: Child,
    groups: File,
}

impl Watchdog {
    /// Starts one for the scratch directories in a folder. The program is Kiln itself.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn start(program: &Path, scratch: &Path) -> io::Result<Self> {
        let groups = File::from(rustix::fs::memfd_create("kiln-groups", MemfdFlags::CLOEXEC)?);
        let mut command = Command::new(program);
        command
            .arg("watchdog")
            .arg(scratch)
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(groups.try_clone()?)
            .stderr(Stdio::null());
        Ok(Self { child: process::spawn(&mut command)?, groups })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Where the group of a command is written down; only one runs under a number at a time.
    pub(crate) fn entry(&self, number: u64) -> Entry<'_> {
        Entry { groups: &self.groups, at: number * ENTRY as u64 }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // No command runs any more, so it has nothing to do, and need not look.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The place of one command.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    groups: &'a File,
    at: u64,
}

impl Entry<'_> {
    /// Writes down the group that the calling process leads. A system call and nothing else.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.write(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Strikes the group out. To be done before its leader is reaped: afterwards the number may be another's.
    pub(crate) fn leave(&self) {
        // In memory, and in place: nothing can go wrong that did not when it was written.
        let _ = self.write(0);
    }

    fn write(&self, group: i32) -> io::Result<()> {
        rustix::io::pwrite(self.groups.as_fd(), &group.to_le_bytes(), self.at)?;
        Ok(())
    }
}

/// What the watchdog does: waits for the end of the Kiln that started it, then kills the groups that its standard output, which
/// is no output, holds, and every process whose home was in an abandoned scratch directory of this folder.
///
/// # Errors
/// If it cannot wait for it or read them.
pub fn watch(scratch: &Path, kiln: u32) -> io::Result<()> {
    let kiln = i32::try_from(kiln).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    wait_for_the_end_of(kiln)?;
    let groups = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut bytes = vec![0; usize::try_from(groups.metadata()?.len()).map_err(io::Error::other)?];
    groups.read_exact_at(&mut bytes, 0)?;
    for group in bytes.as_chunks::<ENTRY>().0 {
        if let Some(group) = Pid::from_raw(i32::from_le_bytes(*group)) {
            // One that is gone needs no killing.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
    // Those that were being started while it was looked, or whose directory another Kiln was just looking at, are met the next time.
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        quiet = if kill_abandoned(scratch)? { 0 } else { quiet + 1 };
        if quiet == QUIET {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// How often all processes are looked at, at most.
const ROUNDS: usize = 100;

/// How often in a row nothing is to be found before there is nothing.
const QUIET: usize = 3;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the process that started this one is gone, with all that it held.
fn wait_for_the_end_of(kiln: Pid) -> io::Result<()> {
    let process = match pidfd_open(kiln, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    // Its number may be another's by now.
    if rustix::process::getppid() != Some(kiln) {
        return Ok(());
    }
    loop {
        match rustix::event::poll(&mut [PollFd::new(&process, PollFlags::IN)], None) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Kills the processes whose home was in an abandoned scratch directory, and tells whether there were any, or may have been.
fn kill_abandoned(scratch: &Path) -> io::Result<bool> {
    let mut found = false;
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // Held, so that the process that is killed is the one that was looked at.
        let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { continue };
        let is_abandoned =
            |home: &Path| home.parent().is_some_and(|it| it.parent() == Some(scratch) && store::is_abandoned(it));
        match pid.map_or(Some(false), |pid| process::lives_in(pid, is_abandoned)) {
            Some(true) => found |= pidfd_send_signal(&process, Signal::KILL).is_ok(),
            Some(false) => {}
            None => found = true,
        }
    }
    Ok(found)
}
