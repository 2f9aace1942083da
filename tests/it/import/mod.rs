//! Moving in from DVC. The projects in `tests/dvc` are as a real DVC left them; `tests/dvc/make.sh` made them.

mod again;
mod export;
mod linked;
mod older;
mod remotes;
mod settings;
mod told;

use std::path::Path;

use crate::project::{Project, Ran};

/// A copy of a project of DVC's.
fn project(name: &str) -> Project {
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dvc").join(name), project.root());
    project
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir_all(&place).expect("create folder");
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("copy");
        }
    }
}

fn import(project: &Project, args: &[&str]) -> Ran {
    let ran = project.kiln(&[&["import", "dvc"], args].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran
}

/// What `import --check` says of a project that holds this `dvc.yaml`.
fn checked(dvc: &str, files: &[(&str, &str)]) -> (String, String) {
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project.write("dvc.yaml", dvc);
    files.iter().for_each(|(path, text)| {
        project.write(path, text);
    });
    let ran = import(&project, &["--check"]);
    assert!(!project.root().join("pipeline.yaml").exists(), "nothing is written");
    (ran.stdout, ran.stderr)
}

#[test]
fn a_study_moves_in_and_executes_nothing() {
    let project = project("study");
    let ran = import(&project, &[]);
    assert_eq!(ran.stdout, "wrote pipeline.yaml: 7 stages of DVC's\nadopted 7 results from DVC, not executed here\n");
    let pipeline = project.read("pipeline.yaml");
    let (mark, text) = pipeline.split_once('\n').expect("a mark");
    assert!(mark.starts_with("# From dvc.yaml by `kiln import dvc`; yours to edit. "), "{mark}");
    assert_eq!(text, include_str!("../../dvc/study.yaml"));
    let run = project.run(&[]);
    assert_eq!(run.with("executed"), Vec::<String>::new());
    assert_eq!(run.with("up-to-date").len(), 7);
    assert_eq!(run.reasons("train"), "adopted from DVC, not executed here");
    assert_eq!(run.stage("evaluate")["metrics"]["lines"].as_f64(), Some(6.0));
    let why = project.kiln(&["why", "train"]).stdout;
    assert!(why.contains("adopted from DVC on ") && why.contains("not executed here"), "{why}");
    let shown = project.kiln(&["show", "train"]).stdout;
    assert!(shown.contains("adopted from DVC, not executed here"), "{shown}");
}

#[test]
fn after_an_edit_what_dvc_would_execute_is_executed() {
    let project = project("study");
    import(&project, &[]);
    project.run(&[]);
    // A parameter that no stage takes, and a comment.
    project.edit("params.yaml", "unused: 1", "unused: 2").edit("params.yaml", "each third", "every third");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    project.edit("params.yaml", "rounds: 4", "rounds: 5");
    let run = project.run(&[]);
    // The new model is another, and the metrics come out the same.
    assert_eq!(run.with("executed"), ["evaluate", "train"]);
    assert_eq!(project.read("model.txt"), "lr 1e-3 rounds 5\n6\n");
    assert!(run.reasons("train").contains("params.yaml"), "{}", run.reasons("train"));
    project.edit("params.yaml", "names: [red, blue]", "names: [red, blue, green]");
    assert_eq!(project.run(&[]).with("executed"), ["colour[item=green]"]);
    assert_eq!(project.read("out/green.txt"), "green  |");
    project.edit("params.yaml", "every: 3", "every: 2");
    let run = project.run(&[]);
    assert_eq!(run.with("executed"), ["evaluate", "split", "train"]);
    project.edit("params.yaml", "every: 2", "every: 3").edit("params.yaml", "rounds: 5", "rounds: 4");
    // What DVC made is there again.
    let run = project.run(&[]);
    assert_eq!(run.with("executed"), Vec::<String>::new());
    assert_eq!(run.with("restored"), ["split", "train"]);
}

#[test]
fn pipelines_in_folders_become_one() {
    let project = project("nested");
    let ran = import(&project, &[]);
    assert!(ran.stdout.contains("adopted 6 results from DVC"), "{}", ran.stdout);
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    let text = project.read("pipeline.yaml");
    assert!(text.contains("  b.own:\n    run: |-\n      cd b\n      cat ../a/own.txt > own.txt\n"), "{text}");
    // Each line of a text has a shell of its own.
    project.edit("pipeline.yaml", "(\n        cd /\n", "(\n        cd / # again\n");
    project.run(&["lines"]);
    assert_eq!(project.read("lines.txt"), "project\n");
    // A dictionary in a command is what DVC made of it, down to the quotes.
    let run = project.run(&["--force", "options"]);
    assert_eq!(run.with("executed"), ["options"]);
    assert_eq!(project.read("options.txt"), "--lr 0.5 --deep --tags x y z --name m1\n");
}

#[test]
fn a_lock_is_held_against_the_project() {
    let project = project("study");
    project.write("model.txt", "by hand\n");
    let ran = import(&project, &[]);
    let gone =
        "to be executed: train: its output `model.txt` is not what dvc.lock says, and DVC's cache does not have it";
    assert!(ran.stdout.contains(gone), "{}", ran.stdout);
    // Its own entry is good; what it needs has no result yet.
    assert!(ran.stdout.contains("to be executed: evaluate: `train`, which it needs, has no result"), "{}", ran.stdout);
    let project = self::project("study");
    project.edit("params.yaml", "lr: 1e-3", "lr: 0.001");
    assert!(import(&project, &[]).stdout.contains("adopted 7 results"), "for DVC it is the same number");
    let project = self::project("study");
    project.edit("params.yaml", "lr: 1e-3", "lr: 2e-3");
    let ran = import(&project, &[]);
    assert!(
        ran.stdout.contains("train: the parameter `train.lr` of `params.yaml` is not what dvc.lock says"),
        "{}",
        ran.stdout
    );
}

#[test]
fn shells_mean_what_they_meant() {
    let (text, told) = checked(
        "stages:\n  pipe:\n    cmd: cat in | grep -c x > n; true\n    deps: [in]\n    outs: [n]\n  two:\n    cmd: [mkdir -p d && echo 1 > d/a, $TOOL d/a]\n    outs: [d]\n  bash:\n    cmd: cat in &> all\n    deps: [in]\n    outs: [all]\n",
        &[("in", "x\n")],
    );
    assert!(text.contains("    run:\n      - sh\n      - -c\n      - cat in | grep -c x > n; true\n"), "{text}");
    assert!(
        text.contains("    run: |-\n      ( mkdir -p d && echo 1 > d/a )\n      $TOOL d/a\n    env: {pass: [TOOL]}\n"),
        "{text}"
    );
    assert!(text.contains("    run: cat in &> all\n    shell: bash\n"), "{text}");
    assert_eq!(told, "", "nothing is different");
}

#[test]
fn the_walk_through_is_true() {
    let project = project("study");
    let page = include_str!("../../../docs/dvc.md");
    let walk = page.split("## A walk through").nth(1).and_then(|rest| rest.split("## What becomes of what").next());
    let mut lines = walk.expect("a walk").lines().filter_map(|line| line.strip_prefix("    ")).peekable();
    let program = Path::new(env!("CARGO_BIN_EXE_kiln")).parent().expect("a folder").display().to_string();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("`{line}` belongs to no command"));
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            expected.push(line);
        }
        // The project is a copy already, and DVC is not there: `bench/dvc.py` asks it.
        if command.starts_with("cp ") || command.starts_with("dvc ") {
            continue;
        }
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("PATH={program}:$PATH; {command}")]).current_dir(project.root());
        shell.env_remove("KILN_CACHE");
        shell.env("DVC_SYSTEM_CONFIG_DIR", "/nonexistent").env("DVC_GLOBAL_CONFIG_DIR", "/nonexistent");
        let ran = Ran::from(shell.output().expect("start sh"));
        assert_eq!(ran.code, Some(0), "{command}: {}{}", ran.stdout, ran.stderr);
        let said = ran.stdout + &ran.stderr;
        for line in expected {
            // Names of runs and times are others.
            let told =
                line.split_once(": ").map_or(line, |(head, rest)| if head.starts_with("run ") { rest } else { line });
            let told = told.split(" in 0.").next().unwrap_or(told);
            assert!(said.contains(told), "`{command}` does not say `{told}`:\n{said}");
        }
        count += 1;
    }
    assert!(count >= 7, "{count} commands");
}

