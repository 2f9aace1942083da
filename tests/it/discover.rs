//! Finding what a stage reads, and stages that may read what they do not declare.

use std::fmt::Write as _;

use crate::project::Project;

/// Twenty modules in a package that import each other, a script, a file of configuration, and a folder of data.
fn modules(stages: &str) -> Project {
    let project = Project::new(stages);
    project.write("model/__init__.py", "from model.m0 import value\n");
    for number in 0..19 {
        let next = if number < 18 {
            format!("from model.m{} import value as next\n", number + 1)
        } else {
            "next = 0\n".into()
        };
        project.write(&format!("model/m{number}.py"), &format!("{next}value = next + {number}\n"));
    }
    project.write("model/notes.txt", "nobody reads this\n");
    project.write("conf.json", "{\"rate\": 2}\n").write("unread.json", "{}\n");
    for number in 0..12 {
        project.write(&format!("data/images/{number}.txt"), &format!("{number}\n"));
    }
    project.write(
        "train.py",
        "import json, os, pathlib\nfrom model import value\nrate = json.load(open('conf.json'))['rate']\n\
         total = sum(int(p.read_text()) for p in sorted(pathlib.Path('data/images').iterdir()))\n\
         os.path.exists('unread.json')\n\
         try: open('local.json')\nexcept FileNotFoundError: pass\n\
         try: open('libnothing.so.1')\nexcept FileNotFoundError: pass\n\
         try: open(os.environ['HOME'] + '/nothing')\nexcept FileNotFoundError: pass\n\
         open('out/result.txt', 'w').write(f'{value} {rate} {total}')\n",
    );
    project
}

const TRAIN: &str = "
    version: 1
    stages:
      train:  # the one that counts
        run: python3 train.py
        # what it makes
        outputs: {result: out/result.txt}
";

/// Whether this machine has a guard and can tell what a command reads; a failure where `CI` is set.
fn finds() -> bool {
    let project = modules(TRAIN);
    let ran = project.kiln(&["run", "--discover", "train"]);
    let lacks = ran.code != Some(0);
    assert!(!lacks || std::env::var_os("CI").is_none(), "{}", ran.stderr);
    if lacks {
        eprintln!("not tested: this machine cannot tell what a command reads: {}", ran.stderr);
    }
    !lacks
}

