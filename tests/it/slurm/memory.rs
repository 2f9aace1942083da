//! Jobs that take more memory than they have, as Slurm tells it where control groups keep them in bounds. How Slurm's own watch ends them is
//! in `ends`, and in `away`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::away::{self, kiln};
use super::cluster::{Cluster, kill_jobs, until};
use super::ends::{instead, with_path};
use crate::project::{Project, Ran, mailbox, wait_for};

const SAYS: [&str; 2] = ["the kernel killed it because memory ran out", "hint: its job had 300.0 MB"];

/// Two projects with the same stages: nodes see the first, and the second's jobs work in a folder of their own.
fn projects(remote: &Path, scratch: &Path, stages: &str) -> [Project; 2] {
    let seen =
        Project::new(&format!("version: 1\nexecutor: {{slurm: {{latency: 2s, memory: 300MB}}}}\nstages:\n{stages}"));
    let away = away::project(&format!("file://{}", remote.display()), scratch, stages);
    assert_eq!(away.kiln(&["remote", "init"]).code, Some(0));
    [seen, away]
}

fn errors(mut command: Command, kill: impl FnOnce()) -> impl Fn(&str) -> String {
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kiln");
    kill();
    let ran = Ran::from(running.wait_with_output().expect("kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = ran.record();
    move |stage| record.stage(stage)["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_job_that_slurm_calls_out_of_memory_is_so_wherever_it_was() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = || tempfile::tempdir().expect("a folder");
    let (remote, scratch, programs) = (folder(), folder(), folder());
    // What was killed as a whole is what Slurm calls so where the kernel tells it.
    let script = "/usr/bin/squeue \"$@\" | sed 's/|FAILED|JobLaunchFailure$/|OUT_OF_MEMORY|OutOfMemory/'";
    instead(programs.path(), "squeue", script);
    let outside = mailbox();
    let box_ = outside.path().display();
    let stages = format!("  spent:\n    run: 'echo ran >> {box_}/ran; sleep 60'\n    outputs: {{a: a.txt}}\n");
    for (at, project) in projects(remote.path(), scratch.path(), &stages).iter().enumerate() {
        let _ = fs::remove_file(outside.path().join("ran"));
        let mut command = kiln(cluster, project, &["run", "--json"]);
        with_path(&mut command, programs.path());
        let error = errors(command, || {
            wait_for(&outside.path().join("ran"));
            if at == 0 {
                kill_jobs(project);
            } else {
                let _ = Command::new("kill").arg("-9").args(away::processes(scratch.path())).status();
            }
        })("spent");
        assert!(SAYS.iter().all(|text| error.contains(text)), "{at}: {error}");
        assert_eq!(fs::read_to_string(outside.path().join("ran")).unwrap(), "ran\n", "it is not begun anew");
    }
}

#[test]
#[ignore = "it makes control groups, which takes rights"]
fn what_the_kernel_ends_in_a_jobs_control_group_is_told_as_such() {
    let cluster = Cluster::start(&[("KILN_SLURM_CGROUP", "1")]).expect("Slurm");
    let folder = || tempfile::tempdir().expect("a folder");
    let (remote, scratch) = (folder(), folder());
    let hungry = "python3 -c \"x = bytearray(600 * 2**20)\"";
    let stages = format!(
        "  greedy:
    run: '{hungry} > a.txt'
    outputs: {{a: a.txt}}
  goes_on:
    run: '{hungry}; echo > b.txt'
    outputs: {{b: b.txt}}
"
    );
    for project in projects(remote.path(), scratch.path(), &stages) {
        let error = errors(kiln(&cluster, &project, &["run", "--json", "-k"]), || {});
        for stage in ["greedy", "goes_on"] {
            assert!(SAYS.iter().all(|text| error(stage).contains(text)), "{stage}: {}", error(stage));
        }
        // This Slurm has no other jobs.
        until("Slurm says so, too", || {
            let states = cluster.slurm("squeue", &["-h", "-t", "all", "-r", "-o", "%T"]);
            states.lines().all(|state| state == "OUT_OF_MEMORY")
        });
    }
}
