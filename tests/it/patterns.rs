//! Input folders by patterns, `.kilnignore`, and files of parameters by keys: what a command finds is what counts.

use crate::project::Project;

const PIPELINE: &str = "\
version: 1
params: params.yaml
stages:
  list:
    run: mkdir out/tree && (cd src && find . | sort) > out/list && cp -R src out/tree/src
    inputs: {code: {path: src, only: [\"**/*.py\", docs/], ignore: [\"**/old/\"]}}
    outputs: {list: out/list, tree: out/tree}
";

fn project(pipeline: &str) -> Project {
    let project = Project::new(pipeline);
    for path in ["a.py", "b.txt", "pkg/c.py", "pkg/old/d.py", "pkg/empty/x.txt", "docs/e.txt", "docs/deep/f.txt"] {
        project.write(&format!("src/{path}"), path);
    }
    project.write("src/pkg/__pycache__/c.pyc", "compiled").write("src/pkg/c.py~", "older");
    project.write("params.yaml", "# theirs\ntrain: {lr: 1e-3, augment: no, name: 'no'}\nseed: 1\nother: 2\n");
    project
}

#[test]
fn a_command_finds_what_the_patterns_name() {
    let project = project(PIPELINE);
    project.run(&[]);
    let expected = ".\n./a.py\n./docs\n./docs/deep\n./docs/deep/f.txt\n./docs/e.txt\n./pkg\n./pkg/c.py\n";
    assert_eq!(project.read("out/list"), expected);
    // What does not count executes nothing, and what does, does.
    project.write("src/b.txt", "other").write("src/pkg/old/d.py", "other").write("src/new.txt", "new");
    project.write("src/pkg/__pycache__/a.pyc", "compiled");
    assert_eq!(project.run(&[]).outcome("list"), "up-to-date");
    project.write("src/pkg/new.py", "new");
    let record = project.run(&[]);
    assert_eq!(record.outcome("list"), "executed");
    assert!(record.reasons("list").contains("new.py"), "{}", record.reasons("list"));
}

#[test]
fn the_pattern_file_of_the_project_holds_for_every_folder() {
    let pipeline = "\
version: 1
stages:
  list:
    run: (cd src && find . | sort) > out/list
    inputs: {code: src}
    outputs: {list: out/list}
";
    let project = project(pipeline);
    project.run(&[]);
    let all = project.read("out/list");
    assert!(all.contains("./b.txt") && !all.contains("pycache") && !all.contains('~'), "{all}");
    project.write(".kilnignore", "# notes\n*.txt\n!/src/docs/e.txt\nsrc/pkg/old/\n");
    project.run(&[]);
    assert_eq!(project.read("out/list"), ".\n./a.py\n./docs\n./docs/e.txt\n./pkg\n./pkg/c.py\n");
    project.write("src/b.txt", "other");
    assert_eq!(project.run(&[]).outcome("list"), "up-to-date");
    // What it was is there again.
    std::fs::remove_file(project.root().join(".kilnignore")).expect("remove");
    project.write("src/b.txt", "b.txt");
    let record = project.run(&[]);
    assert_eq!((record.outcome("list"), project.read("out/list")), ("restored", all));
    project.write(".kilnignore", "a{b\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains(".kilnignore:1:1"), "{}", ran.stderr);
}

#[test]
fn patterns_that_take_nothing_fail_the_stage() {
    let project = project(&PIPELINE.replace("\"**/*.py\", docs/", "\"*.rs\""));
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no file of src fits its patterns"), "{}", ran.stderr);
}

#[test]
fn a_script_that_reads_its_parameters_is_keyed_by_those_it_declares() {
    let pipeline = "\
version: 1
params: params.yaml
profiles: {quick: {params: {train: {lr: 0.5}}}}
stages:
  show:
    run: cp params.yaml out/params.yaml
    inputs: {params: {path: params.yaml, keys: [train, seed]}}
    outputs: {params: out/params.yaml}
";
    let project = project(pipeline);
    project.run(&[]);
    // Some readers of YAML take `no` for a truth value, and others `1e-3` for text: it is as they know it.
    assert_eq!(project.read("out/params.yaml"), "{seed: 1, train: {augment: no, lr: 1e-3, name: \"no\"}}\n");
    project.edit("params.yaml", "# theirs\n", "# another\n").edit("params.yaml", "other: 2", "other: 3");
    assert_eq!(project.run(&[]).outcome("show"), "up-to-date");
    project.edit("params.yaml", "seed: 1", "seed: 2");
    assert_eq!(project.run(&[]).outcome("show"), "executed");
    project.run(&["--profile", "quick", "--set", "seed=7"]);
    assert_eq!(project.read("out/params.yaml"), "{seed: 7, train: {augment: no, lr: 0.5, name: \"no\"}}\n");
}

#[test]
fn a_value_that_is_not_written_is_null() {
    let project = Project::new(
        "
            version: 1
            params: params.yaml
            stages:
              s:
                run: cat params.yaml > out/o
                inputs: {p: {path: params.yaml, keys: [a, train]}}
                outputs: {o: out/o}
        ",
    );
    project.write("params.yaml", "a:\ntrain:\n  resume:\n  flow: {x: , y: 2}\n  list: [1]\n").run(&[]);
    assert_eq!(project.read("out/o"), "{a: null, train: {flow: {x: null, y: 2}, list: [1], resume: null}}\n");
    project.edit("params.yaml", "resume:", "resume: resume");
    assert_eq!(project.run(&[]).outcome("s"), "executed");
    assert!(project.read("out/o").contains("resume: resume"));
    project.edit("pipeline.yaml", "[a, train]", "[]");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`keys` names no key"), "{}", ran.stderr);
}