#[test]
fn a_project_of_twenty_modules_is_green_after_one_pass() {
    if !finds() {
        return;
    }
    let project = modules(TRAIN);
    let ran = project.kiln(&["run", "--discover", "train"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "    inputs:\n      train: train.py\n      model: {path: model, only: [\"**/*.py\"]}\n      conf: conf.json\n      data: data\n"
    );
    assert!(ran.stderr.contains("did not read them: unread.json\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("they are not there: local.json\n"), "{}", ran.stderr);
    assert!(!project.root().join("out").exists(), "it publishes nothing");
    assert_eq!(project.kiln(&["run"]).code, Some(1), "the guard holds");

    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 inputs for 34 files written to pipeline.yaml"), "{}", ran.stderr);
    let written = project.read("pipeline.yaml");
    assert!(written.contains("\n    # what it makes\n    outputs:"), "{written}");
    assert!(written.contains("  train:  # the one that counts\n    run: python3 train.py\n    inputs:\n      train: train.py\n      model: {"), "{written}");
    let record = project.run(&[]);
    assert_eq!(record.outcome("train"), "executed");
    assert_eq!(project.read("out/result.txt"), "171 2 66");
    project.write("model/notes.txt", "still nobody\n");
    assert_eq!(project.run(&[]).outcome("train"), "up-to-date");
    project.write("model/m7.py", "from model.m8 import value as next\nvalue = next + 700\n");
    assert_eq!(project.run(&[]).outcome("train"), "executed");
    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert!(ran.stderr.contains("it reads nothing of the project that it does not declare"), "{}", ran.stderr);
}

#[test]
fn what_other_stages_write_and_what_children_read_is_found() {
    if !finds() {
        return;
    }
    let project = modules(
        "
        version: 1
        stages:
          make: {run: mkdir -p out/many; echo one > out/many/1; echo two > out/many/2, outputs: {many: out/many}}
          use:
            inputs: {known: conf.json}
            run: sh -c 'sh -c \"cd data && cat ../out/many/2 images/3.txt\"' > out/use; cat conf.json >> out/use
            outputs: {use: out/use}
          one: {run: cat conf.json > out/one, outputs: {one: out/one}}
        ",
    );
    assert_eq!(project.kiln(&["run", "make"]).code, Some(0));
    let ran = project.kiln(&["run", "--discover", "use", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let written = project.read("pipeline.yaml");
    assert!(
        written.contains("inputs: {known: conf.json, in_3: data/images/3.txt, many: {from: make.many}}"),
        "{written}"
    );
    assert_eq!(project.run(&["use"]).outcome("use"), "executed");
    assert_eq!(project.read("out/use"), "two\n3\n{\"rate\": 2}\n");

    // Where nothing can be put in, it is printed, and the file stays.
    let ran = project.kiln(&["run", "--discover", "one", "--write"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "    inputs:\n      conf: conf.json\n"), "{}", ran.stderr);
    assert_eq!(project.read("pipeline.yaml"), written);
}

#[test]
fn a_folder_that_is_listed_is_an_input_whatever_is_read_of_it() {
    if !finds() {
        return;
    }
    let project = Project::new(
        "
        version: 1
        stages:
          sum:
            run: python3 sum.py
            outputs: {sum: out/sum}
          names:
            run: ls imgs | wc -l > out/names
            outputs: {names: out/names}
          go:
            run: python3 code/go.py
            outputs: {go: out/go}
        ",
    );
    project.write(
        "sum.py",
        "import glob\ntotal = sum(int(open(f).read()) for f in glob.glob('data/*/*.csv'))\n\
         open('out/sum', 'w').write(str(total))\n",
    );
    for year in [2023, 2024, 2025] {
        project.write(&format!("data/{year}/x.csv"), "1\n");
    }
    project.write("imgs/1.png", "").write("imgs/2.png", "");
    // Python lists `code`, `code/models` and `code/models/nets` to import this.
    project.write("code/go.py", "from models.nets.resnet import f\nopen('out/go', 'w').write(f)\n");
    project.write("code/models/nets/resnet.py", "f = 'f'\n").write("code/models/notes", "");
    for stage in ["sum", "names", "go"] {
        let ran = project.kiln(&["run", "--discover", stage, "--write"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let written = project.read("pipeline.yaml");
    assert!(written.contains("data: data") && !written.contains("x.csv"), "{written}");
    assert!(written.contains("imgs: imgs") && !written.contains("in_1"), "{written}");
    assert!(
        written.contains("go: code/go.py\n") && written.contains("resnet: code/models/nets/resnet.py\n"),
        "{written}"
    );
    assert!(!written.contains("models: code/models\n") && !written.contains("code: code\n"), "{written}");
    project.run(&[]);
    assert_eq!(project.read("out/sum"), "3");
    assert!(project.read("out/names").starts_with('2'));
    // What was not there when it was looked at counts.
    project.write("data/2026/x.csv", "1000\n").write("imgs/3.png", "");
    let record = project.run(&[]);
    assert_eq!((record.outcome("sum"), record.outcome("names")), ("executed", "executed"));
    assert_eq!(project.read("out/sum"), "1003");
}

#[test]
fn a_stage_that_is_looked_at_writes_nothing_of_the_project() {
    if !finds() {
        return;
    }
    let project = modules(
        "
        version: 1
        stages:
          bad: {run: cat conf.json; echo x > conf.json || true; echo x > data/new || true; rm -rf data/images/* || true; echo > out/x, outputs: {x: out/x}}
        ",
    );
    let ran = project.kiln(&["run", "--discover", "bad"]);
    assert_eq!(project.read("conf.json"), "{\"rate\": 2}\n");
    assert_eq!(project.read("data/images/3.txt"), "3\n");
    assert!(!project.root().join("data/new").exists());
    assert!(ran.stdout.contains("conf: conf.json"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_stage_that_warns_says_what_it_read() {
    if !finds() {
        return;
    }
    let pipeline = TRAIN.replace("run: python3", "guard: warn\n        run: python3");
    let project = modules(&pipeline);
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = "not hermetic: it read what its stage does not declare: conf.json, data/images/0.txt";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(project.read("out/result.txt"), "171 2 66");
    for command in [&["why", "train"][..], &["show", "train"], &["status", "--all"]] {
        let ran = project.kiln(command);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("not hermetic"), "{command:?}: {}", ran.stdout);
    }
    assert!(project.kiln(&["show", "latest", "--json"]).stdout.contains("not hermetic"));
    // It is told for as long as the result is used, and a strict stage does not use it.
    assert_eq!(project.run(&[]).outcome("train"), "up-to-date");
    project.edit("pipeline.yaml", "guard: warn", "guard: strict");
    assert_eq!(project.kiln(&["run"]).code, Some(1));
    project.edit("pipeline.yaml", "guard: strict", "guard: perhaps");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("pipeline.yaml:4:12"), "{}", ran.stderr);
}

#[test]
fn a_variable_from_outside_may_count_without_being_told() {
    let mut pipeline = String::from("version: 1\nstages:\n");
    let _ = write!(
        pipeline,
        "  s:\n    run: echo $TOKEN $WHICH > out/x\n    env: {{pass: [TOKEN], count: [WHICH]}}\n    outputs: {{x: out/x}}\n"
    );
    let project = Project::new(&pipeline);
    let run = |token: &str, which: Option<&str>| {
        let mut command = project.command(&["run", "--json"]);
        command.env("TOKEN", token).env_remove("WHICH");
        which.map(|which| command.env("WHICH", which));
        let ran = crate::project::Ran::from(command.output().expect("kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran
    };
    let ran = run("a-secret-token", Some("a-private-value"));
    assert_eq!(ran.record().outcome("s"), "executed");
    assert_eq!(project.read("out/x"), "a-secret-token a-private-value\n");
    assert_eq!(run("another-token", Some("a-private-value")).record().outcome("s"), "up-to-date");
    let ran = run("another-token", Some("other-private-value"));
    assert_eq!(ran.record().outcome("s"), "executed");
    assert!(ran.record().reasons("s").contains("WHICH"), "{}", ran.record().reasons("s"));
    assert!(!ran.stdout.contains("private-value"), "{}", ran.stdout);
    // Neither does the cache hold it, but for what the command wrote.
    for file in crate::project::files(&project.root().join("cache")) {
        let text = std::fs::read(&file).expect("read");
        let holds = text.windows(13).any(|part| part == b"private-value");
        assert!(!holds || file.components().any(|part| part.as_os_str() == "objects"), "{}", file.display());
    }
    let ran = project
        .command(&["run"])
        .env_remove("WHICH")
        .env("TOKEN", "x")
        .output()
        .map(crate::project::Ran::from)
        .expect("kiln");
    assert_eq!(ran.code, Some(1), "a script is told that it is not set: {}", ran.stderr);
    project.edit("pipeline.yaml", "pass: [TOKEN]", "pass: [TOKEN, WHICH]");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`WHICH` is in two of the lists `pass`, `count` and `cache`"), "{}", ran.stderr);
}

#[test]
fn a_tool_may_have_a_lasting_folder_of_its_own() {
    let project = Project::new(
        "
        version: 1
        stages:
          s:
            run: test -n \"$TOOL_HOME\"; echo again >> \"$TOOL_HOME/log\"; wc -l < \"$TOOL_HOME/log\" > out/x
            env: {cache: [TOOL_HOME]}
            outputs: {x: out/x}
        ",
    );
    let caches = tempfile::tempdir().expect("a folder");
    let run = |name: &str, args: &[&str]| {
        let mut command = project.command(&[&["run"], args].concat());
        command.env_remove("TOOL_HOME").env(name, caches.path());
        let ran = crate::project::Ran::from(command.output().expect("kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        project.read("out/x").trim().to_owned()
    };
    assert_eq!(run("XDG_CACHE_HOME", &[]), "1");
    assert!(caches.path().join("kiln-tools/TOOL_HOME/log").is_file());
    // It does not count; what was kept there is there the next time.
    assert_eq!(run("TOOL_HOME", &[]), "1");
    assert!(!caches.path().join("log").exists());
    std::fs::remove_dir_all(project.root().join("cache")).expect("remove the cache");
    assert_eq!(run("XDG_CACHE_HOME", &["--force-overwrite"]), "2");
}

#[test]
fn what_one_variant_reads_is_written_for_all() {
    if !finds() {
        return;
    }
    let project = modules(
        "
        version: 1
        stages:
          make:
            matrix: {model: [a, b]}
            run: echo ${matrix.model} > out/${matrix.model}.txt
            outputs: {text: \"out/${matrix.model}.txt\"}
          train:
            matrix: {model: [a, b]}
            run: cat conf/${matrix.model}.yaml out/${matrix.model}.txt common.txt > out/model-${matrix.model}
            outputs: {model: \"out/model-${matrix.model}\"}
          sum:
            run: cat out/model-* > out/sum
            outputs: {sum: out/sum}
    ",
    );
    project.write("conf/a.yaml", "of a\n").write("conf/b.yaml", "of b\n").write("common.txt", "of all\n");
    // Nothing is made yet: it fails, and what it lacks is known all the same.
    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there may be more to find") && !ran.stderr.contains("are not there"),
        "{}",
        ran.stderr
    );
    let written = project.read("pipeline.yaml");
    for line in ["conf/${label.model}.yaml", "common: common.txt", "{from: \"make[model=${label.model}].text\"}"] {
        assert!(written.contains(line), "{line}: {written}");
    }
    assert_eq!(project.run(&["train"]).with("executed").len(), 4, "with those that it needs");
    assert_eq!(project.read("out/model-b"), "of b\nb\nof all\n");
    let ran = project.kiln(&["run", "--discover", "sum", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let written = project.read("pipeline.yaml");
    assert!(written.contains("{from: \"train[*].model\"}"), "{written}");
    project.run(&[]);
    assert_eq!(project.read("out/sum"), "of a\na\nof all\nof b\nb\nof all\n");
}

#[test]
fn a_file_of_parameters_is_found_with_its_keys() {
    let project = Project::new(
        "
        version: 1
        params: [params.json, {least: 4}]
        profiles: {hot: {params: {rate: 9}}}
        stages:
          train:
            run: python3 train.py
            outputs: {result: out/result.txt}
        ",
    );
    project.write("params.json", "{\"rate\": 1, \"other\": {\"a\": 1}}\n");
    project.write(
        "train.py",
        "import json\nopen('out/result.txt', 'w').write(str(json.load(open('params.json'))['rate']))\n",
    );
    if !finds() {
        return;
    }
    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let pipeline = project.read("pipeline.yaml");
    assert!(pipeline.contains("params: {path: params.json, keys: [other, rate]}"), "{pipeline}");
    project.run(&[]);
    assert_eq!(project.read("out/result.txt"), "1");
    project.run(&["--set", "rate=5"]);
    assert_eq!(project.read("out/result.txt"), "5");
    project.run(&["--profile", "hot"]);
    assert_eq!(project.read("out/result.txt"), "9");
    // Who takes the file as it is learns that other values are in force.
    project.edit("pipeline.yaml", "{path: params.json, keys: [other, rate]}", "params.json");
    let ran = project.kiln(&["run", "--set", "rate=5"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(
            "warning: train: the input params.json is the file as it is, and other values are in force: rate"
        ),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: the input `{path: params.json, keys: [rate]}` has the values"),
        "{}",
        ran.stderr
    );
    assert!(!project.kiln(&["run"]).stderr.contains("as it is"));
}

#[test]
fn an_output_that_is_asked_for_and_not_made_yet_is_found() {
    let project = Project::new(
        "
        version: 1
        stages:
          prepare: {run: echo 1 > data/meta, outputs: {meta: data/meta}}
          after: {run: cat out/result.txt > out/after, inputs: {x: {from: train.result}}, outputs: {after: out/after}}
          train:
            run: python3 train.py
            inputs: {script: train.py}
            outputs: {result: out/result.txt}
        ",
    );
    project.write(
        "train.py",
        "import os\nfound = open('data/meta').read() if os.path.exists('data/meta') else 'none'\n\
         os.path.exists('out/after')\nopen('out/result.txt', 'w').write(found)\n",
    );
    if !finds() {
        return;
    }
    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let pipeline = project.read("pipeline.yaml");
    assert!(pipeline.contains("meta: {from: prepare.meta}"), "{pipeline}\n{}", ran.stderr);
    assert!(!pipeline.contains("from: after.after"), "{pipeline}");
    project.run(&[]);
    assert_eq!(project.read("out/result.txt"), "1\n");
}

#[test]
fn the_mark_of_a_project_is_an_input_of_who_looks_for_it() {
    let project = Project::new(
        "
        version: 1
        stages:
          train:
            run: python3 src/train.py
            inputs: {script: src/train.py}
            outputs: {result: out/result.txt}
        ",
    );
    // As rootutils looks for it, and hydra's template uses that.
    project.write(".project-root", "# the root of the project\n").write("setup.cfg", "[metadata]\n").write(
        "src/train.py",
        "import pathlib, sys\n\
         for folder in pathlib.Path(__file__).resolve().parents:\n    \
             if any((folder / mark).exists() for mark in ['.project-root', 'setup.cfg']):\n        break\n\
         else:\n    \
             raise FileNotFoundError(\"Project root directory not found. Indicators: ['.project-root', 'setup.cfg']\")\n\
         open('out/result.txt', 'w').write(folder.name)\n",
    );
    if !finds() {
        return;
    }
    // Not declared, it is looked for above the folder of the stage, and found where nothing can be read.
    project.run(&[]);
    let above = project.root().file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(project.read("out/result.txt"), above);
    let ran = project.kiln(&["run", "--discover", "train", "--write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let pipeline = project.read("pipeline.yaml");
    assert!(pipeline.contains("project-root: \".project-root\""), "{pipeline}\n{}", ran.stderr);
    assert!(!ran.stderr.contains("did not read them: .project-root"), "{}", ran.stderr);
    project.run(&[]);
    assert_ne!(project.read("out/result.txt"), above);
}

#[test]
fn files_outside_of_the_project_are_named() {
    let project = modules(TRAIN);
    // What is hidden passes for a tool's.
    let elsewhere = tempfile::Builder::new().prefix("data").tempdir().expect("a folder");
    let data = elsewhere.path().join("data.csv");
    std::fs::write(&data, "1\n").expect("a file");
    let script = project.read("train.py");
    project.write("train.py", &format!("open({:?}).read()\n{script}", data.display().to_string()));
    if !finds() {
        return;
    }
    let ran = project.kiln(&["run", "--discover", "train"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("outside of the project")).collect();
    let expected = format!("it read these outside of the project, and they are in no key: {}", data.display());
    assert_eq!(told, [expected]);
}
