//! How jobs end, as a real Slurm has it: whatever it says, there is never a false result, no stage runs twice to a result, and no job
//! is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use super::cluster::{Cluster, kill_jobs, until};
use crate::project::{Project, Ran, Record, mailbox, wait_for};

/// A project with a stage that writes a line to a file outside whenever it runs, waits for a file there, then ends. The file outside tells
/// how often it ran.
fn waits(name: &str, box_: &std::path::Path, more: &str) -> Project {
    let box_ = box_.display();
    let project = Project::new(&format!(
        "version: 1
executor: {{slurm: {{latency: 2s, memory: 300MB}}}}
stages:
  {name}:
    run: 'echo ran >> {box_}/ran; until [ -e {box_}/go ]; do sleep 0.1; done; echo done > a.txt'
    outputs: {{a: a.txt}}
{more}"
    ));
    project.write("unused.txt", "");
    project
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kiln")
}

fn end(child: Child) -> Ran {
    Ran::from(child.wait_with_output().expect("kiln"))
}

fn ran(folder: &std::path::Path) -> usize {
    fs::read_to_string(folder.join("ran")).unwrap_or_default().lines().count()
}

fn error(record: &Record, stage: &str) -> String {
    record.stage(stage)["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_job_cancelled_from_outside_is_a_failure_that_says_so() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("outsider", outside.path(), "");
    let kiln = start(&mut cluster.kiln(&project, &["run", "--json"]));
    wait_for(&outside.path().join("ran"));
    let job = cluster.wait_for("outsider", "RUNNING");
    cluster.slurm("scancel", &[&job]);
    let done = end(kiln);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let error = error(&done.record(), "outsider");
    assert!(error.contains(&format!("its job {job} was cancelled, and not by Kiln")), "{error}");
}

#[test]
fn memory_beyond_the_jobs_is_told_as_such() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = Project::new(
        "
        version: 1
        executor: {slurm: {latency: 2s, memory: 300MB}}
        stages:
          greedy:
            run: ['python3', '-c', 'import time; x = bytearray(400 * 2**20); time.sleep(60)']
            outputs: {a: a.txt}
        ",
    );
    let done = end(start(&mut cluster.kiln(&project, &["run", "--json"])));
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let error = error(&done.record(), "greedy");
    for text in ["memory ran out", "Exceeded job memory limit", "hint: its job had 300.0 MB", "pipeline.yaml:2:1"] {
        assert!(error.contains(text), "{text}: {error}");
    }
}

#[test]
fn a_job_that_is_put_back_is_begun_anew_and_gives_one_result() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("again", outside.path(), "");
    let kiln = start(&mut cluster.kiln(&project, &["run", "--json"]));
    for round in 1..=2 {
        until("it ran again", || ran(outside.path()) >= round);
        let job = cluster.wait_for("again", "RUNNING");
        cluster.slurm("scontrol", &["update", &format!("JobId={job}"), "Requeue=1"]);
        cluster.slurm("scontrol", &["requeue", &job]);
        until("it ran again", || ran(outside.path()) > round);
    }
    fs::write(outside.path().join("go"), "").expect("a file");
    let done = end(kiln);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!((ran(outside.path()), project.read("a.txt").as_str()), (3, "done\n"));
    assert!(cluster.jobs("again").iter().all(|job| !job.contains("PENDING") && !job.contains("RUNNING")));
}

#[test]
fn of_two_copies_of_a_job_one_runs() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("copied", outside.path(), "");
    let kiln = start(&mut cluster.kiln(&project, &["run", "--json"]));
    wait_for(&outside.path().join("ran"));
    let jobs = project.root().join("cache/jobs");
    let batch = fs::read_dir(&jobs)
        .expect("jobs")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("script").is_file());
    let script = batch.expect("a batch").join("script");
    let copy = script.to_str().expect("UTF-8");
    for _ in 0..2 {
        let output = outside.path().join("copy.out");
        let output = format!("--output={}", output.display());
        cluster.slurm("sbatch", &["--comment=kiln copies", "--array=0", "--mem=50", "--chdir=/tmp", &output, copy]);
    }
    until("the copies are over", || {
        cluster.jobs("copies").iter().filter(|job| job.contains("|COMPLETED|")).count() == 2
    });
    assert_eq!(ran(outside.path()), 1, "the copies have done nothing");
    fs::write(outside.path().join("go"), "").expect("a file");
    let done = end(kiln);
    assert_eq!((done.code, ran(outside.path())), (Some(0), 1), "{}", done.stderr);
}

