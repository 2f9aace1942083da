//! Nodes that see nothing of the project: the remote cache carries what a job needs, what it says and what it leaves.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::cluster::{Cluster, until};
use crate::project::{Project, Ran, Record, files, mailbox, wait_for};
use crate::remote::weed::{BUCKET, KEY, Weed};

/// A project whose jobs work in a folder of their own.
pub(super) fn project(remote: &str, scratch: &Path, stages: &str) -> Project {
    let executor = format!("{{slurm: {{latency: 2s, memory: 300MB, scratch: {}}}}}", scratch.display());
    let remote = format!("remote: {{url: '{remote}', access: both}}");
    Project::new(&format!("version: 1\n{remote}\nexecutor: {executor}\nstages:\n{stages}"))
}

/// Whether nodes can be made blind here.
fn can_be_blind() -> bool {
    Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A call of the binary that may write to the remote cache: on a CI server it would only read.
pub(super) fn kiln(cluster: &Cluster, project: &Project, args: &[&str]) -> Command {
    let mut command = cluster.kiln(project, args);
    for name in std::env::vars_os().map(|(name, _)| name) {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("KILN_REMOTE") || text == "CI" {
            command.env_remove(&name);
        }
    }
    command
}

fn error(record: &Record, stage: &str) -> String {
    record.stage(stage)["error"].as_str().unwrap_or_default().to_owned()
}

/// The processes of jobs that work in a folder.
pub(super) fn processes(scratch: &Path) -> Vec<String> {
    let scratch = scratch.to_str().expect("UTF-8");
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let is_job = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("--scratch\0{scratch}"))
    };
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_job).collect()
}

const STAGES: &str = "  first:
    run: 'BLIND; pwd; head -c 300000 /dev/zero > big.bin; cat in.txt >> big.bin; mkdir -p tree/sub; cp in.txt tree/sub/x; chmod 755 tree/sub/x; ln -s sub/x tree/link'
    inputs: {in: in.txt}
    outputs: {big: big.bin, tree: tree}
  second:
    run: 'cat big.bin tree/link | cksum > sum.txt; ls -l tree | cut -c1-4 >> sum.txt'
    inputs: {big: {from: first.big}, tree: {from: first.tree}}
    outputs: {sum: sum.txt}
  fails:
    run: 'echo the reason; exit 7'
    outputs: {a: a.txt}
  silent:
    run: 'true'
    outputs: {b: b.txt}
  writes:
    run: 'rm -f in.txt; echo more > in.txt; echo > c.txt'
    inputs: {in: in.txt}
    outputs: {c: c.txt}
  trained:
    run: ['sh', 'train.sh', 'BOX']
    inputs: {script: train.sh}
    outputs: {model: model.txt}
    with: {epochs: 6}
    steps: {parameter: epochs, unit: epoch}
  greedy:
    run: ['python3', '-c', 'import time; x = bytearray(400 * 2**20); time.sleep(60)']
    outputs: {x: x.txt}
";

