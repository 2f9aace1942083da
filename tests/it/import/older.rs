//! What earlier versions of DVC wrote, and what comes from Windows.

use super::{checked, import};
use crate::project::Project;

/// MD5 of "1\n", and of the same with the line end of Windows.
const ONE: &str = "b026324c6904b2a9cb4b88d6d61c81d1";
const ONE_OF_WINDOWS: &str = "a5ea0ad9260b1550a14cc58d2c39b03d";

fn bare() -> Project {
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project
}

#[test]
fn stages_in_files_of_their_own_move_in() {
    let project = bare();
    project.write("in", "1\n").write("made", "1\n").write("sub/n.json", "{\"n\": 1}\n").write("last", "lr: 0.1\n1\n");
    project.write("params.yaml", "lr: 0.1\nother: 1\n");
    project.write(
        "prepare.dvc",
        &format!(
            "md5: 0\ncmd: cat in > made\nwdir: .\ndeps:\n- md5: {ONE}\n  path: in\nouts:\n- md5: {ONE}\n  path: made\n  \
             cache: true\n  metric: false\n  persist: false\n"
        ),
    );
    project.write(
        "sub/count.dvc",
        &format!(
            "cmd: |\n  printf '{{\"n\": ' > n.json\n  echo \"$(grep -c . < ../made)}}\" >> n.json\nwdir: .\ndeps:\n- md5: {ONE}\n  \
             path: ../made\nouts:\n- md5: b1d1ee6db4a7a9c3150ed9c41ed4c891\n  path: n.json\n  cache: false\n  metric: true\n"
        ),
    );
    project.write(
        "Dvcfile",
        &format!(
            "cmd: tr -d '{{}}' < params.yaml | grep lr > last; cat made >> last\ndeps:\n- md5: {ONE}\n  path: made\n- path: params.yaml\n  \
             params:\n    lr: 0.1\nouts:\n- md5: b6b18addb8edab55f4fae11df5222940\n  path: last\n"
        ),
    );
    // Data is no stage.
    project.write("in.dvc", &format!("outs:\n- md5: {ONE}\n  path: in\n"));
    let ran = import(&project, &[]);
    assert!(ran.stdout.contains("3 stages of DVC's\nadopted 3 results from DVC"), "{}{}", ran.stdout, ran.stderr);
    let run = project.run(&[]);
    assert_eq!(run.with("executed"), Vec::<String>::new());
    assert_eq!(run.stage("count")["metrics"]["n"].as_f64(), Some(1.0));
    project.edit("params.yaml", "other: 1", "other: 2");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    project.edit("params.yaml", "lr: 0.1", "lr: 0.2");
    assert_eq!(project.run(&[]).with("executed"), ["Dvcfile"]);
    assert_eq!(project.read("last"), "lr: 0.2\n1\n");
    project.write("in", "2\n2\n");
    assert_eq!(project.run(&[]).with("executed"), ["Dvcfile", "count", "prepare"]);
    assert_eq!(project.read("sub/n.json"), "{\"n\": 2}\n");
    // What its file says is the lock.
    project.write("made", "by hand\n");
    let ran = project.kiln(&["import", "dvc", "--check"]);
    let why = "to be executed: prepare: its dependency `in` is not what prepare.dvc says";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
}

#[test]
fn a_lock_of_dvc_1_is_read() {
    let project = bare();
    project
        .write("in", "1\n")
        .write("o", "1\n")
        .write("dvc.yaml", "stages:\n  a: {cmd: cat in > o, deps: [in], outs: [o]}\n");
    project.write(
        "dvc.lock",
        &format!(
            "a:\n  cmd: cat in > o\n  deps:\n  - path: in\n    md5: {ONE}\n  outs:\n  - path: o\n    md5: {ONE}\n"
        ),
    );
    assert!(import(&project, &[]).stdout.contains("adopted 1 result from DVC"));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    project.write("dvc.lock", "a: 1\n");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!(
        (ran.code, ran.stderr.contains("dvc.lock:1:1: this is no lock of DVC's")),
        (Some(2), true),
        "{}",
        ran.stderr
    );
}

#[test]
fn live_of_dvc_2_is_an_output() {
    let (text, told) = checked(
        "stages:\n  train:\n    cmd: train\n    outs: [model]\n    live:\n      training:\n        summary: true\n        html: true\n",
        &[],
    );
    assert!(text.contains("      model: model\n      training: training\n"), "{text}");
    assert!(
        told.contains("dvc.yaml:6:7: `live` is of DVC 2, and DVC 3 refuses it: the folder `training` is an output"),
        "{told}"
    );
}

#[test]
fn line_ends_of_windows_are_a_doubt() {
    let project = bare();
    project
        .write("in", "1\n")
        .write("o", "1\n")
        .write("dvc.yaml", "stages:\n  a: {cmd: cat in > o, deps: [in], outs: [o]}\n");
    let path =
        |path: &str| format!("    - path: {path}\n      hash: md5\n      md5: {ONE_OF_WINDOWS}\n      size: 3\n");
    project.write(
        "dvc.lock",
        &format!(
            "schema: '2.0'\nstages:\n  a:\n    cmd: cat in > o\n    deps:\n{}    outs:\n{}",
            path("in"),
            path("o")
        ),
    );
    let ran = import(&project, &[]);
    let why =
        "to be executed: a: `o` is what dvc.lock says but for its line ends, which were those of Windows; `in` is";
    assert!(ran.stdout.contains(why) && ran.stdout.contains("`--trust` takes it over"), "{}", ran.stdout);
    assert!(import(&project, &["--trust"]).stdout.contains("adopted 1 result from DVC"));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
}

