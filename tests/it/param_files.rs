//! `params:` from files: what counts, what lies over what, and that a change is noticed.

use crate::project::Project;

const PIPELINE: &str = "\
version: 1
params: [params.yaml, config/more.toml, {words: 2}, last.json]
profiles:
  full: {params: {train: {epochs: 90}}}
  file: {params: full.yaml}
stages:
  train:
    run: echo ${params.train.epochs} ${params.train.lr} > out/train
    outputs: {x: out/train}
  split:
    run: echo ${params.seed} ${params.words} ${params.who} > out/split
    outputs: {x: out/split}
  theirs:
    run: [sh, -c, 'printf \"%s\\n\" \"$1\" > out/theirs', sh, \"${params.theirs}\"]
    outputs: {x: out/theirs}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write(
        "params.yaml",
        "# of the scripts, too\nbase: &base {lr: 0.1, epochs: 1}\ntrain:\n  <<: *base\n  epochs: 3\nseed: 1\ntheirs: ${base.lr}\n",
    );
    project.write("config/more.toml", "seed = 7\nunused = 2026-11-28\n[data]\nfolder = 'images'\n");
    project.write("last.json", "{\n\t\"who\": \"\\ud83d\\ude00\"\n}\n");
    project.write("full.yaml", "seed: 8\n");
    project
}

#[test]
fn files_lie_over_each_other_in_their_order() {
    let project = project();
    project.run(&[]);
    assert_eq!(project.read("out/train"), "3 0.1\n");
    assert_eq!(project.read("out/split"), "7 2 \u{1f600}\n");
    assert_eq!(project.read("out/theirs"), "${base.lr}\n", "what another program reads in it is left alone");
}

#[test]
fn a_parameter_counts_and_not_the_file_that_it_stands_in() {
    let project = project();
    project.run(&[]);
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    // The pipeline file is as it was, so the kept pipeline is looked for: it must not be taken.
    project.edit("params.yaml", "epochs: 3", "epochs: 4");
    let record = project.run(&[]);
    assert_eq!(record.with("executed"), ["train"]);
    assert!(record.reasons("train").contains("\"3\" => \"4\""), "{}", record.reasons("train"));
    assert_eq!(project.read("out/train"), "4 0.1\n");
    project.edit("params.yaml", "# of the scripts, too\n", "unused: 3\n\n# another comment\n");
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    project.edit("config/more.toml", "seed = 7", "seed = 9");
    let why = project.kiln(&["why", "split"]);
    assert!(why.stdout.contains("\"7\" => \"9\""), "{}", why.stdout);
    assert_eq!(project.run(&[]).with("executed"), ["split"]);
    project.edit("config/more.toml", "seed = 9", "seed = 7");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    assert_eq!(project.read("out/split"), "7 2 \u{1f600}\n");
}

#[test]
fn a_profile_lies_over_files_and_set_over_both() {
    let project = project();
    project.run(&["--profile", "full", "--set", "train.lr=0.5"]);
    assert_eq!(project.read("out/train"), "90 0.5\n");
    project.run(&["--profile", "file"]);
    assert_eq!((project.read("out/train"), project.read("out/split")), ("3 0.1\n".into(), "8 2 \u{1f600}\n".into()));
}

#[test]
fn a_mistake_is_shown_in_the_file_where_it_stands() {
    let project = project();
    project.run(&[]);
    project.write("config/more.toml", "seed = 7\nseed = 8\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("config/more.toml:2:1"), "{}", ran.stderr);
    std::fs::remove_file(project.root().join("config/more.toml")).expect("remove");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("pipeline.yaml:2:23"), "{}", ran.stderr);
    project.write("config/more.toml", "seed = 7\n");
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
}

