//! `kiln run --check-resume`: a training in a single go and one in two halves are compared, and nothing is published.

use crate::project::{Project, Ran, files};

const PIPELINE: &str = "version: 1
params: {epochs: 4}
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  train:
    run: sh train.sh
    with: {epochs: \"${params.epochs}\"}
    steps: {parameter: epochs, unit: epoch, metrics: curve}
    inputs: {script: train.sh, x: {from: first.x}}
    outputs: {model: out/model, curve: {path: out/curve.jsonl, role: series}}
";

/// A state of two files, each of which can be forgotten.
const SCRIPT: &str = "set -eu
weight=0 momentum=0
if [ -n \"${KILN_RESUME-}\" ]; then weight=$(cat \"$KILN_RESUME/weight\"); momentum=$(cat \"$KILN_RESUME/momentum\"); fi
step=$KILN_STEP
while [ \"$step\" -lt \"$KILN_PARAM_epochs\" ]; do
    step=$((step + 1))
    momentum=$((momentum / 2 + step))
    weight=$((weight + momentum))
    echo \"{\\\"step\\\": $step, \\\"loss\\\": $weight}\" >> \"$KILN_METRICS\"
    mkdir \"$KILN_STATES/new\"
    echo $weight > \"$KILN_STATES/new/weight\"; echo $momentum > \"$KILN_STATES/new/momentum\"
    mv \"$KILN_STATES/new\" \"$KILN_STATES/$step\"
done
echo $weight > out/model
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("train.sh", SCRIPT).write("in.txt", "x\n");
    project
}

fn check(project: &Project, args: &[&str], code: i32) -> Ran {
    let ran = project.kiln(&[&["run", "--check-resume", "train"], args].concat());
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    ran
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "`{expected}` in {text}");
    }
}

#[test]
fn a_training_that_goes_on_to_the_same_is_said_to_and_nothing_is_published() {
    let project = project();
    let ran = check(&project, &[], 0);
    says(&ran.stdout, &["train: goes on to the same, 2 + 2 of 4 epochs"]);
    says(
        &ran.stderr,
        &["4 epochs in a single go", "the first 2 epochs", "the other 2 epochs, from the state of epoch 2"],
    );
    assert!(!project.root().join("out/model").exists());
    assert!(files(&project.root().join("cache/tmp")).is_empty(), "nothing is left");
    // What it needs was brought up to date. Of itself there is nothing, and no state to go on from.
    let record = project.run(&[]);
    assert_eq!((record.outcome("first"), record.outcome("train")), ("up-to-date", "executed"));
    assert!(record.stage("train")["resumed"].is_null());
    // Nor does it go on from the states that there are, or change them.
    check(&project, &[], 0);
    assert_eq!(project.run(&[]).outcome("train"), "up-to-date");
}

#[test]
fn what_is_not_put_back_is_named_with_the_first_step_that_lacks_it() {
    let project = project();
    project.edit("train.sh", "; momentum=$(cat \"$KILN_RESUME/momentum\")", "");
    let ran = check(&project, &[], 1);
    says(
        &ran.stdout,
        &[
            "train: does not go on to the same",
            "epoch 3 is the first whose states differ",
            "\n    momentum: from byte 0 on",
            "\n    weight: from byte 0 on",
            "output model",
            "output curve",
            "hint: something that epoch 3 needs is not in the state of epoch 2, or is not put back",
        ],
    );
    let shown = check(&project, &["--json"], 1).json();
    assert_eq!(shown["stages"][0]["state"]["step"], 3, "{shown}");
    assert_eq!(shown["stages"][0]["state"]["files"][0]["file"], "momentum");
    assert_eq!(shown["stages"][0]["outputs"][0]["output"], "curve");
    for log in shown["stages"][0]["logs"].as_array().expect("logs") {
        assert!(std::path::Path::new(log.as_str().expect("a path")).exists(), "{log}");
    }
}

#[test]
fn what_is_in_no_state_shows_in_the_outputs() {
    let project = project();
    project.edit("train.sh", "echo $weight > out/model", "echo $weight from $KILN_STEP > out/model");
    says(
        &check(&project, &[], 1).stdout,
        &["the states are the same", "output model", "hint: an output holds what is in no state"],
    );
}

#[test]
fn steps_that_depend_on_how_many_are_wanted_have_to_say_so() {
    let project = project();
    project.edit("train.sh", "momentum / 2 + step", "momentum / 2 + KILN_PARAM_epochs - step");
    says(
        &check(&project, &[], 1).stdout,
        &["epoch 1 is the first whose states differ", "depends on how many are wanted, which `horizon` says"],
    );
    project.edit("pipeline.yaml", "unit: epoch,", "unit: epoch, horizon: the schedule,");
    // Then the first half is not asked for as such: the training is stopped.
    project.edit("train.sh", "    step=$((step + 1))\n", "    step=$((step + 1))\n    sleep 0.2\n");
    says(&check(&project, &[], 0).stdout, &["goes on to the same"]);
}

