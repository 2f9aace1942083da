//! `kiln outputs --stale`: what stages that are gone left, and nothing of anybody else's.

use crate::project::Project;

const THREE: &str = "\
version: 1
params: {word: one}
profiles:
  full: {params: {word: full}}
stages:
  keep: {run: \"echo ${params.word} > ${outputs.o}\", outputs: {o: \"out/${params.word}\"}}
  old: {run: mkdir -p out/old; echo a > out/old/a, outputs: {o: out/old}}
  edited: {run: echo e > out/edited, outputs: {o: out/edited}}
  taken: {run: echo t > data/taken, outputs: {o: data/taken}}
";

/// The paths that are listed with these arguments, whether each would stay, and whether it was deleted.
fn stale(project: &Project, args: &[&str]) -> Vec<(String, bool, bool)> {
    let ran = project.kiln(&[&["outputs", "--stale", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let json = ran.json();
    let one = |output: &serde_json::Value| {
        let path = output["path"].as_str().expect("a path").to_owned();
        (path, !output["changed"].is_null(), output["deleted"] == true)
    };
    json["stale"].as_array().expect("stale").iter().map(one).collect()
}

#[test]
fn outputs_of_stages_that_are_gone_are_listed_and_deleted_if_unchanged() {
    let project = Project::new(THREE);
    project.run(&[]);
    // Other overrides give other outputs, which are the same stage's.
    project.run(&["--profile", "full"]);
    project.run(&["--set", "word=set"]);
    assert_eq!(stale(&project, &[]), []);
    assert_eq!(project.kiln(&["outputs", "--stale"]).stdout, "no stale outputs\n");

    // One stage is gone, one is renamed and writes elsewhere, one was edited by hand, and what one made is a source now.
    project.write(
        "pipeline.yaml",
        "version: 1\nparams: {word: one}\nprofiles:\n  full: {params: {word: full}}\nstages:\n  \
         keep: {run: \"echo ${params.word} > ${outputs.o}\", outputs: {o: \"out/${params.word}\"}}\n  \
         next: {run: cat data/taken > out/next, inputs: {i: data/taken}, outputs: {o: out/next}}\n",
    );
    project.write("out/edited", "mine\n").write("out/mine", "mine\n");
    let expected = [("out/edited".into(), true, false), ("out/old".into(), false, false)];
    assert_eq!(stale(&project, &[]), expected);
    let text = project.kiln(&["outputs", "--stale"]).stdout;
    assert!(text.contains("out/old") && text.contains("stays: Kiln did not make it"), "{text}");
    assert!(text.contains("--delete"), "{text}");
    assert!(project.root().join("out/old/a").exists());

    assert_eq!(stale(&project, &["--delete"]), [("out/edited".into(), true, false), ("out/old".into(), false, true)]);
    assert!(!project.root().join("out/old").exists());
    for (path, text) in
        [("out/edited", "mine\n"), ("out/mine", "mine\n"), ("data/taken", "t\n"), ("out/full", "full\n")]
    {
        assert_eq!(project.read(path), text);
    }
    assert_eq!(project.run(&[]).with("executed"), ["next"]);
}

#[test]
fn another_pipeline_files_outputs_are_not_stale_as_long_as_it_is_there() {
    let one = |path: &str| format!("version: 1\nstages:\n  a: {{run: echo > {path}, outputs: {{o: {path}}}}}\n");
    let project = Project::new(&one("out/sub/a"));
    project.write("other.yaml", &one("out/other"));
    project.run(&[]);
    assert_eq!(project.kiln(&["run", "other.yaml"]).code, Some(0));
    assert_eq!(stale(&project, &[]), []);
    std::fs::remove_file(project.root().join("other.yaml")).expect("remove");
    assert_eq!(stale(&project, &[]), [("out/other".into(), false, false)]);
    project.write("pipeline.yaml", &one("out/b"));
    assert_eq!(stale(&project, &["-y"]).len(), 2);
    assert!(!project.root().join("out").exists(), "a folder that is empty then goes too");
}

#[test]
fn what_the_pipeline_needs_in_another_way_stays() {
    // What stages once made, and the pipeline takes otherwise now: a program, parameters, patterns, and the target of a link.
    let project = Project::new(
        "
        version: 1
        stages:
          make:
            run: |
              mkdir -p bin conf store
              echo 'cat in > \"$1\"' > bin/tool.sh; echo 'n: 1' > conf/p.yaml; echo '*.tmp' > .kilnignore; echo d > store/data; echo > rest
            outputs: {tool: bin/tool.sh, conf: conf/p.yaml, ignore: .kilnignore, data: store/data, rest: rest}
        ",
    );
    project.run(&[]);
    std::os::unix::fs::symlink("store/data", project.root().join("in")).expect("link");
    project.write(
        "pipeline.yaml",
        "version: 1\nparams: conf/p.yaml\nstages:\n  use: {run: sh bin/tool.sh out/copy, inputs: {in: in}, guard: warn, outputs: {x: out/copy}}\n",
    );
    let listed = stale(&project, &["--delete"]);
    let deleted: Vec<&str> = listed.iter().filter(|(_, _, deleted)| *deleted).map(|(path, ..)| path.as_str()).collect();
    assert_eq!(deleted, ["rest"], "{listed:?}");
    for path in ["bin/tool.sh", "conf/p.yaml", ".kilnignore", "store/data"] {
        assert!(project.root().join(path).exists(), "{path}");
    }
    let text = project.kiln(&["outputs", "--stale"]).stdout;
    assert!(text.contains("bin/tool.sh") && text.contains("stays: `pipeline.yaml` names it"), "{text}");
}
