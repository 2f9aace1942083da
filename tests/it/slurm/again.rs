//! Kiln that is stopped, killed or sent away: its jobs go on or are cancelled as was said, and the next run submits nothing twice.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::Cluster;
use crate::project::{Project, Ran, files, mailbox, wait_for};

fn waits(name: &str, outside: &Path) -> Project {
    let outside = outside.display();
    Project::new(&format!(
        "
        version: 1
        executor: {{slurm: {{latency: 2s, memory: 300MB}}}}
        stages:
          {name}:
            run: 'echo hello; echo ran >> {outside}/ran; until [ -e {outside}/go ]; do sleep 0.1; done; echo goodbye; echo done > a.txt'
            outputs: {{a: a.txt}}
        "
    ))
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kiln")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

fn end(child: Child) -> Ran {
    Ran::from(child.wait_with_output().expect("kiln"))
}

fn runs(outside: &Path) -> usize {
    fs::read_to_string(outside.join("ran")).unwrap_or_default().lines().count()
}

#[test]
fn a_killed_kiln_leaves_jobs_whose_results_the_next_run_takes() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("orphan", outside.path());
    let kiln = start(cluster.kiln(&project, &["run"]));
    wait_for(&outside.path().join("ran"));
    signal(&kiln, "-KILL");
    end(kiln);
    // Once while it runs, once when it is over.
    let second = start(cluster.kiln(&project, &["run"]));
    std::thread::sleep(Duration::from_secs(2));
    signal(&second, "-KILL");
    end(second);
    fs::write(outside.path().join("go"), "").expect("a file");
    let third = end(start(cluster.kiln(&project, &["run", "--json"])));
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    assert!(third.stderr.contains("goes on with the job of an earlier run"), "{}", third.stderr);
    assert_eq!((runs(outside.path()), project.read("a.txt").as_str()), (1, "done\n"));
    assert_eq!(cluster.jobs("orphan").len(), 1);
    assert!(project.kiln(&["log", "orphan"]).stdout.contains("hello"));
    assert!(files(&project.root().join("cache/jobs")).is_empty());
}

#[test]
fn an_attempt_that_was_half_removed_is_not_waited_for_for_ever() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("halfway", outside.path());
    let kiln = start(cluster.kiln(&project, &["run"]));
    wait_for(&outside.path().join("ran"));
    signal(&kiln, "-KILL");
    end(kiln);
    super::cluster::kill_jobs(&project);
    // As if Kiln had been killed while it removed what there was.
    let entries = fs::read_dir(project.root().join("cache/jobs")).expect("jobs").flatten();
    let batches = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("kiln-"));
    batches.for_each(|batch| fs::remove_dir_all(batch.path()).expect("a batch"));
    fs::write(outside.path().join("go"), "").expect("a file");
    let second = end(start(cluster.kiln(&project, &["run"])));
    assert_eq!((second.code, runs(outside.path())), (Some(0), 2), "{}", second.stderr);
    assert!(files(&project.root().join("cache/jobs")).is_empty());
}

#[test]
fn a_stage_that_was_changed_meanwhile_has_its_job_cancelled() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("outdated", outside.path());
    let kiln = start(cluster.kiln(&project, &["run"]));
    wait_for(&outside.path().join("ran"));
    signal(&kiln, "-KILL");
    end(kiln);
    project.edit("pipeline.yaml", "echo done >", "echo otherwise >");
    fs::write(outside.path().join("go2"), "").expect("a file");
    project.edit("pipeline.yaml", "/go ]", "/go2 ]");
    let second = end(start(cluster.kiln(&project, &["run", "--json"])));
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(project.read("a.txt"), "otherwise\n");
    let jobs = cluster.jobs("outdated");
    assert!(jobs.len() == 2 && !jobs.iter().any(|job| job.contains("RUNNING")), "{jobs:?}");
}

#[test]
fn ctrl_c_cancels_and_leave_jobs_leaves() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("stopped", outside.path());
    let kiln = start(cluster.kiln(&project, &["run"]));
    wait_for(&outside.path().join("ran"));
    let job = cluster.wait_for("stopped", "RUNNING");
    signal(&kiln, "-INT");
    let ran = end(kiln);
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("jobs are cancelled"), "{}", ran.stderr);
    let jobs = cluster.jobs("stopped");
    assert!(!jobs.iter().any(|job| job.contains("|RUNNING|") || job.contains("|PENDING|")), "{job}: {jobs:?}");

    for (number, (args, name)) in
        [(&["run", "--leave-jobs", "--keep", "stopped"][..], "-INT"), (&["run"][..], "-HUP"), (&["run"][..], "-TERM")]
            .into_iter()
            .enumerate()
    {
        let kiln = start(cluster.kiln(&project, args));
        cluster.wait_for("stopped", "RUNNING");
        // The second and the third find the job of the one before.
        std::thread::sleep(Duration::from_secs(1));
        signal(&kiln, name);
        let ran = end(kiln);
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert!(ran.stderr.contains("jobs go on"), "{name}: {}", ran.stderr);
        // The folder is the job's.
        assert!(!ran.stderr.contains("is kept in"), "{name}: {}", ran.stderr);
        assert_eq!(cluster.jobs("stopped").len(), 2, "{number}");
    }
    fs::write(outside.path().join("go"), "").expect("a file");
    let ran = end(start(cluster.kiln(&project, &["run"])));
    assert_eq!((ran.code, runs(outside.path())), (Some(0), 2), "{}", ran.stderr);
}

