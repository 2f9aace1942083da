//! Training that goes on: after a kill, for more epochs and for fewer, to the same bits as one that was not interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::project::{Project, Ran, Record};

/// One network on the test images of the sample.
const PARAMS: &str = "  epochs: 1\n  seed: 1\n";
const STAGES: &str = "  train:
    uses: train
    inputs: {data: {from: normalise.train}, split: {from: split.split}, model: model.yaml}
    with: {epochs: \"${params.epochs}\", seed: \"${params.seed}\", batch_size: 64}
";

const MOMENTUM: &str = "\
name: momentum
layers:
  - {name: pool, type: max_pool, size: 4}
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 16, activation: relu}
  - {name: output, type: dense}
optimiser: {type: sgd, learning_rate: 0.05, momentum: 0.9, nesterov: true}
";

/// Everything that is random, remembered, or counted over epochs.
const BUSY: &str = "\
name: busy
layers:
  - {name: pool, type: avg_pool, size: 4}
  - {name: conv, type: conv, filters: 4}
  - {name: norm, type: batch_norm, momentum: 0.9, activation: relu}
  - {name: drop, type: dropout, rate: 0.3}
  - {name: flatten, type: flatten}
  - {name: output, type: dense}
optimiser: {type: adam, learning_rate: 0.01, weight_decay: 0.01}
schedule: {type: step, every: 2, factor: 0.5, warm_up: 1.5}
augmentation: {rotation: 10, shift: 0.1, zoom: 0.1, flip: alternating}
early_stopping: {monitor: val_accuracy, patience: 99, restore_best: true}
ema: {momentum: 0.3}
";

fn project(model: &str) -> Project {
    let project = Project::on_the_sample(PARAMS, STAGES);
    project.write("model.yaml", model);
    project
}