#[test]
fn many_stages_notice_a_changed_file() {
    // So many that the kept pipeline is taken in parts.
    let project = Project::new(
        r#"
            version: 1
            params: p.yaml
            stages:
              one:
                matrix: {i: "${params.all}"}
                run: echo ${matrix.i} ${params.x} > out/${matrix.i}
                outputs: {x: "out/${matrix.i}"}
              two:
                run: echo ${params.y} > out/two
                outputs: {x: out/two}
        "#,
    );
    let all: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    project.write("p.yaml", &format!("all: [{}]\nx: 1\ny: 1\n", all.join(", ")));
    project.run(&[]);
    for _ in 0..3 {
        assert_eq!(project.run_plainly(&[]).with("executed").len(), 0);
    }
    project.edit("p.yaml", "y: 1", "y: 2");
    assert_eq!(project.run_plainly(&[]).with("executed"), ["two"]);
    project.edit("p.yaml", "0, 1,", "0,");
    assert_eq!(project.run_plainly(&[]).0["stages"].as_array().expect("stages").len(), 300);
}

#[test]
fn numbers_of_json_files_are_taken_as_they_are_or_not_at_all() {
    let pipeline = "version: 1\nparams: p.json\nstages:\n  a: {run: 'echo ${params.n} > out/a', outputs: {x: out/a}}\n";
    let project = Project::new(pipeline);
    for (number, expected) in [
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-0", "0"),
        ("0.10", "0.1"),
    ] {
        project.write("p.json", &format!("{{\"n\": {number}}}\n"));
        project.run(&[]);
        assert_eq!(project.read("out/a"), format!("{expected}\n"));
    }
    for number in ["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"] {
        project.write("p.json", &format!("{{\"n\": {number}}}\n"));
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(number) && ran.stderr.contains("64 bits"), "{}", ran.stderr);
        assert!(ran.stderr.contains("p.json:1:7"), "{}", ran.stderr);
    }
}

#[test]
fn what_is_laid_out_by_keys_is_the_same_to_a_reader_of_yaml_1_1() {
    let project = Project::new(
        "
        version: 1
        params: params.yaml
        stages:
          a:
            run: cat params.yaml > out/a
            inputs: {p: {path: params.yaml, keys: [lr, at, day, flag, name, url]}}
            outputs: {x: out/a}
        ",
    );
    let file = "lr: 1.0e-3\nat: 12:30:45\nday: 2026-12-01 10:00:00\nflag: &flag yes\nname: \"a\\x7fb\\x85c\"\nurl: http://x/y\n";
    project.write("params.yaml", file);
    let expected = |lr: &str| {
        format!(
            "{{at: 12:30:45, day: 2026-12-01 10:00:00, flag: yes, lr: {lr}, name: \"a\\u007fb\\u0085c\", url: \"http://x/y\"}}\n"
        )
    };
    project.run(&[]);
    assert_eq!(project.read("out/a"), expected("1.0e-3"));
    for (set, written) in [("true", "flag: true"), ("false", "flag: false"), ("no", "flag: \"no\"")] {
        project.run(&["--set", &format!("flag={set}")]);
        assert!(project.read("out/a").contains(&format!("{written},")), "{}", project.read("out/a"));
    }
    // What changed is told by its key, times included.
    project.run(&[]);
    project.edit("params.yaml", "12:30:45", "12:30:46");
    let status = project.kiln(&["status"]).stdout;
    assert!(status.contains("12:30:45") && status.contains("12:30:46"), "{status}");
    project.edit("params.yaml", "12:30:46", "12:30:45");
    // PyYAML takes `1e-6` and `1.0e20` for texts.
    for (set, written) in [("1e-6", "1.0e-6"), ("1.5e-7", "1.5e-7"), ("1e20", "1.0e+20"), ("0.5", "0.5"), ("3", "3")] {
        project.run(&["--set", &format!("lr={set}")]);
        assert_eq!(project.read("out/a"), expected(written));
    }
}

#[test]
fn a_mapping_is_merged_from_one_place() {
    let pipeline =
        "version: 1\nparams: p.yaml\nstages:\n  a: {run: 'echo ${params.c.lr} > out/a', outputs: {x: out/a}}\n";
    let project = Project::new(pipeline);
    project.write("p.yaml", "a: &a {lr: 1}\nb: &b {lr: 2}\nc:\n  <<: *a\n  <<: *b\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`<<` stands twice in one mapping"), "{}", ran.stderr);
    project.write("p.yaml", "a: &a {lr: 1}\nb: &b {lr: 2}\nc:\n  <<: [*b, *a]\n");
    project.run(&[]);
    assert_eq!(project.read("out/a"), "2\n");
}
