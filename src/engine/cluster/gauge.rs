//! How much memory a job takes, which it looks at itself. Whoever ends a job that takes more than it was given may leave it no time to say
//! anything, and may keep no word of it; so the job says it before.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The variable with the megabytes that a job has.
pub(super) const MEMORY: &str = "KILN_JOB_MEMORY";

/// Between two looks, at least; a look takes no more than a twentieth of the time.
const LOOKS: Duration = Duration::from_millis(100);
const SELDOM: u32 = 20;

/// That a job takes more memory than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beyond {
    /// What it takes, in bytes.
    pub(super) taken: u64,
    /// What it has.
    pub(super) had: u64,
}

/// Who looks.
pub(super) struct Gauge {
    had: u64,
}

impl Gauge {
    /// One for this job; `None` if it is not known what it has.
    pub(super) fn of_this_job() -> Option<Self> {
        let megabytes: u64 = std::env::var(MEMORY).ok()?.trim().parse().ok().filter(|megabytes| *megabytes > 0)?;
        Some(Self { had: megabytes.checked_mul(1 << 20)? })
    }

    /// Looks until it is over, and notes that there is more than the job has, or not any more. Whoever says that it is over wakes the thread.
    pub(super) fn watch(&self, note: impl Fn(Option<Beyond>) -> io::Result<()>, over: &AtomicBool) {
        let mut noted = false;
        let mut pause = LOOKS;
        while !over.load(Ordering::Relaxed) {
            std::thread::park_timeout(pause);
            let began = Instant::now();
            let taken = taken(std::process::id());
            let beyond = (taken > self.had).then_some(Beyond { taken, had: self.had });
            if beyond.is_some() != noted && note(beyond).is_ok() {
                noted = beyond.is_some();
            }
            pause = LOOKS.max(began.elapsed() * SELDOM);
        }
    }
}

/// The bytes of memory that a process and all below it take, as schedulers count them: what several share counts for each.
fn taken(root: u32) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut parents: Vec<(u32, u32)> = pids.into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = BTreeSet::from([root]);
    // Children may have smaller numbers than their parents.
    loop {
        let before = family.len();
        parents.retain(|(pid, parent)| !(family.contains(parent) && family.insert(*pid)));
        if family.len() == before {
            return family.into_iter().map(resident).sum();
        }
    }
}

/// The process that a process was started by.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_children_take_counts() {
        // A shell with a child of its own.
        let mut command = Command::new("sh");
        command.args(["-c", "(sleep 60; true); true"]).stdout(Stdio::null());
        let mut child = command.spawn().expect("sh");
        let deadline = Instant::now() + Duration::from_secs(60);
        while taken(child.id()) <= resident(child.id()) {
            assert!(Instant::now() < deadline, "it has no child");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(taken(std::process::id()) > resident(std::process::id()));
        assert_eq!(parent(child.id()), Some(std::process::id()));
        let _ = (child.kill(), child.wait());
    }
}