/// Programs of Slurm's in a folder, each as a script that does something else.
pub(super) fn instead(folder: &std::path::Path, program: &str, script: &str) {
    let path = folder.join(program);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
}

pub(super) fn with_path(command: &mut Command, folder: &std::path::Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
}

#[test]
fn a_submission_that_is_said_to_have_failed_is_looked_for() {
    let Some(cluster) = Cluster::shared() else { return };
    let (outside, programs) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let project = waits("doubtful", outside.path(), "");
    let lie = "/usr/bin/sbatch \"$@\" > /dev/null; echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1";
    instead(programs.path(), "sbatch", lie);
    fs::write(outside.path().join("go"), "").expect("a file");
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    with_path(&mut command, programs.path());
    let done = end(start(&mut command));
    assert_eq!((done.code, ran(outside.path())), (Some(0), 1), "{}", done.stderr);
    assert_eq!(cluster.jobs("doubtful").len(), 1, "it was submitted once");
}

#[test]
fn a_submission_that_came_to_nothing_is_made_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let (outside, programs) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let project = waits("unheard", outside.path(), "");
    let mark = outside.path().join("tried");
    let lie = format!(
        "if [ -e {0} ]; then exec /usr/bin/sbatch \"$@\"; fi; touch {0}; echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        mark.display()
    );
    instead(programs.path(), "sbatch", &lie);
    fs::write(outside.path().join("go"), "").expect("a file");
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    with_path(&mut command, programs.path());
    let done = end(start(&mut command));
    assert_eq!((done.code, ran(outside.path())), (Some(0), 1), "{}", done.stderr);
}

#[test]
fn a_job_that_was_never_confirmed_and_died_is_waited_for_no_longer_than_the_cluster_knows_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let (outside, programs) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let project = waits("unconfirmed", outside.path(), "");
    project.edit("pipeline.yaml", "latency: 2s,", "latency: 2s, patience: 3s,");
    // The first submission is said to have failed, and until the next nothing is said of any job.
    let (box_, lie) = (outside.path().display(), "sbatch: error: Batch job submission failed: Socket timed out");
    let sbatch = format!(
        "if [ -e {box_}/died ]; then touch {box_}/heard; exec /usr/bin/sbatch \"$@\"; fi
if [ ! -e {box_}/tried ]; then touch {box_}/tried; /usr/bin/sbatch \"$@\" > /dev/null; fi
echo '{lie}' >&2; exit 1"
    );
    instead(programs.path(), "sbatch", &sbatch);
    instead(programs.path(), "squeue", &format!("[ -e {box_}/heard ] || exit 0; exec /usr/bin/squeue \"$@\""));
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    with_path(&mut command, programs.path());
    let kiln = start(&mut command);
    wait_for(&outside.path().join("ran"));
    kill_jobs(&project);
    fs::write(outside.path().join("died"), "").expect("a file");
    fs::write(outside.path().join("go"), "").expect("a file");
    let done = end(kiln);
    assert_eq!((done.code, ran(outside.path())), (Some(0), 2), "{}", done.stderr);
    assert!(done.stderr.contains("begun anew"), "{}", done.stderr);
}

#[test]
fn a_cluster_that_gives_no_answer_is_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let (outside, programs) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let project = waits("unanswered", outside.path(), "");
    project.edit("pipeline.yaml", "latency: 2s,", "latency: 2s, patience: 3s,");
    for program in ["sbatch", "squeue"] {
        instead(
            programs.path(),
            program,
            "echo 'error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        );
    }
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    with_path(&mut command, programs.path());
    let done = end(start(&mut command));
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let error = error(&done.record(), "unanswered");
    assert!(error.contains("Slurm gives no answer") && error.contains("Unable to contact"), "{error}");
    assert_eq!(ran(outside.path()), 0);
}

