//! Command stages: what they see, what is kept of them, and how they fail.

use crate::project::{Project, Ran};

fn failing(pipeline: &str) -> (Project, Ran) {
    let project = Project::new(pipeline);
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    (project, ran)
}

#[test]
fn an_undeclared_file_is_not_there() {
    let (_, ran) =
        failing("version: 1\nstages:\n  peek:\n    run: cat secret.txt > out/x.txt\n    outputs: {x: out/x.txt}\n");
    assert_eq!(ran.record().outcome("peek"), "failed");
    assert!(ran.stderr.contains("secret.txt"), "{}", ran.stderr);
}

#[test]
fn a_missing_output_is_named() {
    let (_, ran) = failing("version: 1\nstages:\n  lazy:\n    run: echo hello\n    outputs: {x: out/x.txt}\n");
    let error = ran.record().stage("lazy")["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("did not write its output `x` (out/x.txt)"), "{error}");
    assert!(error.contains("hello"), "the log's end: {error}");
}

#[test]
fn only_declared_outputs_are_kept_and_the_environment_is_declared() {
    let project = Project::new(
        "
            version: 1
            stages:
              list:
                run: env | cut -d= -f1 | sort > out/env.txt; echo litter > litter.txt
                env: {GREETING: hello}
                outputs: {names: out/env.txt}
        ",
    );
    let mut command = project.command(&["run"]);
    assert!(command.env("SECRET", "1").status().expect("start kiln").success());
    let names = project.read("out/env.txt");
    let names: Vec<&str> = names.lines().filter(|n| !["PWD", "SHLVL", "_", "OLDPWD"].contains(n)).collect();
    let given = ["LOKY_MAX_CPU_COUNT", "TAR_OPTIONS", "KILN_INPUTS", "KILN_OUTPUTS"];
    let known = |name: &&str| !name.contains("THREADS") && !given.contains(name);
    assert_eq!(names.into_iter().filter(known).collect::<Vec<_>>(), ["GREETING", "HOME", "PATH", "TMPDIR"]);
    assert!(!project.root().join("litter.txt").exists());
}

#[test]
fn variables_pass_that_the_stage_names_and_their_values_are_written_nowhere() {
    let script =
        "test $LEVEL = high; echo ${TOKEN:-none} | cksum > out/x; test ${UNSET-no} = no; echo $GREETING > out/y";
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              s:
                run: {}
                env: {{GREETING: hello, pass: [TOKEN, LEVEL, UNSET]}}
                outputs: {{x: out/x, y: out/y}}
        ",
        script.replace("${", "$${")
    ));
    let run = |token: &str| {
        let mut command = project.command(&["run", "--json"]);
        Ran::from(command.env("TOKEN", token).env("LEVEL", "high").output().expect("start kiln"))
    };
    let ran = run("correct horse battery");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.record().outcome("s"), "executed");
    let sum = project.read("out/x");
    assert_ne!(sum.split(' ').next(), Some("4294967295"), "the sum of nothing");
    // It counts for nothing.
    assert_eq!(run("another token").record().outcome("s"), "up-to-date");
    assert_eq!(project.read("out/x"), sum);
    let shown = project.kiln(&["show", "s"]).stdout;
    assert!(shown.contains("passes") && shown.contains("TOKEN"), "{shown}");

    // The end of the log is shown with a failure.
    project.edit("pipeline.yaml", "test $LEVEL", "echo token is $TOKEN; exit 1; test $LEVEL");
    let ran = run("correct horse battery");
    let error = ran.record().stage("s")["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("token is ***"), "{error}");
    project.kiln(&["report"]);
    for file in crate::project::files(project.root()) {
        let text = std::fs::read(&file).expect("read");
        let told = text.windows(13).any(|window| window == b"correct horse");
        assert!(!told || file.to_string_lossy().contains("/logs/"), "{}", file.display());
    }
}

