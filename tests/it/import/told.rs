//! What an import says: what does not carry over, and mistakes.

use super::{checked, import, project};
use crate::project::Project;

#[test]
fn what_does_not_carry_over_is_told_with_its_place() {
    let project = project("odd");
    let ran = import(&project, &[]);
    let expected = [
        "dvc.yaml:2:3: `fetch` is frozen: it is commented out, and what it wrote is a source",
        "dvc.yaml:25:7: `persist` of `log.txt`: the command finds no earlier one",
        "dvc.yaml:16:3: `say` has no outputs, so it leaves the empty file `out/done/say`",
        "dvc.yaml:42:7: `pieces/a` is taken with all of `pieces`, which a stage writes as a whole",
        "data/tracked.txt.dvc:2:3: `data/tracked.txt` was put in place from DVC's cache",
    ];
    for expected in expected {
        assert!(ran.stderr.contains(expected), "no `{expected}` in\n{}", ran.stderr);
    }
    assert_eq!(project.read("data/tracked.txt"), "one\r\ntwo\r\n");
    assert_eq!(project.read("fetched.txt"), "fetched\n");
    let text = project.read("pipeline.yaml");
    assert!(text.contains("  # fetch:\n  #   run: echo fetched > fetched.txt\n"), "{text}");
    assert!(text.contains("      - sh\n      - -c\n"), "{text}");
    // Of two entries the lock shows that they may be no record.
    assert!(ran.stdout.contains("adopted 4 results of 6 from DVC"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(
            "to be executed: drop: it was made with the dependency `extra.txt`, which dvc.yaml no longer names"
        ),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("to be executed: keep: `log.txt` is kept between runs"), "{}", ran.stdout);
    let again = import(&project, &["--trust"]);
    assert!(again.stdout.contains("pipeline.yaml is what it was"), "{}", again.stdout);
    assert!(again.stdout.contains("adopted 6 results from DVC"), "{}", again.stdout);
    let run = project.run(&[]);
    assert_eq!(run.with("executed"), Vec::<String>::new());
    // What was only in DVC's cache is put in place.
    assert_eq!(project.read("pieces/b"), "2\n");
    assert_eq!(project.read("sub/lines.txt"), "2\n");
}

#[test]
fn what_has_no_counterpart_is_lost_aloud() {
    let (text, told) = checked(
        "stages:\n  a:\n    cmd: git log > a.txt\n    deps: [s3://b/x, /abs, gone.txt]\n    always_changed: true\n    meta: {x: 1}\n    outs:\n      - a.txt:\n          push: false\n    metrics: [m.yaml]\n    plots:\n      - p.json:\n          template: confusion\nplots:\n  - elsewhere.csv\nartifacts:\n  best: {path: a.txt}\n",
        &[],
    );
    for expected in [
        "dvc.yaml:4:12: `s3://b/x` is not in the project",
        "dvc.yaml:4:22: `/abs` is an absolute path",
        "dvc.yaml:4:28: `gone.txt` is not there",
        "dvc.yaml:2:3: `a` runs at every `dvc repro`",
        "dvc.yaml:6:11: `meta` of `a` is not kept",
        "dvc.yaml:9:11: `push` of `a.txt` says where DVC pushes it",
        "dvc.yaml:10:15: the metrics in `m.yaml` are kept and not read",
        "dvc.yaml:13:11: `template` of the plot `p.json`",
        "dvc.yaml:12:9: the plot `p.json` is kept and not drawn",
        "dvc.yaml:15:5: `elsewhere.csv` under `plots` is no output of a stage",
        "dvc.yaml:17:3: the artifact `best` is not kept",
        "dvc.yaml:3:10: the command calls `git`",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
    assert!(text.contains("      gone: gone.txt\n"), "{text}");
}

#[test]
fn metrics_in_a_folder_that_a_stage_writes_are_those_of_the_folder() {
    let (text, told) = checked(
        "stages:\n  a:\n    cmd: python3 train.py\n    deps: [train.py]\n    outs: [eval, model]\nmetrics:\n  - eval/metrics.json\n  - eval/deep/other.json\n",
        &[("train.py", "")],
    );
    assert!(text.contains("eval: {path: eval, role: metrics}"), "{text}");
    assert!(!told.contains("`eval/metrics.json`"), "{told}");
    assert!(told.contains("dvc.yaml:8:5: `eval/deep/other.json` under `metrics` is no output of a stage"), "{told}");
}

#[test]
fn mistakes_have_their_places() {
    let project = Project::new("");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!((ran.code, ran.stderr.contains("there is no dvc.yaml")), (Some(2), true), "{}", ran.stderr);
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: echo ${lr}\n");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("dvc.yaml:3:10: could not find `lr`"), "{}", ran.stderr);
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    dep: [y]\n");
    assert!(project.kiln(&["import", "dvc"]).stderr.contains("dvc.yaml:4:5: unknown key `dep` in stage `a`"));
    project.write("dvc.yaml", "stages: [\n");
    assert!(project.kiln(&["import", "dvc"]).stderr.contains("this is not YAML"));
}

#[test]
fn projects_in_folders_are_named() {
    let project = Project::new("");
    project.write("a/.dvc/config", "").write("a/dvc.yaml", "stages:\n  s: {cmd: echo 1 > o, outs: [o]}\n");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hint: `a` is a project of DVC's: `kiln import dvc a`"), "{}", ran.stderr);
    let ran = project.kiln(&["import", "dvc", "a"]);
    assert!(ran.stdout.contains("1 stage of DVC's"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn persist_is_told_by_what_it_was_for() {
    let (_, told) = checked(
        "stages:\n  get: {cmd: echo 1 > o, outs: [{o: {persist: true}}]}\n  \
         train: {cmd: train, deps: [in], params: [train.epochs], outs: [{model: {persist: true}}]}\n",
        &[("in", ""), ("params.yaml", "train: {epochs: 3}\n")],
    );
    assert!(told.contains("`persist` of `o` has no say: nothing that the stage takes can change"), "{told}");
    assert!(told.contains("dvc.yaml:3:67: `persist` of `model`: the command finds no earlier one"), "{told}");
    assert!(told.contains("hand `train.epochs` over in `with` and declare `steps: {parameter: epochs}`"), "{told}");
}
