//! A second import.

use std::process::Command;

use super::{import, project};
use crate::project::{Project, Ran};

fn git(project: &Project, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]).args(args);
    let done = command.current_dir(project.root()).output().expect("git");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// An import that has to end with a code.
fn ends(project: &Project, args: &[&str], code: i32) -> Ran {
    let ran = project.kiln(&[&["import", "dvc"], args].concat());
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn a_file_that_nobody_edited_is_written_again() {
    let project = project("study");
    import(&project, &[]);
    project.edit("dvc.yaml", "sh src/train.sh > model.txt", "sh src/train.sh  > model.txt");
    let again = import(&project, &[]);
    let expected = "wrote pipeline.yaml again: 7 stages of DVC's\nchanged in DVC's files, and taken over:\n  \
                    pipeline.yaml:20:5: train: `run`\n    -run: sh src/train.sh > model.txt\n    +run: sh src/train.sh  > model.txt\n";
    assert!(again.stdout.starts_with(expected), "{}", again.stdout);
    assert!(again.stdout.contains("to be executed: train: its command is not the one in dvc.lock"), "{}", again.stdout);
}

#[test]
fn what_dvc_changed_is_merged_into_what_somebody_edited() {
    let project = project("study");
    import(&project, &[]);
    project.run(&[]);
    // Edits of the file: a comment, a time limit, another command, one more stage.
    project
        .edit("pipeline.yaml", "  # Cut the data in two.", "  # Cut the data in two parts.")
        .edit(
            "pipeline.yaml",
            "    run: sh src/train.sh > model.txt\n",
            "    # Slow.\n    run: sh src/train.sh > model.txt  # alone\n    timeout: 1h\n",
        )
        .edit("pipeline.yaml", "cat model.txt out/red.txt > /dev/null", "cat out/red.txt model.txt > /dev/null")
        .edit("pipeline.yaml", "      red: out/red.txt", "      scarlet: out/red.txt")
        .edit(
            "pipeline.yaml",
            "  evaluate:\n",
            "  mine:\n    run: echo 1 > mine.txt\n    outputs: {m: mine.txt}\n  evaluate:\n",
        );
    // Of DVC's files: a command, a dependency, one more stage.
    project
        .edit("dvc.yaml", "sh src/train.sh > model.txt", "sh src/train.sh  > model.txt")
        .edit("dvc.yaml", "      - out/red.txt\n    metrics", "      - out/red.txt\n      - out/blue.txt\n    metrics")
        .edit(
            "dvc.yaml",
            "  evaluate:\n",
            "  count:\n    cmd: wc -l < model.txt > n.txt\n    deps: [model.txt]\n    outs: [n.txt]\n  evaluate:\n",
        );
    let before = project.read("pipeline.yaml");
    let told = import(&project, &[]);
    assert_eq!(project.read("pipeline.yaml"), before);
    for expected in [
        "pipeline.yaml was edited, and stays as it is: 8 stages of DVC's\nchanged in DVC's files (`--merge` takes it over):\n",
        "  pipeline.yaml: stage count is new (dvc.yaml:40:3)\n",
        "  pipeline.yaml: evaluate: `inputs.blue` is new (dvc.yaml:44:3)\n",
        "  pipeline.yaml:21:5: train: `run`\n    -run: sh src/train.sh > model.txt  # alone\n    +run: sh src/train.sh  > model.txt\n",
        "edited in the file, and kept:\n  pipeline.yaml:22:5: train: `timeout` is new\n",
        "pipeline.yaml:45:3: stage mine is new\n",
        "evaluate: `run`\n",
        ": evaluate: `inputs.scarlet`, `red` in DVC's files\n",
        // What was not edited is still DVC's; of the rest nobody knows.
        "adopted 6 results of 8 from DVC",
        "to be executed: evaluate: ",
    ] {
        assert!(told.stdout.contains(expected), "no `{expected}` in\n{}", told.stdout);
    }
    let merged = import(&project, &["--merge"]);
    assert!(merged.stdout.starts_with("merged pipeline.yaml: 8 stages of DVC's\n"), "{}", merged.stdout);
    let text = project.read("pipeline.yaml");
    let expected = before
        .replace("sh src/train.sh > model.txt  # alone", "sh src/train.sh  > model.txt  # alone")
        .replace("      scarlet: out/red.txt\n", "      scarlet: out/red.txt\n      blue: out/blue.txt\n")
        .replace("  mine:\n", "  count:\n    run: wc -l < model.txt > n.txt\n    inputs:\n      model: model.txt\n    outputs:\n      n: n.txt\n  mine:\n");
    let body = |text: &str| text.split_once('\n').expect("lines").1.to_owned();
    assert_eq!(body(&text), body(&expected));
    // Once is enough, and the pipeline runs.
    let again = import(&project, &["--merge"]);
    assert!(!again.stdout.contains("changed in"), "{}", again.stdout);
    assert_eq!(project.read("pipeline.yaml"), text);
    assert_eq!(project.run(&[]).with("executed"), ["count", "evaluate", "mine", "train"]);
    // What was executed here is not DVC's.
    let again = import(&project, &[]);
    let counted =
        "adopted 5 results of 8 from DVC, not executed here\nof 3 stages there is a result that was executed here\n";
    assert!(again.stdout.ends_with(counted), "{}", again.stdout);
}

#[test]
fn a_pipeline_with_mistakes_is_merged_as_well() {
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: cat gone > o\n    deps: [gone]\n    outs: [o]\n");
    let ran = ends(&project, &[], 2);
    assert!(ran.stderr.contains("`gone` does not exist"), "{}", ran.stderr);
    project.edit("pipeline.yaml", "    outputs:", "    timeout: 1h\n    outputs:").edit(
        "dvc.yaml",
        "cat gone > o",
        "cat  gone > o",
    );
    project.write("gone", "here\n");
    import(&project, &["--merge"]);
    let text = project.read("pipeline.yaml");
    assert!(text.contains("    run: cat  gone > o\n") && text.contains("    timeout: 1h\n"), "{text}");
}

#[test]
fn what_both_changed_is_listed_until_it_is_settled() {
    let project = project("study");
    import(&project, &[]);
    project.edit("pipeline.yaml", "sh src/train.sh > model.txt", "sh -e src/train.sh > model.txt");
    project.edit("dvc.yaml", "sh src/train.sh > model.txt", "sh -x src/train.sh > model.txt");
    let conflict = "changed in both, and left as it is (`--merge=dvc` or `--merge=file` settles it):\n  \
                    pipeline.yaml:20:5: train: `run` (dvc.yaml:17:3)\n    -run: sh -e src/train.sh > model.txt\n    +run: sh -x src/train.sh > model.txt\n";
    for _ in 0..2 {
        let ran = ends(&project, &["--merge"], 1);
        assert!(ran.stdout.contains(conflict), "{}", ran.stdout);
    }
    let kept = project.read("pipeline.yaml");
    assert!(import(&project, &["--merge=file"]).stdout.contains("edited in the file, and kept:"));
    assert_eq!(
        project.read("pipeline.yaml").lines().skip(1).collect::<Vec<_>>(),
        kept.lines().skip(1).collect::<Vec<_>>()
    );
    assert!(!import(&project, &[]).stdout.contains("changed in"));
    // What was settled is DVC's no more; its next change is a conflict again.
    project.edit("dvc.yaml", "sh -x src/train.sh", "sh -v src/train.sh");
    ends(&project, &["--merge"], 1);
    import(&project, &["--merge=dvc"]);
    assert!(project.read("pipeline.yaml").contains("    run: sh -v src/train.sh > model.txt\n"));
    assert!(import(&project, &[]).stdout.contains("pipeline.yaml is what it was"));
}

#[test]
fn without_the_cache_the_last_import_is_found_in_git() {
    let project = project("study");
    import(&project, &[]);
    git(&project, &["init", "-q"]);
    git(&project, &["add", "pipeline.yaml"]);
    git(&project, &["commit", "-qm", "move in"]);
    project.edit("pipeline.yaml", "  # Cut the data in two.", "  # Cut the data in two parts.");
    git(&project, &["commit", "-qam", "edit"]);
    project.edit("dvc.yaml", "sh src/train.sh > model.txt", "sh -x src/train.sh > model.txt");
    std::fs::remove_dir_all(project.root().join("cache")).expect("remove");
    import(&project, &["--merge"]);
    let text = project.read("pipeline.yaml");
    assert!(text.contains("in two parts.") && text.contains("sh -x src/train.sh"), "{text}");
    // With neither, nobody can tell who changed what; that is said, and what differs.
    project.edit("dvc.yaml", "sh -x src/train.sh > model.txt", "sh -e src/train.sh > model.txt");
    std::fs::remove_dir_all(project.root().join("cache")).expect("remove");
    std::fs::remove_dir_all(project.root().join(".git")).expect("remove");
    let ran = ends(&project, &["--merge"], 2);
    assert!(ran.stderr.contains("it is not known what the last import wrote"), "{}", ran.stderr);
    let ran = import(&project, &[]);
    assert!(
        ran.stdout.contains("differs from what an import writes now; what the last one wrote is not known"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("pipeline.yaml:20:5: train: `run`\n"), "{}", ran.stdout);
    import(&project, &["--merge=dvc"]);
    let text = project.read("pipeline.yaml");
    assert!(text.contains("in two parts.") && text.contains("sh -e src/train.sh"), "{text}");
    assert!(import(&project, &["--force-overwrite"]).stdout.contains("wrote pipeline.yaml again"));
    assert!(!project.read("pipeline.yaml").contains("in two parts."));
}