#[test]
fn what_cannot_pass_is_refused() {
    for (pass, why) in [
        ("[HOME]", "`HOME` cannot be passed"),
        ("[PATH]", "`PATH` cannot be passed"),
        ("[A-B]", "cannot be the name of an environment variable"),
        ("[KILN_ARG_0]", "is reserved"),
        ("[SET]", "`SET` is set in `env`, and passed from outside"),
        ("[{A: B}]", "an item of `pass` has to be the name of a variable"),
        ("{A: B}", "`pass` has to be a list of names of variables"),
    ] {
        let ran = Project::new(&format!(
            "version: 1\nstages:\n  s: {{run: \"true\", env: {{SET: 1, pass: {pass}}}, outputs: {{x: out/x}}}}\n"
        ))
        .kiln(&["run"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(why), "{pass}: {}", ran.stderr);
    }
    // A variable may be called so.
    let project =
        Project::new("version: 1\nstages:\n  s: {run: echo $pass > out/x, env: {pass: word}, outputs: {x: out/x}}\n");
    project.run(&[]);
    assert_eq!(project.read("out/x"), "word\n");
}

#[test]
fn threads_follow_the_processors() {
    let project = Project::new(
        "
            version: 1
            stages:
              s:
                run: echo $OMP_NUM_THREADS $MKL_NUM_THREADS $RAYON_NUM_THREADS > out/x
                resources: {cpus: 3}
                env: {MKL_NUM_THREADS: 7}
                outputs: {x: out/x}
        ",
    );
    project.run(&["--jobs", "4"]);
    assert_eq!(project.read("out/x"), "3 7 3\n");
    // Resources are in no key.
    project.edit("pipeline.yaml", "cpus: 3", "cpus: 2");
    assert_eq!(project.run(&["--jobs", "4"]).outcome("s"), "up-to-date");
}

#[test]
fn a_value_cannot_become_code() {
    let project = Project::new(
        r#"
            version: 1
            params: {name: "x; touch pwned; echo $(id)"}
            stages:
              say:
                run: echo ${params.name} > out/said.txt; ls > out/files.txt
                outputs: {said: out/said.txt, files: out/files.txt}
        "#,
    );
    project.run(&[]);
    assert_eq!(project.read("out/said.txt"), "x; touch pwned; echo $(id)\n");
    assert!(!project.read("out/files.txt").contains("pwned"));
}

#[test]
fn argv_needs_no_shell() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              copy:
                run: [cp, in.txt, "${outputs.copy}"]
                inputs: {text: in.txt}
                outputs: {copy: out/copy of it.txt}
        "#,
    );
    project.write("in.txt", "bytes\n").run(&[]);
    assert_eq!(project.read("out/copy of it.txt"), "bytes\n");
}