#[test]
fn it_is_halved_where_there_is_a_state_and_what_cannot_be_halved_is_told() {
    let project = project();
    says(&check(&project, &["--set", "epochs=1"], 1).stderr, &["train has 1 epoch: to be halved it needs two or more"]);
    project.edit("train.sh", "    mv \"$KILN_STATES/new\"", "    [ $step = 1 ] || [ $step = \"$KILN_PARAM_epochs\" ] || { rm -r \"$KILN_STATES/new\"; continue; }\n    mv \"$KILN_STATES/new\"");
    says(&check(&project, &["--set", "epochs=6"], 0).stdout, &["1 + 5 of 6 epochs"]);
    project.edit("train.sh", "[ $step = 1 ] ||", "");
    says(
        &check(&project, &[], 1).stderr,
        &["it left the state of the last epoch alone, so there is nothing to go on from"],
    );
    project.edit("train.sh", "set -eu", "set -eu; echo broken; exit 3");
    says(&check(&project, &[], 1).stderr, &["train: the straight execution failed", "broken"]);
    let ran = project.kiln(&["run", "--check-resume", "first"]);
    assert_eq!(ran.code, Some(1));
    says(&ran.stderr, &["first is not made of steps", "hint: a command says so by `steps: {parameter: ...}`"]);
    let ran = project.kiln(&["run", "--check-resume", "train", "first"]);
    assert_eq!(ran.code, Some(2));
    says(&ran.stderr, &["`first` says nothing beside `--check-resume`"]);
}

/// States as `torch.save` and `numpy.savez` lay them out, and a pickle, each with one value that is not put back.
const TENSORS: &str = "
import io, json, os, pickle, zipfile
states, resume, wanted = os.environ['KILN_STATES'], os.environ.get('KILN_RESUME'), int(os.environ['KILN_PARAM_epochs'])
step, first, second = int(os.environ['KILN_STEP']), 1, 1
if resume:
    first = json.load(open(resume + '/first.json'))
class Storage: pass
class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ('storage', 'Float', value.name, 'cpu', 1) if isinstance(value, Storage) else None
def storage(name):
    value = Storage()
    value.name = name
    return value
while step < wanted:
    step += 1
    first, second = first + step, second * 3
    new = states + '/new'
    os.mkdir(new)
    json.dump(first, open(new + '/first.json', 'w'))
    pickle.dump({'deep': [first, {'second': second}], 'words': ''.join(['a', 'b'])}, open(new + '/state.pickle', 'wb'), 2)
    with zipfile.ZipFile(new + '/arrays.npz', 'w') as out:
        out.writestr('first.npy', str(first))
        out.writestr('second.npy', str(second))
    with zipfile.ZipFile(new + '/state.pt', 'w') as out:
        index = io.BytesIO()
        Pickler(index, 2).dump({'model': {'net.weight': storage('0')}, 'optimiser': {'state': {0: {'exp_avg': storage('1')}}}})
        out.writestr('state/data.pkl', index.getvalue())
        out.writestr('state/data/0', str(first))
        out.writestr('state/data/1', str(second))
    header = json.dumps({'a': {'dtype': 'U8', 'shape': [1], 'data_offsets': [0, 1]}, 'b': {'dtype': 'U8', 'shape': [1], 'data_offsets': [1, 2]}})
    body = bytes([first % 251, second % 251])
    open(new + '/net.safetensors', 'wb').write(len(header).to_bytes(8, 'little') + header.encode() + body)
    os.rename(new, states + '/' + str(step))
open('out/model', 'w').write(str(first))
open('out/curve.jsonl', 'w').write('{\"step\": 1}')
";

#[test]
fn the_tensor_that_differs_is_named() {
    if !crate::python::python() {
        return;
    }
    let project = project();
    project.edit("pipeline.yaml", "sh train.sh", "python3 train.sh").write("train.sh", TENSORS);
    let ran = check(&project, &[], 1);
    says(
        &ran.stdout,
        &[
            "epoch 3 is the first whose states differ",
            "\n    arrays.npz: second (1 of 2 differ)",
            "\n    net.safetensors: b (1 of 2 differ)",
            "\n    state.pickle: deep[1].second\n",
            "\n    state.pt: optimiser.state[0].exp_avg (1 of 3 differ)",
            "the outputs are the same",
        ],
    );
    assert!(!ran.stdout.contains("first.json"), "{}", ran.stdout);
}