#[test]
fn a_controller_that_is_killed_and_started_again_loses_nothing() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let outside = mailbox();
    let project = waits("survives", outside.path(), "");
    let kiln = start(&mut cluster.kiln(&project, &["run", "--json"]));
    wait_for(&outside.path().join("ran"));
    cluster.kill("controller");
    fs::write(outside.path().join("go"), "").expect("a file");
    // The result does not wait for the controller.
    let done = end(kiln);
    assert_eq!((done.code, ran(outside.path())), (Some(0), 1), "{}", done.stderr);
    cluster.script(&["controller"]);
    // Should the job run again, as it may after a crash, it finds the attempt gone.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!((ran(outside.path()), project.read("a.txt").as_str()), (1, "done\n"));
}

#[test]
fn a_lost_node_costs_an_attempt_and_no_more() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let outside = mailbox();
    let project = waits("moves", outside.path(), "");
    let kiln = start(&mut cluster.kiln(&project, &["run", "--json"]));
    wait_for(&outside.path().join("ran"));
    let job = cluster.wait_for("moves", "RUNNING");
    let node = cluster.slurm("squeue", &["-h", "-j", &job, "-o", "%N"]);
    cluster.script(&["crash", node.trim()]);
    until("it ran again", || ran(outside.path()) >= 2);
    fs::write(outside.path().join("go"), "").expect("a file");
    let done = end(kiln);
    assert_eq!((done.code, project.read("a.txt").as_str()), (Some(0), "done\n"), "{}", done.stderr);
    assert!(done.stderr.contains("begun anew"), "{}", done.stderr);
}

#[test]
fn a_job_that_is_forgotten_is_lost_and_begun_anew() {
    let Some(cluster) = Cluster::start(&[("KILN_SLURM_JOB_AGE", "2")]) else { return };
    let outside = mailbox();
    let project = waits("forgotten", outside.path(), "");
    // While Kiln sees nothing of it, the job is killed and forgotten.
    let programs = tempfile::tempdir().expect("a folder");
    instead(
        programs.path(),
        "squeue",
        &format!("[ -e {0} ] && exit 1; exec /usr/bin/squeue \"$@\"", outside.path().join("mute").display()),
    );
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    with_path(&mut command, programs.path());
    let kiln = start(&mut command);
    wait_for(&outside.path().join("ran"));
    cluster.wait_for("forgotten", "RUNNING");
    fs::write(outside.path().join("mute"), "").expect("a file");
    kill_jobs(&project);
    until("it is forgotten", || cluster.jobs("forgotten").is_empty());
    fs::remove_file(outside.path().join("mute")).expect("a file");
    fs::write(outside.path().join("go"), "").expect("a file");
    let done = end(kiln);
    assert_eq!((done.code, ran(outside.path())), (Some(0), 2), "{}", done.stderr);
    assert!(done.stderr.contains("not known any more"), "{}", done.stderr);
}

#[test]
fn a_full_queue_is_waited_for() {
    let Some(cluster) = Cluster::start(&[("KILN_SLURM_JOBS", "3"), ("KILN_SLURM_JOB_AGE", "2")]) else { return };
    let project = Project::new(
        "
        version: 1
        executor: {slurm: {latency: 2s, memory: 300MB}}
        stages:
          many:
            matrix: {n: [1, 2], m: [1, 2]}
            run: 'echo ${matrix.n} > a.txt'
            outputs: {a: 'a${matrix.n}${matrix.m}.txt'}
        ",
    );
    project.edit("pipeline.yaml", "> a.txt", "> a${matrix.n}${matrix.m}.txt");
    project.edit("pipeline.yaml", "outputs:", "resources: {memory: '${matrix.n}00MB'}\n    outputs:");
    cluster.slurm("sbatch", &["--array=0-1", "--mem=10", "--output=/dev/null", "--chdir=/tmp", "--wrap", "sleep 12"]);
    let done = end(start(&mut cluster.kiln(&project, &["run", "--json"])));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.record().with("executed").len(), 4);
    assert!(done.stderr.contains("has no room for more jobs now"), "{}", done.stderr);
}
