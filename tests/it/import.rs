//! Moving in from DVC. The projects in `tests/dvc` are as a real DVC left them; `tests/dvc/make.sh` made them.

use std::path::Path;

use object_store::ObjectStoreExt as _;
use object_store::aws::AmazonS3Builder;

use crate::project::{Project, Ran, files};
use crate::remote::weed::{BUCKET, KEY, Weed};

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
    assert_eq!(text, include_str!("../dvc/study.yaml"));
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
fn an_import_leaves_what_was_edited() {
    let project = project("study");
    import(&project, &[]);
    // An edit of DVC's files alone is taken over.
    project.edit("dvc.yaml", "sh src/train.sh > model.txt", "sh src/train.sh  > model.txt");
    let again = import(&project, &[]);
    assert!(again.stdout.contains("wrote pipeline.yaml again"), "{}", again.stdout);
    assert!(again.stdout.contains("to be executed: train: its command is not the one in dvc.lock"), "{}", again.stdout);
    project.edit("pipeline.yaml", "  # Cut the data in two.", "  # Cut the data in two parts.");
    project.edit("dvc.yaml", "sh src/train.sh  > model.txt", "sh src/train.sh > model.txt");
    let kept = import(&project, &[]);
    assert!(kept.stdout.contains("pipeline.yaml was edited, and stays as it is"), "{}", kept.stdout);
    assert!(
        kept.stdout.contains("  -    run: sh src/train.sh  > model.txt\n  +    run: sh src/train.sh > model.txt\n"),
        "{}",
        kept.stdout
    );
    assert!(kept.stdout.contains("no results were taken over"), "{}", kept.stdout);
    assert!(project.read("pipeline.yaml").contains("in two parts."));
    assert!(import(&project, &["--force-overwrite"]).stdout.contains("adopted 7 results"));
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
fn the_walk_through_is_true() {
    let project = project("study");
    let page = include_str!("../../docs/dvc.md");
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
        let ran = Ran::from(shell.env_remove("KILN_CACHE").output().expect("start sh"));
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
fn projects_in_folders_are_named() {
    let project = Project::new("");
    project.write("a/.dvc/config", "").write("a/dvc.yaml", "stages:\n  s: {cmd: echo 1 > o, outs: [o]}\n");
    let ran = project.kiln(&["import", "dvc"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hint: `a` have projects of DVC's: `kiln import dvc a`"), "{}", ran.stderr);
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

/// Puts a file into the bucket.
fn put(weed: &Weed, key: &str, bytes: Vec<u8>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_endpoint(format!("http://127.0.0.1:{}", weed.port))
        .with_region("us-east-1")
        .with_allow_http(true)
        .with_access_key_id(KEY.0)
        .with_secret_access_key(KEY.1)
        .build()
        .expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let path = object_store::path::Path::from(key);
    // The bucket is made when the server is up.
    for _ in 0..600 {
        match runtime.block_on(bucket.put(&path, bytes.clone().into())) {
            Ok(_) => return,
            Err(object_store::Error::NotFound { .. }) => std::thread::sleep(std::time::Duration::from_millis(100)),
            Err(error) => panic!("put: {error}"),
        }
    }
    panic!("there is no bucket");
}

#[test]
fn what_is_only_in_a_bucket_is_fetched() {
    let Some(weed) = Weed::get("a remote of DVC's on SeaweedFS") else { return };
    let project = project("odd");
    let cache = project.root().join(".dvc/cache");
    for file in files(&cache) {
        let key = format!("team/dvc/{}", file.strip_prefix(&cache).expect("within").display());
        put(&weed, &key, std::fs::read(&file).expect("read"));
    }
    std::fs::remove_dir_all(&cache).expect("remove");
    let config = format!("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://{BUCKET}/team/dvc\n");
    let local = format!(
        "['remote \"far\"']\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = {}\n    secret_access_key = {}\n",
        weed.port, KEY.0, KEY.1
    );
    project.write(".dvc/config", &config).write(".dvc/config.local", &local);
    let checked = import(&project, &["--check"]);
    assert!(checked.stderr.contains(".dvc/config:4:1: the remote `far` (s3) is not read"), "{}", checked.stderr);
    assert!(checked.stderr.contains("`kiln import dvc --fetch` fetches from it what is missing"), "{}", checked.stderr);
    assert!(!cache.exists(), "nothing is fetched");
    let ran = import(&project, &["--fetch"]);
    assert!(ran.stdout.contains("adopted 4 results of 6 from DVC"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(project.read("data/tracked.txt"), "one\r\ntwo\r\n");
    project.run(&[]);
    assert_eq!(project.read("pieces/b"), "2\n");
}

#[test]
fn a_bucket_that_refuses_is_said() {
    let Some(weed) = Weed::get("a remote of DVC's on SeaweedFS") else { return };
    let project = project("odd");
    std::fs::remove_dir_all(project.root().join(".dvc/cache")).expect("remove");
    let config = format!(
        "['remote \"far\"']\n    url = s3://{BUCKET}/team/dvc\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = {}\n    \
         secret_access_key = wrong\n",
        weed.port, KEY.0
    );
    project.write(".dvc/config", &config);
    let ran = project.kiln(&["import", "dvc", "--fetch"]);
    assert_eq!(ran.code, Some(2), "sources are missing: {}{}", ran.stdout, ran.stderr);
    let expected = ".dvc/config:2:1: the remote `far` did not give all that was asked for: ";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