#[test]
fn a_detached_run_goes_on_by_itself() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let project = waits("away", outside.path());
    let ran = end(start(cluster.kiln(&project, &["run", "--detach"])));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("goes on without this terminal"), "{}", ran.stderr);
    wait_for(&outside.path().join("ran"));
    let status = project.kiln(&["status"]);
    assert!(format!("{}{}", status.stdout, status.stderr).contains("away"), "{}", status.stdout);
    // What the job says is read while it runs, and to its end.
    let mut log = start(project.command(&["log", "-f", "away"]));
    let mut lines = BufReader::new(log.stdout.take().expect("its output")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "hello"));
    fs::write(outside.path().join("go"), "").expect("a file");
    wait_for(&project.root().join("a.txt"));
    assert!(lines.any(|line| line == "goodbye"));
    assert!(log.wait().expect("kiln").success());
}

#[test]
fn variants_that_ask_for_the_same_go_as_one_array() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = Project::new(
        "
        version: 1
        executor: {slurm: {latency: 2s, memory: 300MB}}
        stages:
          many:
            matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8]}
            run: 'echo ${matrix.n} > ${out.a}'
            outputs: {a: 'a${matrix.n}.txt'}
        ",
    );
    project.edit("pipeline.yaml", "${out.a}", "a${matrix.n}.txt");
    let ran = end(start(cluster.kiln(&project, &["run", "--json"])));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().with("executed").len(), 8);
    let all = cluster.slurm("squeue", &["-h", "-t", "all", "-r", "-o", "%F|%k"]);
    let arrays: std::collections::BTreeSet<&str> =
        all.lines().filter(|line| line.contains("kiln many")).filter_map(|line| line.split('|').next()).collect();
    assert!(arrays.len() <= 2, "{all}");
    for n in 1..=8 {
        assert_eq!(project.read(&format!("a{n}.txt")), format!("{n}\n"));
    }
}

#[test]
fn a_time_limit_is_no_end_for_what_is_made_of_steps() {
    let Some(cluster) = Cluster::shared() else { return };
    let outside = mailbox();
    let box_ = outside.path().display();
    let project = Project::new(&format!(
        "
        version: 1
        executor: {{slurm: {{latency: 2s, memory: 300MB, time: 1m}}}}
        stages:
          train:
            run: ['sh', 'train.sh', '{box_}']
            inputs: {{script: train.sh}}
            outputs: {{model: model.txt}}
            with: {{epochs: 6}}
            steps: {{parameter: epochs, unit: epoch}}
        "
    ));
    // After each third epoch it takes for ever.
    project.write(
        "train.sh",
        "echo begun at $KILN_STEP >> $1/begun
step=$KILN_STEP
text=$([ -n \"$KILN_RESUME\" ] && cat $KILN_RESUME/state)
while [ $step -lt 6 ]; do
    step=$((step + 1))
    text=\"$text $step\"
    mkdir $KILN_STATES/new
    echo \"$text\" > $KILN_STATES/new/state
    mv $KILN_STATES/new $KILN_STATES/$step
    if [ $((step % 3)) -eq 0 ] && [ $step -lt 6 ]; then sleep 1000; fi
done
echo \"$text\" > model.txt
",
    );
    let kiln = start(cluster.kiln(&project, &["run", "--json"]));
    wait_for(&outside.path().join("begun"));
    let job = cluster.wait_for("train", "RUNNING");
    // Slurm's limits are minutes; this one is over sooner.
    cluster.slurm("scontrol", &["update", &format!("JobId={job}"), "EndTime=now"]);
    let ran = end(kiln);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(project.read("model.txt").split_whitespace().collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(fs::read_to_string(outside.path().join("begun")).unwrap(), "begun at 0\nbegun at 3\n");
    assert!(ran.stderr.contains("time limit; it goes on from its last step"), "{}", ran.stderr);
}

/// A network that is trained in a second or two.
#[cfg(feature = "stages")]
const MODEL: &str = "\
name: small
layers:
  - {name: pool, type: max_pool, size: 4}
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 16, activation: relu}
  - {name: output, type: dense}
optimiser: {type: sgd, learning_rate: 0.05, momentum: 0.9, nesterov: true}
";

#[cfg(feature = "stages")]
#[test]
fn a_training_goes_on_from_its_last_epoch_when_its_job_is_lost() {
    let Some(cluster) = Cluster::shared() else { return };
    let stages = "  train:
    uses: train
    inputs: {data: {from: normalise.train}, split: {from: split.split}, model: model.yaml}
    with: {epochs: \"${params.epochs}\", batch_size: 16, seed: 1}
    resources: {memory: 900MB}
";
    let (there, here) =
        (Project::on_the_sample("  epochs: 40\n", stages), Project::on_the_sample("  epochs: 40\n", stages));
    for project in [&there, &here] {
        project.write("model.yaml", MODEL);
    }
    let args = ["run", "--json", "--executor", "slurm:latency=2s,memory=900MB"];
    let kiln = start(cluster.kiln(&there, &args));
    let announced = || {
        let all = files(&there.root().join("cache/jobs"));
        let events = all.into_iter().filter(|path| path.ends_with("events"));
        let texts: String = events.filter_map(|path| fs::read_to_string(path).ok()).collect();
        texts.matches("\"checkpoint\"").count()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    while announced() < 2 {
        assert!(std::time::Instant::now() < deadline, "no epoch is done");
        std::thread::sleep(Duration::from_millis(5));
    }
    super::cluster::kill_jobs(&there);
    let ran = end(kiln);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let record = ran.record();
    assert!(cluster.jobs("fetch[file=images]").is_empty(), "what fetches stays here");
    let home = here.run(&[]);
    assert!(ran.stderr.contains("train: resumed at epoch"), "{}", ran.stderr);
    for stage in ["import", "normalise", "split", "train"] {
        assert_eq!(record.stage(stage)["outputs"], home.stage(stage)["outputs"], "{stage}");
    }
}