#[test]
fn a_training_of_the_built_in_kind_is_checked_in_two_halves() {
    let project = project(BUSY);
    let ran = project.kiln(&["run", "--check-resume", "train", "--set", "epochs=3"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("train: goes on to the same, 1 + 2 of 3 epochs"), "{}", ran.stdout);
    let trained = train(&project, 3, &[]);
    assert!(trained.record.stage("train")["resumed"].is_null());
    // The numbers of each epoch are kept with its state.
    let states = project.kiln(&["show", "train", "--set", "epochs=3", "--json"]).json()["stages"][0]["states"].clone();
    let last = states["metrics"]["3"]["val_accuracy"].as_f64().expect("a number");
    assert!(trained.log.contains(&format!("val_accuracy {last:.4}")), "{states} {}", trained.log);
    assert_eq!(states["metrics"].as_object().expect("metrics").len(), 3);
}

/// One run of the training, which must succeed.
struct Trained {
    record: Record,
    stderr: String,
    log: String,
}

fn train(project: &Project, epochs: u32, args: &[&str]) -> Trained {
    let epochs = format!("epochs={epochs}");
    let ran = project.kiln(&[&["run", "--json", "--set", &epochs], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    Trained::of(project, &ran)
}

impl Trained {
    fn of(project: &Project, ran: &Ran) -> Self {
        let record = ran.record();
        let log = record.stage("train")["log"].as_str().map_or_else(String::new, |path| project.read(path));
        Self { record, stderr: ran.stderr.clone(), log }
    }

    /// The digests of all outputs of the training.
    fn digests(&self) -> BTreeMap<String, String> {
        let digests: BTreeMap<_, _> =
            self.record.digests().into_iter().filter(|(name, _)| name.starts_with("train.")).collect();
        assert_eq!(digests.len(), 4, "model, history, summary, metrics: {digests:?}");
        digests
    }

    /// The step it went on from.
    fn resumed(&self) -> Option<u64> {
        self.record.stage("train")["resumed"]["step"].as_u64()
    }

    /// The epochs that were trained in this run.
    fn epochs(&self) -> Vec<u64> {
        let number = |line: &str| line.strip_prefix("epoch ")?.split_once('/')?.0.parse().ok();
        self.log.lines().filter_map(number).collect()
    }
}

/// What a training that is never interrupted gives.
fn straight(model: &str, epochs: u32) -> BTreeMap<String, String> {
    let trained = train(&project(model), epochs, &[]);
    assert_eq!(trained.resumed(), None);
    trained.digests()
}

fn more_and_fewer(model: &str) {
    let project = project(model);
    let two = train(&project, 2, &[]);
    assert_eq!((two.resumed(), two.epochs()), (None, vec![1, 2]));

    let plan = project.kiln(&["run", "--dry-run", "--set", "epochs=4"]).stdout;
    assert!(plan.lines().any(|l| l.contains("train") && l.contains("goes on from epoch 2")), "{plan}");
    let four = train(&project, 4, &[]);
    assert_eq!((four.resumed(), four.epochs()), (Some(2), vec![3, 4]));
    assert!(four.stderr.contains("train: resumed at epoch 3 of 4"), "{}", four.stderr);
    assert!(four.record.reasons("train").contains("goes on from epoch 2"), "{}", four.record.reasons("train"));
    assert_eq!(four.digests(), straight(model, 4));

    // Never asked for before, and yet there is nothing to train.
    let three = train(&project, 3, &[]);
    assert_eq!((three.record.outcome("train"), three.resumed(), three.epochs()), ("executed", Some(3), vec![]));
    assert_eq!(three.digests(), straight(model, 3));

    let again = train(&project, 2, &[]);
    assert_eq!((again.record.outcome("train"), again.digests()), ("restored", two.digests()));
}

#[test]
fn momentum_goes_on_for_more_epochs_and_for_fewer() {
    more_and_fewer(MOMENTUM);
}

#[test]
fn adam_batch_norm_dropout_and_augmentation_go_on_for_more_epochs_and_for_fewer() {
    more_and_fewer(BUSY);
}

#[test]
fn seconds_are_told_apart_and_added_up() {
    let project = project(MOMENTUM);
    let two = train(&project, 2, &[]);
    let seconds = |record: &Record, field: &str| record.stage("train")[field].as_f64().expect("seconds");
    let first = seconds(&two.record, "executed_seconds");
    let three = train(&project, 3, &[]);
    let now = seconds(&three.record, "executed_seconds");
    let resumed = &three.record.stage("train")["resumed"];
    let before = resumed["seconds"].as_f64().expect("seconds");
    assert_eq!((&resumed["step"], &resumed["unit"]), (&2.into(), &"epoch".into()));
    assert!(before > 0.0 && before <= first, "{before} of {first}");

    // The sum is what a table shows, also in a run that finds all up to date.
    let later = train(&project, 3, &[]);
    assert_eq!(later.record.stage("train")["resumed"], *resumed);
    let compared = project.kiln(&["compare", "latest~2", "latest", "--json"]).json();
    let stage = compared["stages"].as_array().expect("stages").iter().find(|s| s["name"] == "train").expect("train");
    assert_eq!(stage["executed_seconds"], serde_json::json!([first, now + before]));
}

#[test]
fn early_stopping_stays_where_it_stopped_and_fewer_epochs_have_their_own_best() {
    // So small a rate that no epoch is better than the first by min_delta.
    let stopping = "early_stopping: {monitor: val_loss, patience: 2, min_delta: 0.5, restore_best: true}";
    let model = MOMENTUM.replace("0.05", "0.000001") + stopping;
    let project = project(&model);
    assert_eq!(train(&project, 10, &[]).epochs(), [1, 2, 3]);
    let more = train(&project, 15, &[]);
    assert_eq!((more.resumed(), more.epochs()), (Some(3), vec![]));
    assert_eq!(more.digests(), straight(&model, 15));
    let fewer = train(&project, 2, &[]);
    assert_eq!((fewer.resumed(), fewer.epochs()), (Some(2), vec![]));
    assert_eq!(fewer.digests(), straight(&model, 2));
}

#[test]
fn a_cosine_starts_over_for_another_number_of_epochs_and_says_why() {
    let model = MOMENTUM.to_owned() + "schedule: {type: cosine}\n";
    let project = project(&model);
    train(&project, 2, &[]);
    let why = "starts over: the model's cosine schedule depends on `epochs`";
    let plan = project.kiln(&["run", "--dry-run", "--set", "epochs=3"]).stdout;
    assert!(plan.lines().any(|l| l.contains("train") && l.contains(why)), "{plan}");
    let three = train(&project, 3, &[]);
    assert_eq!((three.resumed(), three.epochs()), (None, vec![1, 2, 3]));
    assert!(three.record.reasons("train").contains(why), "{}", three.record.reasons("train"));
    assert!(three.stderr.contains(why), "{}", three.stderr);
    assert_eq!(three.digests(), straight(&model, 3));
}

#[test]
fn another_seed_and_force_begin_at_the_beginning() {
    let project = project(BUSY);
    let first = train(&project, 2, &[]);
    let seed = train(&project, 3, &["--set", "seed=2"]);
    assert_eq!((seed.resumed(), seed.epochs()), (None, vec![1, 2, 3]));
    let forced = train(&project, 2, &["--force", "train"]);
    assert_eq!((forced.resumed(), forced.epochs()), (None, vec![1, 2]));
    assert_eq!(forced.record.reasons("train"), "forced");
    assert_eq!(forced.digests(), first.digests());
}

/// Starts a training in its project and waits until an epoch of it is in the cache.
fn start(project: &Project, epochs: u32) -> Child {
    let mut command = project.command(&["run", "--json", "--set", &format!("epochs={epochs}")]);
    let stderr = std::fs::File::create(project.root().join("stderr")).expect("create file");
    command.env("KILN_LOG", "kiln=debug").stdout(Stdio::piped()).stderr(stderr);
    let child = command.spawn().expect("start kiln");
    let deadline = Instant::now() + Duration::from_secs(60);
    while kept(project).is_empty() {
        assert!(Instant::now() < deadline, "no epoch was ever kept");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// The epochs that a started run has said are in the cache.
fn kept(project: &Project) -> Vec<u64> {
    let number = |line: &str| line.split_once(" is in the cache")?.0.rsplit_once("epoch ")?.1.parse().ok();
    project.read("stderr").lines().filter_map(number).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The process that a process has started.
fn child_of(parent: &Child) -> Pid {
    let parent = parent.id().to_string();
    let started = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // `pid (name) state parent ...`; a name may hold anything.
        (stat.rsplit_once(')')?.1.split_whitespace().nth(1)? == parent).then_some(())
    };
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten().map(|e| e.file_name());
    let mut pids = processes.filter_map(|name| name.to_str()?.parse::<i32>().ok());
    let pid = pids.find(|pid| started(&pid.to_string()).is_some()).expect("kiln has started a worker");
    Pid::from_raw(pid).expect("a process")
}

/// Enough epochs that a training is still under way when its first has been kept.
const MANY: u32 = 60;

#[test]
fn kill_9_of_kiln_loses_no_epoch_that_was_kept() {
    let project = project(BUSY);
    let mut child = start(&project, MANY);
    rustix::process::kill_process(Pid::from_child(&child), Signal::KILL).expect("kill");
    child.wait().expect("wait for kiln");
    let last = *kept(&project).last().expect("an epoch");
    let record = train(&project, MANY, &[]);
    let resumed = record.resumed().expect("it went on");
    assert!(resumed >= last && resumed < u64::from(MANY), "{resumed} after {last}");
    assert_eq!(record.epochs(), (resumed + 1..=u64::from(MANY)).collect::<Vec<_>>());
    assert_eq!(record.digests(), straight(BUSY, MANY));
    let left = files(&project.root().join("cache/tmp"));
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn kill_9_of_the_worker_is_followed_by_an_attempt_that_goes_on() {
    // A cosine goes on as well, for the number of epochs that it was begun for.
    let model = BUSY.replace("{type: step, every: 2, factor: 0.5, warm_up: 1.5}", "{type: cosine, warm_up: 1.5}");
    let project = project(&model);
    project.edit("pipeline.yaml", "batch_size: 64}", "batch_size: 64}\n    retries: 1");
    let child = start(&project, MANY);
    rustix::process::kill_process(child_of(&child), Signal::KILL).expect("kill");
    let mut ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    ran.stderr = project.read("stderr");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut record = Trained::of(&project, &ran);
    assert!(record.stderr.contains("attempt 2 of 2"), "{}", record.stderr);
    let resumed = record.resumed().expect("it went on");
    let said = format!("resumed at epoch {} of {MANY}", resumed + 1);
    record.log = record.log.split_once(&said).unwrap_or_else(|| panic!("{said}: {}", record.log)).1.to_owned();
    assert_eq!(record.epochs(), (resumed + 1..=u64::from(MANY)).collect::<Vec<_>>());
    assert_eq!(record.digests(), straight(&model, MANY));
}

/// The file of the store that holds the weights of the checkpoint of an epoch.
fn weights_of(project: &Project, epoch: usize) -> PathBuf {
    let object = |digest: &str| project.root().join("cache/objects").join(&digest[..2]).join(&digest[2..]);
    for listing in files(&project.root().join("cache/trees")) {
        let text = std::fs::read(listing).expect("read a listing");
        let text = String::from_utf8(text).expect("paths in UTF-8");
        let entries = text.split('\0').filter_map(|entry| {
            let fields: Vec<&str> = entry.splitn(4, ' ').collect();
            Some((*fields.get(3)?, *fields.get(1)?))
        });
        let entries: BTreeMap<&str, &str> = entries.collect();
        let state = std::fs::read(object(entries["state.json"])).expect("read a state");
        let state: Value = serde_json::from_slice(&state).expect("JSON");
        if state["history"].as_array().expect("a history").len() == epoch {
            return object(entries["weights.safetensors"]);
        }
    }
    panic!("epoch {epoch} is not in the cache");
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_an_earlier_one_taken() {
    let project = project(MOMENTUM);
    train(&project, 3, &[]);
    let blob = weights_of(&project, 3);
    let bytes = std::fs::read(&blob).expect("read blob");
    std::fs::remove_file(&blob).expect("remove blob");
    std::fs::write(&blob, bytes.iter().map(|b| b ^ 1).collect::<Vec<u8>>()).expect("write blob");
    let four = train(&project, 4, &[]);
    assert_eq!((four.resumed(), four.epochs()), (Some(2), vec![3, 4]));
    assert!(four.stderr.contains("train: epoch 3 cannot be gone on from"), "{}", four.stderr);
    assert_eq!(files(&project.root().join("cache/quarantine")).len(), 1);
    assert_eq!(four.digests(), straight(MOMENTUM, 4));
    // Training it again has mended it.
    assert_eq!(train(&project, 3, &["--set", "epochs=3"]).record.outcome("train"), "restored");
    assert_eq!(std::fs::read(weights_of(&project, 3)).expect("read blob"), bytes);
}

#[test]
fn a_checkpoint_that_cannot_be_kept_is_no_failure() {
    let project = project(MOMENTUM);
    project.run(&["split"]);
    // Not what a Kiln may move out of the way.
    std::os::unix::fs::symlink("nowhere", project.root().join("cache/trees")).expect("link");
    let trained = train(&project, 2, &[]);
    assert!(trained.log.contains("epoch 1 is not kept: cannot create"), "{}", trained.log);
    assert_eq!(trained.log.matches("is not kept").count(), 1, "that of all epochs is told once: {}", trained.log);
    assert_eq!(trained.digests(), straight(MOMENTUM, 2));
}

#[test]
fn epochs_that_end_after_a_change_of_a_source_are_told_of_once() {
    let project = project(BUSY);
    project.run(&["split"]);
    std::fs::copy(project.root().join("out/split/split.safetensors"), project.root().join("own-split")).expect("copy");
    project.edit("pipeline.yaml", "split: {from: split.split}", "split: own-split");
    let child = start(&project, 10 * MANY);
    // By content the same: it was written to.
    let bytes = std::fs::read(project.root().join("own-split")).expect("read");
    std::fs::write(project.root().join("own-split"), bytes).expect("write");
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(1), "{}", project.read("stderr"));
    let told = project.read("stderr");
    let not_kept = told
        .lines()
        .filter(|line| line.starts_with("train: ") && line.contains("is not kept: own-split was changed"))
        .count();
    assert!(not_kept <= 1, "{told}");
}
