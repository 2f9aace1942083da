//! A private Slurm for the tests, started once; another for those that take it apart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::project::Project;

/// A Slurm of two nodes with two processors each.
pub(crate) struct Cluster {
    folder: PathBuf,
}

fn script(args: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/slurm.sh");
    let mut command = Command::new(path);
    command.args(args).stdin(Stdio::null());
    command
}

/// Whether Slurm is installed. Where tests are what a change must pass, it has to be.
fn is_installed() -> bool {
    let there = |program: &str| ["/usr/sbin", "/usr/bin", "/sbin"].iter().any(|f| Path::new(f).join(program).is_file());
    let installed = ["slurmctld", "slurmd", "sbatch", "munged"].iter().all(|program| there(program));
    if !installed {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "Slurm is not installed");
        eprintln!("skipped: Slurm is not installed");
    }
    installed
}

impl Cluster {
    /// The one that all tests share; `None` where Slurm is not installed.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[])).as_ref()
    }

    /// One of a test's own, with some variables of the script.
    #[expect(clippy::zombie_processes, reason = "what takes the cluster down waits for the end of this process")]
    pub(crate) fn start(variables: &[(&str, &str)]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("kiln-slurm-").tempdir().expect("a folder").keep();
        let path = folder.to_str().expect("UTF-8");
        // It outlives the test by a moment, however that ends.
        let process = std::process::id().to_string();
        script(&["until", path, &process]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the script");
        let output = script(&["up", path]).envs(variables.iter().copied()).output().expect("the script");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { folder })
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.join("slurm.conf")
    }

    /// A command of the script: `controller`, `node n1`, `crash n1`.
    pub(crate) fn script(&self, args: &[&str]) {
        let path = self.folder.to_str().expect("UTF-8");
        let args = [&[args[0], path][..], &args[1..]].concat();
        let output = script(&args).output().expect("the script");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Kills a daemon: `controller`, `node-n1`.
    pub(crate) fn kill(&self, daemon: &str) {
        let pid = std::fs::read_to_string(self.folder.join("run").join(daemon)).expect("a daemon");
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().expect("kill");
        assert!(killed.success(), "{daemon}");
    }

    /// A command of Slurm's.
    pub(crate) fn slurm(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).env("SLURM_CONF", self.conf()).output().expect("a command");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The jobs whose comment names a stage of a project: how many there ever were, as long as Slurm knows them.
    pub(crate) fn jobs(&self, stage: &str) -> Vec<String> {
        let all = self.slurm("squeue", &["-h", "-t", "all", "-r", "-o", "%F_%K|%T|%k"]);
        all.lines().filter(|line| line.ends_with(&format!("|kiln {stage}"))).map(str::to_owned).collect()
    }

    /// Waits until a job of a stage is in a state, and returns its name.
    pub(crate) fn wait_for(&self, stage: &str, state: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let jobs = self.jobs(stage);
            let found = jobs.iter().find(|line| line.contains(&format!("|{state}|")));
            if let Some(job) = found {
                return job.split('|').next().expect("a name").to_owned();
            }
            assert!(Instant::now() < deadline, "no job of {stage} is {state}: {jobs:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A call of the binary in a project that finds this cluster.
    pub(crate) fn kiln(&self, project: &Project, args: &[&str]) -> Command {
        let mut command = project.command(args);
        command.env("SLURM_CONF", self.conf());
        command
    }
}

/// Waits until something is so, for two minutes at most.
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
    until_within(Duration::from_secs(120), what, is);
}

/// Waits until something is so, for so long at most.
pub(crate) fn until_within(limit: Duration, what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !is() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The processes of jobs of a project.
pub(crate) fn processes(project: &Project) -> Vec<String> {
    let folder = project.root().join("cache/jobs");
    let folder = folder.to_str().expect("UTF-8");
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let is_job = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("\0job\0") && line.contains(folder)
    };
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_job).collect()
}

/// Kills the jobs of a project, as the kernel does for want of memory.
pub(crate) fn kill_jobs(project: &Project) {
    let jobs = processes(project);
    assert!(!jobs.is_empty(), "no job runs");
    let _ = Command::new("kill").arg("-9").args(&jobs).status();
}