#[test]
fn variants_that_take_folders_which_stages_write_into_become_stages() {
    let dvc = "stages:\n  part:\n    matrix: {y: [1, 2], s: [a, b]}\n    cmd: mkdir -p d/${item.y} && echo ${item.s} > d/${item.y}/${item.s}\n    \
               outs: ['d/${item.y}/${item.s}']\n  all:\n    foreach: [1, 2]\n    do:\n      cmd: cat d/${item}/* > all-${item}\n      \
               deps: ['d/${item}']\n      outs: ['all-${item}']\n";
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project.write("dvc.yaml", dvc).write("d/1/c", "given\n").write("d/2/c", "given, too\n");
    import(&project, &[]);
    let run = project.run(&[]);
    assert!(run.with("executed").contains(&"all-2".to_owned()), "{:?}", run.with("executed"));
    assert_eq!(project.read("all-1"), "a\nb\ngiven\n");
    assert_eq!(project.read("all-2"), "a\nb\ngiven, too\n");
}

#[test]
fn values_that_are_paths_of_several_folders_are_followed() {
    let dvc = "stages:\n  split:\n    cmd: mkdir -p out/split && echo 1 > out/split/train && echo 2 > out/split/test\n    outs: ['${split}']\n  \
               use:\n    cmd: cat ${test} > used\n    deps: ['${test}']\n    outs: [used]\n  \
               up:\n    wdir: sub\n    cmd: cat ${up}/in > up\n    deps: ['${up}/in']\n    outs: [up]\n";
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project.write("dvc.yaml", dvc).write("params.yaml", "split: out/split\ntest: out/split/test\nup: ../given\n");
    project.write("given/in", "3\n").write("sub/README", "");
    import(&project, &[]);
    assert_eq!(project.run(&[]).with("executed"), ["split", "up", "use"]);
    assert_eq!((project.read("used"), project.read("sub/up")), ("2\n".into(), "3\n".into()));
}

