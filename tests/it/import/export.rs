//! The way back: `kiln export dvc`.

use super::{import, project};
use crate::project::Project;

#[test]
fn an_export_is_what_lies_in_the_project() {
    let project = project("study");
    let before = project.read("dvc.lock");
    import(&project, &[]);
    project.run(&[]);
    let ran = project.kiln(&["export", "dvc"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "wrote dvc.lock: 7 stages\n"), "{}", ran.stderr);
    // As DVC writes it, but for how YAML quotes the command of several lines.
    let said = |text: &str| -> Vec<String> {
        let command = |line: &&str| line.starts_with("    ") && !line.contains("cmd: \"");
        text.lines().filter(command).map(str::to_owned).filter(|line| line.contains(": ")).collect()
    };
    let facts = |text: &str| -> Vec<String> {
        said(text)
            .into_iter()
            .filter(|line| line.contains("md5") || line.contains("size") || line.contains("train."))
            .collect()
    };
    assert_eq!(facts(&project.read("dvc.lock")), facts(&before));
    assert!(facts(&before).len() > 30, "it has looked");
    let object = project.root().join(".dvc/cache/files/md5/68/fe702f4208ec4f64dc2072df29745a.dir");
    assert!(object.is_file(), "DVC's cache has what is not `cache: false`");
    // An import of what was exported takes all of it over.
    std::fs::remove_dir_all(project.root().join("cache")).expect("remove");
    assert!(import(&project, &[]).stdout.contains("adopted 7 results"));
}

#[test]
fn a_pipeline_without_dvc_is_exported_whole() {
    let project = Project::new(
        r#"
            version: 1
            params: {n: 2}
            stages:
              a:
                matrix: {x: [1, 2]}
                run: seq ${params.n} > out/${matrix.x}.txt
                outputs: {o: 'out/${matrix.x}.txt'}
              b:
                run: |
                  cat out/1.txt out/2.txt > all.txt
                  echo '{"n": 4}' > m.json
                inputs: {o: {from: "a[*].o"}}
                outputs: {all: all.txt, m: {path: m.json, role: metrics}}
        "#,
    );
    project.run(&[]);
    let ran = project.kiln(&["export", "dvc"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "wrote dvc.yaml\nwrote dvc.lock: 3 stages\n"),
        "{}",
        ran.stderr
    );
    let text = project.read("dvc.yaml");
    assert!(text.contains("  a-1:\n    cmd:\n    - |-\n      set -eu\n      export KILN_ARG_0_params_n=2\n"), "{text}");
    assert!(text.contains("    metrics:\n    - m.json:\n        cache: false\n"), "{text}");
    // What it wrote it writes again; what somebody edited it does not.
    assert_eq!(project.kiln(&["export", "dvc"]).stdout, "wrote dvc.yaml\nwrote dvc.lock: 3 stages\n");
    project.edit("dvc.yaml", "  a-1:", "  a-one:");
    assert_eq!(project.kiln(&["export", "dvc"]).stdout, "wrote dvc.lock: 3 stages\n");
}

#[test]
fn what_is_not_in_place_keeps_its_entry() {
    let project = project("study");
    import(&project, &[]);
    project.run(&[]);
    let before = project.read("dvc.lock");
    std::fs::remove_file(project.root().join("model.txt")).expect("remove");
    let ran = project.kiln(&["export", "dvc"]);
    // `train` has to be put back; `evaluate` takes what it wrote.
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (
            Some(0),
            "wrote dvc.lock: 5 stages\n\
             1 stage not up to date, of which the locks say what they said before; `kiln run` first\n\
             1 stage up to date without what it takes in place, of which the locks say what they said before; `kiln run` first\n"
        ),
        "{}",
        ran.stderr
    );
    let contents = |text: &str| -> Vec<String> {
        let mut lines: Vec<String> = text.lines().filter(|line| line.contains("md5: ")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(contents(&project.read("dvc.lock")), contents(&before));
    project.run(&[]);
    assert_eq!(project.kiln(&["export", "dvc"]).stdout, "wrote dvc.lock: 7 stages\n");
}