#[test]
fn a_dependency_that_is_a_url_is_a_doubt() {
    let project = bare();
    project
        .write("o", "1\n")
        .write("dvc.yaml", "stages:\n  a: {cmd: fetch, deps: ['http://localhost/x'], outs: [o]}\n");
    project.write(
        "dvc.lock",
        &format!(
            "schema: '2.0'\nstages:\n  a:\n    cmd: fetch\n    deps:\n    - path: http://localhost/x\n      hash: checksum\n      \
             checksum: '\"1\"'\n      size: 2\n    outs:\n    - path: o\n      hash: md5\n      md5: {ONE}\n      size: 2\n"
        ),
    );
    let ran = import(&project, &[]);
    let why = "to be executed: a: nobody looked whether `http://localhost/x` is still what it was\n    `--trust`";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    assert!(import(&project, &["--trust"]).stdout.contains("adopted 1 result from DVC"));
}

#[test]
fn a_pattern_of_a_parameter_is_the_key_that_it_means() {
    let project = bare();
    project.write("params.yaml", "d:\n  moons: {n: 1}\n  circles: {n: 2}\n").write("o", "1\n");
    project.write("dvc.yaml", "stages:\n  a: {cmd: echo 1 > o, params: ['d.moon*'], outs: [o]}\n");
    project.write(
        "dvc.lock",
        &format!(
            "schema: '2.0'\nstages:\n  a:\n    cmd: echo 1 > o\n    params:\n      params.yaml:\n        d.moon*:\n          n: 1\n    \
             outs:\n    - path: o\n      hash: md5\n      md5: {ONE}\n      size: 2\n"
        ),
    );
    let ran = import(&project, &[]);
    assert!(ran.stdout.contains("adopted 1 result from DVC"), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("`d.moon*` of `params.yaml` is written as `d.moons`, which it means now"),
        "{}",
        ran.stderr
    );
    assert!(project.read("pipeline.yaml").contains("keys: [d.moons]"));
    project.edit("params.yaml", "n: 2", "n: 3");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    project.edit("params.yaml", "n: 1", "n: 3");
    assert_eq!(project.run(&[]).with("executed"), ["a"]);
}

#[test]
fn a_parameter_of_another_type_is_taken_only_if_that_is_trusted() {
    let project = bare();
    project.write("params.yaml", "n: 1\n").write("o", "1\n");
    project.write("dvc.yaml", "stages:\n  a: {cmd: echo 1 > o, params: [n], outs: [o]}\n");
    // As DVC leaves the lock when `true` is edited to `1`: to it nothing has changed.
    project.write(
        "dvc.lock",
        &format!(
            "schema: '2.0'\nstages:\n  a:\n    cmd: echo 1 > o\n    params:\n      params.yaml:\n        n: true\n    \
             outs:\n    - path: o\n      hash: md5\n      md5: {ONE}\n      size: 2\n"
        ),
    );
    let ran = import(&project, &[]);
    let told =
        "the parameter `n` of `params.yaml` is of another type than it was: DVC takes 1, 1.0 and true for one value";
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(told) && !said.contains("adopted 1 result"), "{said}");
    let ran = import(&project, &["--trust", "--force-overwrite"]);
    assert!(ran.stdout.contains("adopted 1 result from DVC"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_truth_value_of_a_list_elsewhere_is_called_as_in_python() {
    let project = bare();
    project.write("params.yaml", "flags: [true]\n").write("o-true", "1\n");
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    foreach: ${flags}\n    do: {cmd: 'echo 1 > o-${item}', outs: ['o-${item}']}\n",
    );
    project.write(
        "dvc.lock",
        &format!(
            "schema: '2.0'\nstages:\n  a@True:\n    cmd: echo 1 > o-true\n    outs:\n    - path: o-true\n      hash: md5\n      \
             md5: {ONE}\n      size: 2\n"
        ),
    );
    let ran = import(&project, &[]);
    assert!(ran.stdout.contains("adopted 1 result from DVC"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
}

#[test]
fn a_mapping_that_a_command_finds_in_another_order_is_named() {
    let project = bare();
    project.write("params.yaml", "net:\n  stem: 32\n  body: 64\nsorted:\n  a: 1\n  b: [2, 1]\n");
    project.write("dvc.yaml", "stages:\n  a: {cmd: cp params.yaml o, params: [net, sorted], outs: [o]}\n");
    let ran = import(&project, &[]);
    let told = "the command finds the mapping `net` of `params.yaml` in alphabetical order";
    assert!(ran.stderr.contains(told) && !ran.stderr.contains("mapping `sorted`"), "{}", ran.stderr);
    project.run(&[]);
    let (body, stem) = (project.read("o").find("body"), project.read("o").find("stem"));
    assert!(body.is_some() && body < stem, "{}", project.read("o"));
}

#[test]
fn data_that_was_not_pulled_is_named_with_its_file() {
    let project = bare();
    project.write("data/raw.dvc", &format!("outs:\n- md5: {ONE}\n  path: raw\n"));
    project.write("dvc.yaml", "stages:\n  a: {cmd: cat data/raw > o, deps: [data/raw], outs: [o]}\n");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hint: `data/raw.dvc` says what it is: `dvc pull`"), "{}", ran.stderr);
    let again = "no result was taken over yet; when this is mended, `kiln import dvc` again does it";
    assert!(ran.stderr.contains(again), "{}", ran.stderr);
    project.write("data/raw", "1\n");
    import(&project, &[]);
}