#[test]
fn what_dvc_passes_over_does_not_count() {
    let dvc = "stages:\n  tree:\n    cmd: find data -type f | sort > tree\n    deps: [data]\n    outs: [tree]\n";
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove");
    project.write("dvc.yaml", dvc).write("data/a", "1").write("data/x.tmp", "1").write("data/b/log", "1");
    project.write(".dvcignore", "# not these\n*.tmp\n").write("data/b/.dvcignore", "log\n");
    let ran = import(&project, &[]);
    assert!(ran.stderr.contains(".dvcignore:1:1: what DVC passes over is listed in `.kilnignore`"), "{}", ran.stderr);
    assert_eq!(project.read(".kilnignore").lines().skip(1).collect::<Vec<_>>(), ["*.tmp", "/data/b/**/log"]);
    project.run(&[]);
    assert!(!project.read("tree").contains("tmp"), "{}", project.read("tree"));
    project.write("data/x.tmp", "2").write("data/b/log", "2").write("data/y.tmp", "");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    // A file of one's own stays, and what it lacks is said.
    project.write(".kilnignore", "*.tmp\n");
    let again = import(&project, &[]);
    assert!(
        again.stderr.contains("`/data/b/**/log` is not in `.kilnignore`, which stays as it is"),
        "{}",
        again.stderr
    );
    assert_eq!(project.read(".kilnignore"), "*.tmp\n");
}

#[test]
fn a_reason_names_the_key_that_changed() {
    let project = project("study");
    import(&project, &[]);
    project.run(&[]);
    project.edit("params.yaml", "lr: 1e-3", "lr: 2e-3");
    let status = project.kiln(&["status"]).stdout;
    assert!(status.contains("input params[params.yaml]: train.lr: \"1e-3\" => \"2e-3\""), "{status}");
    let why = project.kiln(&["why", "train"]).stdout;
    assert!(why.contains("train.lr: \"1e-3\" => \"2e-3\""), "{why}");
    assert!(project.run(&[]).reasons("train").contains("train.lr: \"1e-3\" => \"2e-3\""));
    // And afterwards.
    let why = project.kiln(&["why", "train", "--run", "latest"]).stdout;
    assert!(why.contains("train.lr"), "{why}");
}