#[test]
fn folders_are_inputs_and_outputs() {
    let project = Project::new(
        "
            version: 1
            stages:
              split:
                run: mkdir out/parts; for f in notes/*; do cp $f out/parts/; done
                inputs: {notes: notes}
                outputs: {parts: out/parts}
              count:
                run: ls out/parts | wc -l | tr -d ' ' > out/count.txt
                inputs: {parts: {from: split.parts}}
                outputs: {count: out/count.txt}
        ",
    );
    project.write("notes/a.md", "a").write("notes/b.md", "b").run(&[]);
    assert_eq!(project.read("out/count.txt"), "2\n");
    let record = project.write("notes/c.md", "c").run(&[]);
    assert_eq!(record.with("executed"), ["count", "split"]);
    assert_eq!(project.read("out/count.txt"), "3\n");
    std::fs::remove_file(project.root().join("out/parts/a.md")).expect("remove");
    assert_eq!(project.run(&[]).with("restored"), ["split"]);
    assert_eq!(project.read("out/parts/a.md"), "a");
}

#[test]
fn metrics_of_a_command_enter_the_record() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              score:
                run: "echo '{\"accuracy\": 0.5, \"by\": {\"a\": 1}}' > out/m.json"
                outputs: {scores: {path: out/m.json, role: metrics}}
        "#,
    );
    let record = project.run(&[]);
    assert_eq!(record.stage("score")["metrics"], serde_json::json!({"accuracy": 0.5, "by.a": 1.0}));
}

#[test]
fn a_timeout_stops_the_command_and_all_it_started() {
    let (project, ran) = failing(
        "version: 1\nstages:\n  hang:\n    run: sleep 60 & sleep 60\n    timeout: 1s\n    outputs: {x: out/x.txt}\n",
    );
    let record = ran.record();
    let error = record.stage("hang")["error"].as_str().expect("an error");
    assert!(error.contains("timeout of 1 s"), "{error}");
    assert!(!project.root().join("out/x.txt").exists());
}

#[test]
fn a_retry_gives_a_second_chance() {
    // Scratch directories are fresh, so the flag lies outside of them.
    let flag = crate::project::mailbox();
    let flag = flag.path().join("tried");
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              flaky:
                run: test -e {flag} || {{ touch {flag}; exit 3; }}; echo ok > out/x.txt
                retries: 1
                outputs: {{x: out/x.txt}}
        ",
        flag = flag.display()
    ));
    assert_eq!(project.run(&[]).outcome("flaky"), "executed");
}

#[test]
fn attempts_are_apart_in_the_log_and_the_last_one_is_told() {
    let project = Project::new(
        "version: 1\nstages:\n  bad: {run: printf 'cannot do it in '; pwd; printf cut; exit 3, retries: 2, outputs: {x: out/x}}\n",
    );
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1));
    let log = project.kiln(&["log", "bad"]).stdout;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 8, "{log}");
    for (attempt, lines) in lines.chunks(3).enumerate() {
        assert!(lines[0].starts_with("cannot do it in") && lines[1] == "cut", "{log}");
        assert!(attempt == 2 || lines[2] == format!("kiln: attempt {} of 3", attempt + 2), "{log}");
    }
    let record = ran.record();
    let error = record.stage("bad")["error"].as_str().expect("an error");
    assert!(error.matches("cannot do it").count() == 1 && !error.contains("attempt"), "{error}");
}

#[test]
fn a_failure_skips_what_needs_it_and_keep_going_does_the_rest() {
    let pipeline = "\
version: 1
stages:
  bad: {run: \"echo broken >&2; exit 3\", outputs: {x: out/bad.txt}}
  after: {run: cp out/bad.txt out/after.txt, inputs: {x: {from: bad.x}}, outputs: {x: out/after.txt}}
  good: {run: echo good > out/good.txt, outputs: {x: out/good.txt}}
  better: {run: cp out/good.txt out/better.txt, inputs: {x: {from: good.x}}, outputs: {x: out/better.txt}}
";
    let project = Project::new(pipeline);
    let ran = project.kiln(&["run", "--json", "--keep-going"]);
    assert_eq!(ran.code, Some(1));
    let record = ran.record();
    assert_eq!(record.0["status"], "failed");
    assert_eq!((record.outcome("bad"), record.outcome("after")), ("failed", "skipped"));
    assert_eq!(record.with("executed"), ["better", "good"]);
    assert!(ran.stderr.contains("broken") && ran.stderr.contains("exit status: 3"), "{}", ran.stderr);
}

#[test]
fn a_stage_has_its_own_words_in_its_log_and_no_others() {
    let project = Project::new(
        "
            version: 1
            stages:
              slow: {run: sleep 0.3; echo a > out/a, outputs: {o: out/a}}
              talks: {run: echo hello; cat out/a > out/b, inputs: {i: {from: slow.o}}, outputs: {o: out/b}}
              talks_long: {run: echo long; sleep 0.3; echo end; cat out/b > out/c, inputs: {i: {from: talks.o}}, outputs: {o: out/c}}
              rude: {run: echo gone; rm -rf ../log; cat out/c > out/d, inputs: {i: {from: talks_long.o}}, outputs: {o: out/d}}
              ruder: {run: rm -f ../log; cat out/d > out/e; cp out/e ../log, inputs: {i: {from: rude.o}}, outputs: {o: out/e}}
              last: {run: echo bye; cat out/e > out/f, inputs: {i: {from: ruder.o}}, outputs: {o: out/f}}
        ",
    );
    project.run(&["--jobs", "1"]);
    let words = [("slow", ""), ("talks", "hello\n"), ("talks_long", "long\nend\n"), ("rude", "gone\n"), ("ruder", "")];
    for (stage, text) in words.into_iter().chain([("last", "bye\n")]) {
        let log = project.kiln(&["log", stage]);
        assert_eq!((log.code, log.stdout.as_str()), (Some(0), text), "{stage}: {}", log.stderr);
    }
}

#[test]
fn stages_that_want_a_gpu_do_not_meet() {
    let mail = crate::project::mailbox();
    let place = mail.path().display();
    // On a machine with several GPUs two may run, each with its own.
    let mut pipeline = String::from("version: 1\nstages:\n");
    for name in ["a", "b", "c"] {
        pipeline += &format!(
            "  {name}:\n    run: |\n      gpu=$${{CUDA_VISIBLE_DEVICES:-$${{HIP_VISIBLE_DEVICES:-none}}}}\n      \
             mkdir {place}/$gpu\n      sleep 0.2\n      rmdir {place}/$gpu\n      echo $gpu > out/{name}\n    \
             resources: {{gpu: 1}}\n    outputs: {{o: out/{name}}}\n"
        );
    }
    let project = Project::new(&pipeline);
    let mut command = project.command(&["run", "--jobs", "4"]);
    command.env_remove("CUDA_VISIBLE_DEVICES").env_remove("HIP_VISIBLE_DEVICES");
    let ran = Ran::from(command.output().expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = ran.stderr.matches("Kiln finds none on this machine; such stages run one at a time").count();
    assert_eq!(told, usize::from(project.read("out/a") == "none\n"), "{}", ran.stderr);
}

#[test]
fn what_narrows_the_gpus_of_kiln_narrows_those_of_a_stage() {
    let project =
        Project::new("version: 1\nstages:\n  s: {run: echo $CUDA_VISIBLE_DEVICES > out/x, outputs: {x: out/x}}\n");
    let run = |list: &str| {
        let ran =
            Ran::from(project.command(&["run", "--json"]).env("CUDA_VISIBLE_DEVICES", list).output().expect("kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.record().outcome("s").to_owned()
    };
    assert_eq!(run("5"), "executed");
    assert_eq!(project.read("out/x"), "5\n");
    assert_eq!(run("6"), "up-to-date");
}

#[test]
fn a_file_that_a_command_was_given_is_no_concern_of_the_next() {
    let project = Project::new(
        "
            version: 1
            stages:
              a: {run: cat one > out/a, inputs: {x: one}, outputs: {o: out/a}}
              b: {run: ln two out/b, inputs: {x: two, y: {from: a.o}}, outputs: {o: out/b}}
              c: {run: mv three out/c, inputs: {x: three, y: {from: b.o}}, outputs: {o: out/c}}
              d:
                run: cat one two out/c > out/d; ls > out/l
                inputs: {x: one, y: two, z: {from: c.o}}
                outputs: {o: out/d, l: out/l}
              e:
                run: find . -type f ! -path ./out/e | sort > out/e; chmod u+w four
                inputs: {x: four, y: {from: d.o}}
                outputs: {o: out/e}
              f: {run: cat out/e one three > out/f, inputs: {x: one, y: three, z: {from: e.o}}, outputs: {o: out/f}}
        ",
    );
    let given = ["one", "two", "three", "four"];
    for (n, name) in given.iter().enumerate() {
        project.write(name, &format!("{name}\n").repeat(5 - n));
    }
    project.run(&["--jobs", "1"]);
    let text = |name: &str| project.read(name);
    for (output, of) in [("out/a", "one"), ("out/b", "two"), ("out/c", "three")] {
        assert_eq!(text(output), text(of), "{output}");
    }
    assert_eq!(text("out/d"), [text("one"), text("two"), text("three")].concat());
    assert_eq!(text("out/l"), "one\nout\ntwo\n");
    assert_eq!(text("out/e"), "./four\n./out/d\n");
    assert_eq!(text("out/f"), [text("out/e"), text("one"), text("three")].concat());
    assert_eq!(project.run(&[]).with("up-to-date").len(), 6);
}

#[test]
fn a_command_can_make_its_input_a_program() {
    let project = Project::new(
        "
            version: 1
            stages:
              a: {run: chmod +x tool && ./tool > out/a, inputs: {x: tool}, outputs: {o: out/a}}
              b: {run: mv tool t && chmod +x t && ./t > out/b, inputs: {x: tool, y: {from: a.o}}, outputs: {o: out/b}}
        ",
    );
    project.write("tool", "#!/bin/sh\necho made\n");
    project.run(&["--jobs", "1"]);
    assert_eq!((project.read("out/a"), project.read("out/b")), ("made\n".to_owned(), "made\n".to_owned()));
}

#[test]
fn a_file_of_a_folder_that_one_command_was_given_is_the_input_of_the_next() {
    let project = Project::new(
        "
            version: 1
            stages:
              a:
                run: cat src/main.py src/table.csv > out/a
                inputs: {code: {path: src, only: ['**/*.py']}, table: src/table.csv}
                outputs: {o: out/a}
              b: {run: cat src/table.csv > out/b, inputs: {table: src/table.csv, y: {from: a.o}}, outputs: {o: out/b}}
        ",
    );
    project.write("src/main.py", "code\n");
    project.write("src/table.csv", "1,2\n");
    project.run(&["--jobs", "1"]);
    assert_eq!((project.read("out/a"), project.read("out/b")), ("code\n1,2\n".to_owned(), "1,2\n".to_owned()));
}
