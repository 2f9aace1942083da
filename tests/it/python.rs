//! The Python module: scripts that use it go on within Kiln, and write the same without it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::project::{Project, Ran, Record};

const SCRIPT: &str = "
import json, random, time
import kiln

class Counted:
    def __init__(self):
        self.sum, self.rng = 0.0, random.Random(5)

class Own:
    def __init__(self):
        self.steps = 0
    def state_dict(self):
        raise AssertionError('it saves itself')
    def save(self, folder):
        (folder / 'own.json').write_text(json.dumps(self.steps))
    def load(self, folder):
        self.steps = json.loads((folder / 'own.json').read_text())

random.seed(3)
p = kiln.params(epochs=2, rate=0.5, deep={'wide': 1})
assert p.deep.wide == 1 and p['rate'] == p.rate
counted, seen = Counted(), []
for epoch in kiln.steps(p.epochs, {'counted': counted, 'seen': seen}):
    assert kiln.step() == epoch
    print('began', epoch, flush=True)
    counted.sum += p.rate * counted.rng.random() + random.random()
    seen.append(epoch)
    kiln.log(loss=1 / (1 + counted.sum), odd=float('nan'))
    time.sleep(PAUSE)
text = kiln.inputs['words'].read_text() + str(len(kiln.inputs.all('words')))
kiln.outputs['model'].write_text(json.dumps([counted.sum, seen, text]))
";

const PIPELINE: &str = "version: 1
params: {epochs: 3}
stages:
  train:
    run: python3 train.py
    with: {epochs: \"${params.epochs}\", rate: 0.25}
    steps: {parameter: epochs, unit: epoch, metrics: curve}
    env: {pass: [PYTHONPATH]}
    inputs: {script: train.py, words: words.txt}
    outputs: {model: out/deep/model.json, curve: {path: out/curve.jsonl, role: series}}
";

/// Where the module's source is, of which Python finds it.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/src")
}

/// A Python in the environment of the tests: CI has one.
pub(crate) fn python() -> bool {
    let there = Command::new("python3").arg("-c").arg("0").status().is_ok_and(|status| status.success());
    assert!(there || std::env::var_os("CI").is_none(), "there is no python3 to test the module with");
    if !there {
        eprintln!("SKIPPED: there is no python3");
    }
    there
}

fn project(pause: &str) -> Project {
    let project = Project::new(PIPELINE);
    project.write("train.py", &SCRIPT.replace("PAUSE", pause)).write("words.txt", "some words");
    project
}

fn command(project: &Project, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env("PYTHONPATH", source());
    command
}

fn run(project: &Project, epochs: u32) -> Record {
    let ran = command(project, &["run", "--json", "--set", &format!("epochs={epochs}")]).output().expect("start kiln");
    let ran = Ran::from(ran);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.record()
}

fn outputs(project: &Project) -> (String, String) {
    (project.read("out/deep/model.json"), project.read("out/curve.jsonl"))
}

#[test]
fn a_script_goes_on_and_gives_the_same_as_one_that_was_never_stopped() {
    if !python() {
        return;
    }
    let (halves, whole) = (project("0"), project("0"));
    run(&halves, 2);
    let record = run(&halves, 5);
    assert_eq!(record.stage("train")["resumed"]["step"], 2);
    run(&whole, 5);
    assert_eq!(outputs(&halves), outputs(&whole));
    assert!(halves.read("out/deep/model.json").ends_with("[1, 2, 3, 4, 5], \"some words1\"]"));
    run(&halves, 4);
    run(&project("0"), 4);
}

