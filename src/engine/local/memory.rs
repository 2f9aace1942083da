//! Whether a process was killed because memory ran out.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What a shell adds to the number of the signal that ended its last command.
const BY_SIGNAL: i32 = 128;

/// How often the kernel has killed processes for want of memory: of this control group, or if that is not told of all.
pub(crate) struct Memory {
    source: Option<PathBuf>,
    kills: u64,
}

impl Memory {
    /// Counts.
    pub(crate) fn look() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let sources = own.lines().filter_map(events).chain([PathBuf::from("/proc/vmstat")]);
        for source in sources {
            if let Some(kills) = count(&source) {
                return Self { source: Some(source), kills };
            }
        }
        Self { source: None, kills: 0 }
    }

    /// Whether there are more by now; those count from now on.
    pub(crate) fn has_run_out(&mut self) -> bool {
        let kills = self.source.as_deref().and_then(count).unwrap_or(self.kills);
        std::mem::replace(&mut self.kills, kills) < kills
    }
}

/// The file with the counter of a control group, from a line of `/proc/self/cgroup`.
fn events(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, group) = rest.split_once(':')?;
    let group = Path::new(group.trim_start_matches('/'));
    match controllers {
        "" => Some(Path::new("/sys/fs/cgroup").join(group).join("memory.events")),
        _ if controllers.split(',').any(|name| name == "memory") => {
            Some(Path::new("/sys/fs/cgroup/memory").join(group).join("memory.oom_control"))
        }
        _ => None,
    }
}

fn count(source: &Path) -> Option<u64> {
    let text = fs::read_to_string(source).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// What is to be said of a process that failed because it was killed, though not by Kiln, or something that it had started.
/// `ran_out` asks whether memory has run out.
pub(crate) fn killed(status: ExitStatus, ran_out: impl FnOnce() -> bool) -> Option<&'static str> {
    let kill = libc::SIGKILL;
    match (status.signal() == Some(kill) || status.code() == Some(BY_SIGNAL + kill), ran_out()) {
        (true, true) => Some("the kernel killed it because memory ran out"),
        (true, false) => Some("it was killed by SIGKILL, and not by Kiln"),
        // A pool of workers that lost one, `make`, or a shell that went on.
        (false, true) => Some("memory ran out meanwhile, and the kernel killed a process"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_of_the_own_group_is_found() {
        assert_eq!(events("0::/user.slice/a"), Some("/sys/fs/cgroup/user.slice/a/memory.events".into()));
        let old = "/sys/fs/cgroup/memory/a/memory.oom_control";
        assert_eq!(events("4:memory:/a"), Some(old.into()));
        assert_eq!(events("7:cpu,cpuacct:/"), None);
    }

    #[test]
    fn one_that_was_killed_says_memory_only_if_memory_it_was() {
        let killed_by = |status: i32, ran_out: bool| killed(ExitStatus::from_raw(status), || ran_out);
        for status in [9, (128 + 9) << 8] {
            assert!(killed_by(status, true).is_some_and(|text| text.contains("memory ran out")));
            assert!(killed_by(status, false).is_some_and(|text| text.contains("not by Kiln")));
        }
        for status in [1 << 8, 15] {
            assert!(killed_by(status, true).is_some_and(|text| text.contains("killed a process")));
            assert_eq!(killed_by(status, false), None);
        }
    }

    #[test]
    fn what_is_counted_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("memory.events");
        fs::write(&source, "low 0\noom 1\noom_kill 1\n").unwrap();
        let mut memory = Memory { source: Some(source.clone()), kills: 1 };
        assert!(!memory.has_run_out());
        fs::write(&source, "low 0\noom 1\noom_kill 2\n").unwrap();
        assert!(memory.has_run_out());
        assert!(!memory.has_run_out());
    }
}
