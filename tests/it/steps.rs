//! Commands made of steps: they go on after a kill, for more steps and for fewer, in other checkouts, and show how far they are.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::project::{Project, Ran, Record, files, mailbox, wait_for};

/// A training that depends on all before: each state is the sum of those of the steps and their squares. At a step it may wait, or fail.
const SCRIPT: &str = "set -eu
sum=0
if [ -n \"${KILN_RESUME-}\" ]; then sum=$(cat \"$KILN_RESUME/sum\"); fi
step=$KILN_STEP
echo \"from $step\"
while [ \"$step\" -lt \"$KILN_PARAM_epochs\" ]; do
    step=$((step + 1))
    sum=$((sum + step * step))
    echo \"{\\\"step\\\": $step, \\\"loss\\\": $((1000 - sum))}\" >> \"$KILN_METRICS\"
    mkdir \"$KILN_STATES/new\"
    echo $sum > \"$KILN_STATES/new/sum\"
    yes $step | head -c \"${SIZE-0}\" > \"$KILN_STATES/new/ballast\"
    mv \"$KILN_STATES/new\" \"$KILN_STATES/$step\"
    if [ -e \"${MAIL-none}/wait-$step\" ]; then touch \"$MAIL/at-$step\"; while [ -e \"$MAIL/wait-$step\" ]; do sleep 0.01; done; fi
    if [ -e \"${MAIL-none}/fail-$step\" ]; then rm \"$MAIL/fail-$step\"; exit 3; fi
done
echo $sum > out/model
";

const PIPELINE: &str = "version: 1
params: {epochs: 3, rate: 1}
stages:
  train:
    run: sh train.sh
    with: {epochs: \"${params.epochs}\", rate: \"${params.rate}\"}
    steps: {parameter: epochs, unit: epoch, metrics: curve}
    env: {pass: [MAIL, SIZE]}
    inputs: {script: train.sh}
    outputs: {model: out/model, curve: {path: out/curve.jsonl, role: series}}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("train.sh", SCRIPT);
    project
}

fn train(project: &Project, epochs: u64, args: &[&str]) -> Record {
    let epochs = format!("epochs={epochs}");
    project.run(&[&["--set", &epochs], args].concat())
}

fn resumed(record: &Record) -> Option<u64> {
    record.stage("train")["resumed"]["step"].as_u64()
}

fn log(project: &Project, record: &Record) -> String {
    record.stage("train")["log"].as_str().map_or_else(String::new, |path| project.read(path))
}

/// What a training that is never interrupted gives.
fn straight(epochs: u64) -> (String, String) {
    let project = project();
    assert_eq!(resumed(&train(&project, epochs, &[])), None);
    (project.read("out/model"), project.read("out/curve.jsonl"))
}

fn outputs(project: &Project) -> (String, String) {
    (project.read("out/model"), project.read("out/curve.jsonl"))
}

#[test]
fn a_line_that_is_half_written_is_not_kept_with_a_state() {
    let project = project();
    let line = "echo \"{\\\"step\\\": $step, \\\"loss\\\": $((1000 - sum))}\" >> \"$KILN_METRICS\"";
    let halves = "printf '{\"step\": %s, ' $step >> \"$KILN_METRICS\"; sleep 0.4; printf '\"loss\": %s}\\n' $((1000 - sum)) >> \"$KILN_METRICS\"";
    assert!(SCRIPT.contains(line), "{line}");
    project.write("train.sh", &SCRIPT.replace(line, halves));
    train(&project, 3, &[]);
    // The next step had begun its line when this state was kept.
    assert_eq!(resumed(&train(&project, 2, &[])), Some(2));
    assert_eq!(outputs(&project), straight(2));
}

#[test]
fn a_command_goes_on_for_more_steps_and_for_fewer() {
    let project = project();
    let three = train(&project, 3, &[]);
    assert!(log(&project, &three).contains("from 0"), "{}", log(&project, &three));
    assert_eq!(three.stage("train")["warnings"], serde_json::json!([]), "the curve can be read");

    let plan = project.kiln(&["run", "--dry-run", "--set", "epochs=5"]).stdout;
    assert!(plan.contains("parameter epochs: 3 => 5; goes on from epoch 3"), "{plan}");
    let five = train(&project, 5, &[]);
    assert_eq!(resumed(&five), Some(3));
    let said = log(&project, &five);
    assert!(said.contains("resumed at epoch 4 of 5") && said.contains("from 3"), "{said}");
    assert_eq!(outputs(&project), straight(5));

    // Never asked for before, and yet nothing is done.
    let four = train(&project, 4, &[]);
    assert_eq!((four.outcome("train"), resumed(&four)), ("executed", Some(4)));
    assert!(log(&project, &four).contains("epoch 4 is in the cache already"));
    assert_eq!(outputs(&project), straight(4));
    assert_eq!(train(&project, 3, &[]).outcome("train"), "restored");

    // Another value begins another chain, and so does an edit of the script.
    assert_eq!(resumed(&train(&project, 5, &["--set", "rate=2"])), None);
    assert_eq!(resumed(&train(&project, 6, &["--force", "train"])), None);
    project.edit("train.sh", "set -eu", "set -eu # careful");
    assert_eq!(resumed(&train(&project, 6, &[])), None);
}

#[test]
fn a_stage_that_is_made_of_steps_later_keeps_its_key() {
    let project = project();
    let steps = "    steps: {parameter: epochs, unit: epoch, metrics: curve}\n";
    project.write("train.sh", "echo 1 > out/model; echo '{\"step\": 1}' > out/curve.jsonl\n");
    project.edit("pipeline.yaml", steps, "");
    let key = project.run(&[]).stage("train")["key"].clone();
    project.write("pipeline.yaml", PIPELINE);
    let record = project.run(&[]);
    assert_eq!((record.outcome("train"), &record.stage("train")["key"]), ("up-to-date", &key));
}

/// Starts a training that waits at a step, once that is in the cache, and whatever else lies in the mailbox.
fn start(project: &Project, mail: &Path, step: u64, args: &[&str]) -> Child {
    std::fs::write(mail.join(format!("wait-{step}")), "").expect("write");
    let mut command = project.command(&[&["run", "--json"], args].concat());
    let stderr = std::fs::File::create(project.root().join("stderr")).expect("create file");
    command.env("KILN_LOG", "kiln=debug").env("MAIL", mail).stdout(Stdio::piped()).stderr(stderr);
    let child = command.spawn().expect("start kiln");
    wait_for(&mail.join(format!("at-{step}")));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !project.read("stderr").contains(&format!("epoch {step} is in the cache")) {
        assert!(Instant::now() < deadline, "epoch {step} was never kept: {}", project.read("stderr"));
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn kill(child: &mut Child, signal: Signal) -> Option<i32> {
    rustix::process::kill_process(Pid::from_child(child), signal).expect("kill");
    child.wait().expect("wait for kiln").code()
}

#[test]
fn a_running_command_says_how_far_it_is_and_goes_on_after_a_kill() {
    let (project, mail) = (project(), mailbox());
    let mut child = start(&project, mail.path(), 4, &["--set", "epochs=9"]);
    // A state is in the cache a moment before the trace says so.
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        let status = project.kiln(&["status"]).stdout;
        if status.contains("epoch 4/9 loss 970") || Instant::now() > deadline {
            break status;
        }
    };
    assert!(status.contains("epoch 4/9 loss 970"), "{status}");
    let runs = project.kiln(&["runs"]).stdout;
    assert!(runs.contains("train (epoch 4/9 loss 970)"), "{runs}");
    let shown = project.kiln(&["status", "--json"]).json();
    assert_eq!(shown["runs"][0]["under_way"][0]["progress"]["done"], 4, "{shown}");
    kill(&mut child, Signal::KILL);
    // What it left is told before there is a result.
    let shown = project.kiln(&["show", "train", "--set", "epochs=9", "--json"]).json();
    assert_eq!(shown["stages"][0]["states"]["steps"], serde_json::json!([1, 2, 3, 4]), "{shown}");
    std::fs::remove_file(mail.path().join("wait-4")).expect("it is there");
    let record = train(&project, 9, &[]);
    assert_eq!(resumed(&record), Some(4));
    assert_eq!(outputs(&project), straight(9));
    let left = files(&project.root().join("cache/tmp"));
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn ctrl_c_and_a_timeout_lose_no_state_and_say_what_is_there() {
    let (project, mail) = (project(), mailbox());
    let mut child = start(&project, mail.path(), 2, &["--set", "epochs=4"]);
    assert_eq!(kill(&mut child, Signal::INT), Some(130));
    project.edit("pipeline.yaml", "    env:", "    timeout: {after: 2s, grace: 1s}\n    env:");
    std::fs::write(mail.path().join("wait-3"), "").expect("write");
    std::fs::remove_file(mail.path().join("wait-2")).expect("it is there");
    let mut command = project.command(&["run", "--set", "epochs=4"]);
    let ran = Ran::from(command.env("MAIL", mail.path()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("resumed at epoch 3 of 4"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: epoch 3 is in the cache; the next run goes on from it"), "{}", ran.stderr);
    let record = train(&project, 4, &[]);
    assert_eq!(resumed(&record), Some(3));
    assert_eq!(outputs(&project), straight(4));
}

#[test]
fn what_is_left_after_ctrl_c_is_kept() {
    let (project, mail) = (project(), mailbox());
    // Asked to leave, it leaves one more state.
    let leave = "trap 'echo 77 > \"$KILN_STATES/new-2\"; mkdir \"$KILN_STATES/two\"; mv \"$KILN_STATES/new-2\" \"$KILN_STATES/two/sum\"; mv \"$KILN_STATES/two\" \"$KILN_STATES/2\"; exit 9' TERM\n";
    project.edit("train.sh", "sum=0\n", &format!("sum=0\n{leave}"));
    let mut child = start(&project, mail.path(), 1, &["--set", "epochs=4"]);
    assert_eq!(kill(&mut child, Signal::INT), Some(130));
    let said = project.read("stderr");
    assert!(said.contains("epoch 2 is in the cache; the next run goes on from it"), "{said}");
    std::fs::remove_file(mail.path().join("wait-1")).expect("it is there");
    let record = train(&project, 2, &[]);
    assert_eq!(resumed(&record), Some(2));
    assert_eq!(project.read("out/model"), "77\n");
}

#[test]
fn after_ctrl_c_nobody_waits_for_all_states_that_were_left() {
    let mail = mailbox();
    let project = Project::new(
        "
        version: 1
        stages:
          train:
            run: sh train.sh
            with: {steps: 401}
            steps: {parameter: steps}
            env: {pass: [MAIL]}
            inputs: {script: train.sh}
            outputs: {model: out/model}
        ",
    );
    // States that take no time to make, and some to read.
    let script =
        "for step in $(seq 400); do truncate -s 256M $KILN_STATES/new; mv $KILN_STATES/new $KILN_STATES/$step; done
        touch $MAIL/ready; sleep 600\n";
    project.write("train.sh", script);
    let mut command = project.command(&["run"]);
    let stderr = std::fs::File::create(project.root().join("stderr")).expect("create file");
    command.env("KILN_LOG", "kiln=debug").env("MAIL", mail.path()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().expect("start kiln");
    wait_for(&mail.path().join("ready"));
    assert_eq!(kill(&mut child, Signal::INT), Some(130));
    let said = project.read("stderr");
    assert!(said.contains("step 400 is in the cache; the next run goes on from it"), "{said}");
    let kept = (1..=400).filter(|step| said.contains(&format!("step {step} is in the cache"))).count();
    assert!(kept < 400, "{kept}");
}

#[test]
fn a_state_after_millions_of_steps_is_gone_on_from() {
    let project = Project::new(
        "
        version: 1
        params: {steps: 9000000}
        stages:
          walk:
            run: sh walk.sh
            with: {steps: \"${params.steps}\"}
            steps: {parameter: steps}
            inputs: {script: walk.sh}
            outputs: {place: out/place}
        ",
    );
    project.write(
        "walk.sh",
        "echo from $KILN_STEP
        for step in 2500000 5000000 7500000; do
            if [ $step -gt $KILN_STEP ]; then echo $step > $KILN_STATES/new; mv $KILN_STATES/new $KILN_STATES/$step; fi
        done
        cat ${KILN_RESUME-/dev/null} > out/place
        [ $KILN_STEP -gt 0 ] || exit 3\n",
    );
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("step 7500000 is in the cache; the next run goes on from it"), "{}", ran.stderr);
    let plan = project.kiln(&["run", "--dry-run"]).stdout;
    assert!(plan.contains("goes on from step 7500000"), "{plan}");
    let record = project.run(&["--set", "steps=7000000"]);
    assert_eq!(
        (record.stage("walk")["resumed"]["step"].as_u64(), project.read("out/place")),
        (Some(5_000_000), "5000000\n".into())
    );
    let record = project.run(&[]);
    assert_eq!(
        (record.stage("walk")["resumed"]["step"].as_u64(), project.read("out/place")),
        (Some(7_500_000), "7500000\n".into())
    );
}

#[test]
fn a_second_attempt_goes_on() {
    let (project, mail) = (project(), mailbox());
    project.edit("pipeline.yaml", "    env:", "    retries: 1\n    env:");
    std::fs::write(mail.path().join("fail-2"), "").expect("write");
    let mut command = project.command(&["run", "--json", "--set", "epochs=4"]);
    let ran = Ran::from(command.env("MAIL", mail.path()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("attempt 2 of 2") && ran.stderr.contains("resumed at epoch 3 of 4"), "{}", ran.stderr);
    assert_eq!(outputs(&project), straight(4));
}

#[test]
fn another_checkout_goes_on_from_the_cache() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let place = cache.path().join("cache");
    let first = Project::with_cache(PIPELINE, &place);
    first.write("train.sh", SCRIPT);
    train(&first, 3, &[]);
    let second = Project::with_cache(PIPELINE, &place);
    second.write("train.sh", SCRIPT);
    let record = train(&second, 5, &[]);
    assert_eq!(resumed(&record), Some(3));
    assert_eq!(outputs(&second), straight(5));
}

#[test]
fn what_depends_on_the_number_of_steps_starts_over_and_says_why() {
    let project = project();
    project.edit("pipeline.yaml", "unit: epoch,", "unit: epoch, horizon: the cosine schedule,");
    train(&project, 3, &[]);
    let why = "starts over: the cosine schedule depends on `epochs`";
    let plan = project.kiln(&["run", "--dry-run", "--set", "epochs=5"]).stdout;
    assert!(plan.contains(why), "{plan}");
    let five = train(&project, 5, &[]);
    assert_eq!(resumed(&five), None);
    assert!(five.reasons("train").contains(why), "{}", five.reasons("train"));
    // A run that was cut short goes on.
    let mail = mailbox();
    let mut child = start(&project, mail.path(), 6, &["--set", "epochs=8"]);
    kill(&mut child, Signal::KILL);
    std::fs::remove_file(mail.path().join("wait-6")).expect("it is there");
    assert_eq!(resumed(&train(&project, 8, &[])), Some(6));
}

/// The steps whose states are in the cache.
fn kept(project: &Project, up_to: u64) -> Vec<u64> {
    let goes_on = |epochs: u64| {
        let plan = project.kiln(&["run", "--dry-run", "--set", &format!("epochs={epochs}")]).stdout;
        plan.contains(&format!("goes on from epoch {epochs}"))
            || plan.contains(&format!("epoch {epochs} is in the cache"))
    };
    (1..=up_to).filter(|epochs| goes_on(*epochs)).collect()
}

#[test]
fn states_are_thinned_out_to_the_room_that_they_are_given() {
    let project = project();
    project.edit("pipeline.yaml", "unit: epoch,", "unit: epoch, keep: {size: 500kB},");
    let mut command = project.command(&["run", "--set", "epochs=13"]);
    let ran = Ran::from(command.env("SIZE", "100000").output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let bytes = || {
        files(&project.root().join("cache/objects")).iter().map(|f| f.metadata().map_or(0, |m| m.len())).sum::<u64>()
    };
    assert!(bytes() < 600_000, "{}", bytes());
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    // Those that are left out come from the nearest one.
    let twelve = train(&project, 12, &[]);
    assert_eq!(resumed(&twelve), Some(12));
    let eleven = train(&project, 11, &[]);
    assert_eq!(resumed(&eleven), Some(8));
    assert_eq!(outputs(&project), straight(11));
}

#[test]
fn the_best_state_and_every_so_many_th_stay_as_long_as_the_result() {
    let project = project();
    project.edit("pipeline.yaml", "unit: epoch,", "unit: epoch, keep: {size: 0, every: 5, best: {max: loss}},");
    train(&project, 8, &[]);
    let left = |project: &Project| kept(project, 8);
    let expected = vec![1, 5];
    assert_eq!(left(&project), expected, "8 is up to date");
    // Where nothing is young, what no rule names goes.
    let ran = project.kiln(&["gc", "--delete"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(left(&project), expected);
    assert_eq!(resumed(&train(&project, 10, &[])), Some(8));
}

#[test]
fn what_is_no_state_is_told_and_costs_nothing() {
    let project = project();
    project.write(
        "train.sh",
        "mkdir -p $KILN_STATES/1 $KILN_STATES/02 $KILN_STATES/x; mkfifo $KILN_STATES/2; ln -s / $KILN_STATES/3; echo a > $KILN_STATES/4\n\
         mkfifo fifo; rm -f $KILN_METRICS; mv fifo $KILN_METRICS; sleep 0.3; rm $KILN_METRICS; echo '{\"step\": 4}' > $KILN_METRICS; echo 1 > out/model\n",
    );
    let record = project.run(&["--set", "epochs=4"]);
    let said = log(&project, &record);
    // What is wrong with one is mostly wrong with the next: it is told once, and so are names.
    assert_eq!(said.matches(" is not kept").count(), 2, "{said}");
    assert!(said.contains("`02` in KILN_STATES is not kept"), "{said}");
    assert!(said.contains("epoch 2 is not kept"), "{said}");
    // A state may be a file.
    project.write("train.sh", &project.read("train.sh").replace("echo 1 >", "cat ${KILN_RESUME-/dev/null} >"));
    train(&project, 4, &[]);
    assert_eq!(resumed(&train(&project, 5, &[])), Some(4));
    assert_eq!(project.read("out/model"), "a\n");
}

#[test]
fn a_script_that_does_not_look_at_its_state_is_told_so() {
    let project = project();
    project.edit("train.sh", "step=$KILN_STEP", "step=0; sum=0");
    train(&project, 2, &[]);
    let record = train(&project, 3, &[]);
    let said = log(&project, &record);
    assert!(said.contains("it begins anew, and was handed epoch 2: does it look at KILN_RESUME?"), "{said}");
}

#[test]
fn a_state_with_another_name_than_its_number_is_told() {
    for name in ["00$step", "epoch-$step"] {
        let project = project();
        project.edit(
            "train.sh",
            "mv \"$KILN_STATES/new\" \"$KILN_STATES/$step\"",
            &format!("mv \"$KILN_STATES/new\" \"$KILN_STATES/{name}\""),
        );
        let record = train(&project, 3, &[]);
        let said = log(&project, &record);
        let name = name.replace("$step", "1");
        let text = format!(
            "`{name}` in KILN_STATES is not kept: a state is named by the number of its step, from 1 and without zeros before it"
        );
        assert_eq!(said.matches(&text).count(), 1, "{said}");
    }
}

#[test]
fn mistakes_in_steps_are_told_with_their_places() {
    let project = project();
    for (from, to, said) in [
        ("parameter: epochs", "parameter: epoch", "pipeline.yaml:7:24"),
        ("parameter: epochs", "parameter: epoch", "did you mean `epochs`?"),
        ("parameter: epochs, ", "", "name no parameter"),
        ("metrics: curve", "metrics: curves", "has no output `curves`"),
        ("unit: epoch", "unit: two words", "cannot be a unit"),
        ("unit: epoch", "keep: {size: 5}", "`5` is not a size"),
        ("unit: epoch", "keep: {best: loss}", "`best` has to be `{min: METRIC}` or `{max: METRIC}`"),
        ("unit: epoch", "horizon: [1]", "`horizon` has to be"),
        ("unit: epoch", "unite: epoch", "unknown key `unite` in `steps`"),
        (
            "epochs: \"${params.epochs}\"",
            "epochs: ten",
            "`epochs` says how many steps are wanted, so it has to be a whole number",
        ),
        ("env: {pass: [MAIL, SIZE]}", "env: {KILN_STATES: x}", "`KILN_STATES` is reserved"),
    ] {
        project.write("pipeline.yaml", PIPELINE);
        project.edit("pipeline.yaml", from, to);
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{to}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{to}: {}", ran.stderr);
    }
}

#[test]
fn what_lies_behind_a_link_is_left_alone() {
    let (project, mail) = (project(), mailbox());
    let there = mail.path().join("5");
    std::fs::create_dir(&there).expect("create folder");
    std::fs::write(there.join("file"), "somebody's").expect("write");
    project.write(
        "train.sh",
        "rmdir \"$KILN_STATES\"; ln -s \"$MAIL\" \"$KILN_STATES\"; sleep 0.3; echo '{\"step\": 1}' > \"$KILN_METRICS\"; echo 1 > out/model\n",
    );
    let mut command = project.command(&["run", "--json"]);
    let ran = Ran::from(command.env("MAIL", mail.path()).output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let said = log(&project, &ran.record());
    assert!(said.contains("epoch 5 is not kept"), "{said}");
    assert_eq!(std::fs::read_to_string(there.join("file")).expect("it is there"), "somebody's");
}