#[test]
fn one_that_is_killed_at_any_moment_goes_on() {
    if !python() {
        return;
    }
    let (project, whole) = (project("0.02"), project("0.02"));
    // A prime number of milliseconds later each time.
    for moment in [150, 311, 97, 233] {
        let mut child = command(&project, &["run", "--set", "epochs=40"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start kiln");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = rustix::process::kill_process(Pid::from_child(&child), Signal::KILL);
        child.wait().expect("wait for kiln");
    }
    run(&project, 40);
    run(&whole, 40);
    assert_eq!(outputs(&project), outputs(&whole));
}

#[test]
fn a_step_is_finished_before_the_script_leaves() {
    if !python() {
        return;
    }
    let project = project("0.7");
    project.edit("pipeline.yaml", "    env:", "    timeout: {after: 1h, grace: 10m}\n    env:");
    let mut command = command(&project, &["run", "--set", "epochs=99"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    let deadline = Instant::now() + Duration::from_secs(120);
    while !project.kiln(&["log", "train"]).stdout.contains("began 2") {
        assert!(Instant::now() < deadline, "it never began");
    }
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT).expect("interrupt");
    let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let log = project.kiln(&["log", "train"]).stdout;
    let begun = log.lines().rev().find_map(|line| line.strip_prefix("began ")).expect("a step");
    assert!(ran.stderr.contains(&format!("epoch {begun} is in the cache; the next run")), "{begun}: {}", ran.stderr);
}

#[test]
fn without_kiln_a_script_writes_the_same_files() {
    if !python() {
        return;
    }
    let project = project("0");
    run(&project, 3);
    let within = outputs(&project);
    std::fs::remove_dir_all(project.root().join("out")).expect("remove the outputs");
    let program = Path::new(env!("CARGO_BIN_EXE_kiln")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let plain = |folder: &Path, script: &str, path: &str| {
        let mut command = Command::new("python3");
        command.arg(script).current_dir(folder).env("PYTHONPATH", source()).env("PATH", path).env_remove("KILN_CACHE");
        let output = command.output().expect("start python3");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(plain(project.root(), "train.py", &path), (true, String::new()));
    assert_eq!(outputs(&project), within);
    // Again, from another folder: nothing is added to what was there.
    let beside = project.root().join("out/deep");
    assert_eq!(plain(&beside, "../../train.py", &path), (true, String::new()));
    assert_eq!(outputs(&project), within);
    // Where nothing is known, that is said.
    project.edit("pipeline.yaml", "python3 train.py", "python3 other.py");
    let (_, said) = plain(project.root(), "train.py", &path);
    assert!(said.contains("the stage has no input 'words'") && said.contains("no stage runs train.py"), "{said}");
}

/// Puts what a training of three steps has left into fresh objects of all kinds.
const OBJECTS: &str = "
import collections, os, random, sys
import kiln

class Plain: pass
class Slots: __slots__ = ('x',)

def fresh():
    plain = Plain()
    plain.x = [0]
    return {'count': 0, 'list': [1], 'dict': collections.defaultdict(list), 'queue': collections.deque(maxlen=2), 'set': set(),
            'plain': plain, 'tuple': (1,), 'random': random.Random(1), 'none': None}

folder = sys.argv[1]
os.environ.update(KILN_STATES=folder, KILN_OUTPUTS='{}')
one = fresh()
for step in kiln.steps(3, one):
    one['count'] += 1
    one['tuple'] += (step,)
    one['none'] = 'some'
    for name in ['list', 'queue']:
        one[name].append(step)
    one['dict']['k'].append(step)
    one['set'].add(step)
    one['plain'].x.append(step)
    one['random'].random()
os.environ.update(KILN_STEP='3', KILN_RESUME=folder + '/3')
two = fresh()
queue = two['queue']
assert list(kiln.steps(3, two)) == []
assert two['queue'] is queue and queue.maxlen == 2
one['plain'], two['plain'] = one['plain'].x, two['plain'].x
one['random'], two['random'] = one['random'].getstate(), two['random'].getstate()
assert one == two, (one, two)
for state, advice in [(5, 'Hand over a dict that has it'), (Slots(), 'Use save= and load='), ({'x': Slots()}, 'Use save=')]:
    try:
        next(kiln.steps(4, state))
    except TypeError as why:
        assert 'into which nothing can be put back' in str(why) and advice in str(why), why
    else:
        raise AssertionError(state)
";

#[test]
fn what_was_saved_is_put_back_into_objects_of_all_kinds_or_refused_at_once() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("python3");
    command.arg("-c").arg(OBJECTS).arg(folder.path()).env("PYTHONPATH", source());
    let output = command.output().expect("start python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_wheel_brings_the_program_and_the_module_and_needs_no_compiler() {
    if !python() {
        return;
    }
    // The recipe of the real one differs in how the program is built.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let run = |command: &mut Command| {
        let output = command.output().expect("start");
        let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}{why}");
        said.into_owned()
    };
    let program = env!("CARGO_BIN_EXE_kiln");
    let mut pack = Command::new("python3");
    let wheel = run(pack.arg(here.join("pack.py")).arg(program).arg(folder.path()).args(["--level", "1"]));
    let said = run(Command::new(here.join("try-wheel.sh")).args([wheel.trim(), "3600"]));
    assert!(said.ends_with("the wheel is good\n"), "{said}");
}