/// Each epoch leaves a state; after the third it waits for a file outside.
const TRAIN: &str = "echo begun at $KILN_STEP
echo begun at $KILN_STEP >> $1/begun
step=$KILN_STEP
text=$([ -n \"$KILN_RESUME\" ] && cat $KILN_RESUME/state)
while [ $step -lt 6 ]; do
    step=$((step + 1))
    text=\"$text $step\"
    mkdir $KILN_STATES/new
    echo \"$text\" > $KILN_STATES/new/state
    mv $KILN_STATES/new $KILN_STATES/$step
    if [ $step -eq 3 ]; then until [ -e $1/go ]; do sleep 0.1; done; fi
done
echo \"$text\" > model.txt
";

#[test]
fn jobs_that_see_nothing_of_the_project_give_what_stages_give_at_home() {
    let (outside, remote) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let scratch = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", remote.path().display());
    let there = project(&url, scratch.path(), STAGES);
    let root = there.root().to_str().expect("UTF-8").to_owned();
    // Slurm looks after memory so seldom that a job has the time to say what it takes; it says no word itself that is kept.
    let variables = [("KILN_SLURM_BLIND", root.as_str()), ("KILN_SLURM_GATHER", "15")];
    let Some(cluster) = Cluster::start(&variables) else { return };
    let blind = if can_be_blind() { format!("test ! -e {root}/pipeline.yaml") } else { ":".to_owned() };
    there.edit("pipeline.yaml", "BLIND", &blind).edit("pipeline.yaml", "BOX", outside.path().to_str().expect("UTF-8"));
    there.write("in.txt", "a\n").write("train.sh", TRAIN);
    assert_eq!(there.kiln(&["remote", "init"]).code, Some(0));

    let mut command = kiln(&cluster, &there, &["run", "--json", "-k"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kiln");
    wait_for(&outside.path().join("begun"));
    // What a job says is read while it runs.
    let mut log = there.command(&["log", "-f", "trained"]);
    let mut log = log.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kiln");
    let mut lines = BufReader::new(log.stdout.take().expect("its output")).lines();
    let said = lines.by_ref().map_while(Result::ok).find(|line| line.contains("begun at 0"));
    assert!(said.is_some());
    let _ = (log.kill(), log.wait());
    // Once its states are here, the job is killed: the next goes on from them.
    until("states are here", || {
        let heard = files(&there.root().join("cache/jobs")).into_iter().filter(|path| path.ends_with("heard.json"));
        let texts: String =
            heard.filter_map(|path| fs::read_to_string(there.root().join("cache/jobs").join(path)).ok()).collect();
        texts.contains("\"next\"") && !processes(scratch.path()).is_empty()
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    let _ = Command::new("kill").arg("-9").args(processes(scratch.path())).status();
    until("it goes on", || fs::read_to_string(outside.path().join("begun")).is_ok_and(|text| text.lines().count() > 1));
    fs::write(outside.path().join("go"), "").expect("a file");
    let ran = Ran::from(running.wait_with_output().expect("kiln"));
    let record = ran.record();
    assert_eq!(record.with("executed"), ["first", "second", "trained"], "{}", ran.stderr);
    assert_eq!(there.read("model.txt").split_whitespace().collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(fs::read_to_string(outside.path().join("begun")).unwrap(), "begun at 0\nbegun at 3\n");
    let place = scratch.path().canonicalize().expect("a folder");
    assert!(there.kiln(&["log", "first"]).stdout.contains(place.to_str().unwrap()), "it worked on its node");
    assert!(error(&record, "fails").contains("exit status: 7") && error(&record, "fails").contains("the reason"));
    assert!(error(&record, "silent").contains("did not write its output `b`"), "{}", error(&record, "silent"));
    assert!(error(&record, "writes").contains("in.txt"), "{}", error(&record, "writes"));
    let greedy = error(&record, "greedy");
    for text in ["the kernel killed it because memory ran out", "hint: its job had 300.0 MB"] {
        assert!(greedy.contains(text), "{greedy}");
    }

    // Results are those of this machine, and what jobs left elsewhere is gone.
    let here = project(&url, scratch.path(), STAGES);
    here.edit("pipeline.yaml", "BLIND", &blind).edit("pipeline.yaml", "BOX", outside.path().to_str().expect("UTF-8"));
    here.write("in.txt", "a\n").write("train.sh", TRAIN);
    here.edit("pipeline.yaml", &blind, ":");
    there.edit("pipeline.yaml", &blind, ":");
    let here = here.run(&["--executor", "local", "--offline", "second"]);
    let again = there.run(&["--executor", "local", "--offline", "second"]);
    for stage in ["first", "second"] {
        assert_eq!(again.stage(stage)["outputs"], here.stage(stage)["outputs"], "{stage}");
        assert_eq!(record.stage(stage)["outputs"], here.stage(stage)["outputs"], "{stage}");
    }
    assert_eq!(files(&remote.path().join("jobs")), Vec::<std::path::PathBuf>::new());
    // What a job left that was killed is for the next one on its node to remove.
    let left = files(scratch.path()).into_iter().filter(|path| !path.to_string_lossy().contains("/greedy-"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
    assert_eq!(files(&there.root().join("cache/jobs")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_killed_kiln_takes_what_a_job_away_has_left_and_no_word_of_it_is_readable_there() {
    let Some(cluster) = Cluster::shared() else { return };
    let Some(weed) = Weed::get("jobs by way of an object store") else { return };
    let (outside, scratch) = (mailbox(), tempfile::tempdir().expect("a folder"));
    let box_ = outside.path().display();
    let stages = format!(
        "  orphaned:
    run: 'echo ran >> {box_}/ran; until [ -e {box_}/go ]; do sleep 0.1; done; echo $SECRET | cksum > a.txt; head -c 9000000 /dev/zero > large.bin'
    outputs: {{a: a.txt, large: large.bin}}
    env: {{pass: [SECRET]}}
"
    );
    let project = project(&format!("s3://{BUCKET}/away"), scratch.path(), &stages);
    let with = |mut command: Command| {
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", weed.port));
        command.env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", KEY.1);
        command.env("SECRET", "unspoken").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("kiln")
    };
    let end = |child: std::process::Child| Ran::from(child.wait_with_output().expect("kiln"));
    // The bucket comes a moment after the server.
    until("there is a bucket", || end(with(project.command(&["remote", "init"]))).code == Some(0));
    let mut first = with(kiln(cluster, &project, &["run"]));
    wait_for(&outside.path().join("ran"));
    first.kill().expect("kill");
    end(first);
    fs::write(outside.path().join("go"), "").expect("a file");
    until("the job is over", || processes(scratch.path()).is_empty());
    let second = end(with(kiln(cluster, &project, &["run"])));
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stderr.contains("goes on with the job of an earlier run"), "{}", second.stderr);
    assert_eq!(fs::read_to_string(outside.path().join("ran")).unwrap(), "ran\n");
    assert_eq!(fs::metadata(project.root().join("large.bin")).expect("an output").len(), 9_000_000);
    assert!(cluster.jobs("orphaned").len() == 1);

    // Without a remote cache there is no way to such jobs.
    project.edit("pipeline.yaml", "echo $SECRET", "echo; echo $SECRET");
    let offline = end(with(kiln(cluster, &project, &["run", "--offline"])));
    assert_eq!(offline.code, Some(1));
    assert!(offline.stderr.contains("need a remote cache, and there is none"), "{}", offline.stderr);
}
