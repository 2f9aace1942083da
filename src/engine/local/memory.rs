//! Whether a process was killed because memory ran out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, OnceLock, PoisonError};

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

    /// Whether it is of a control group, and not of the whole machine.
    pub(crate) fn is_of_a_group(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.starts_with("/sys/fs/cgroup"))
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

/// The count of a run: begun before its first stage is executed.
#[derive(Default)]
pub(crate) struct Watched(OnceLock<Mutex<Memory>>);

impl Watched {
    /// Begins to count.
    pub(crate) fn begin(&self) {
        self.0.get_or_init(|| Mutex::new(Memory::look()));
    }

    /// Whether a process failed while memory ran out.
    pub(crate) fn ran_out_for(&self, status: ExitStatus) -> bool {
        !status.success()
            && self.0.get().is_some_and(|m| m.lock().unwrap_or_else(PoisonError::into_inner).has_run_out())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_counter_of_the_own_group_is_found() {
        assert_eq!(events("0::/user.slice/a"), Some("/sys/fs/cgroup/user.slice/a/memory.events".into()));
        let old = "/sys/fs/cgroup/memory/a/memory.oom_control";
        assert_eq!(events("4:memory:/a"), Some(old.into()));
        assert_eq!(events("7:cpu,cpuacct:/"), None);
    }

    #[test]
    fn what_ends_well_did_not_lack_memory() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("memory.events");
        fs::write(&source, "oom_kill 2\n").unwrap();
        let watched = Watched::default();
        watched.0.get_or_init(|| Mutex::new(Memory { source: Some(source), kills: 1 }));
        assert!(!watched.ran_out_for(ExitStatus::from_raw(0)));
        assert!(watched.ran_out_for(ExitStatus::from_raw(1 << 8)), "a pool of workers that lost one");
        assert!(!watched.ran_out_for(ExitStatus::from_raw(9)), "what was counted counts once");
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
