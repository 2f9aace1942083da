//! What is executed again, and what is not.

use crate::project::Project;

/// Two words, counted one by one, then together.
const WORDS: &str = "\
version: 1
params:
  least: 1
stages:
  upper:
    run: tr a-z A-Z < words.txt > out/upper.txt
    inputs: {words: words.txt}
    outputs: {text: out/upper.txt}
  lines:
    run: wc -l < out/upper.txt | tr -d ' ' > out/lines.txt
    inputs: {text: {from: upper.text}}
    outputs: {count: out/lines.txt}
  long:
    run: awk -v least=${params.least} 'length($0) >= least' out/upper.txt > out/long.txt
    inputs: {text: {from: upper.text}}
    outputs: {text: out/long.txt}
  report:
    run: cat out/lines.txt out/long.txt > out/report.txt
    inputs:
      count: {from: lines.count}
      text: {from: long.text}
    outputs: {report: out/report.txt}
";

fn words() -> Project {
    let project = Project::new(WORDS);
    project.write("words.txt", "kiln\nclay\nfire\n");
    project
}

#[test]
fn a_second_run_executes_nothing() {
    let project = words();
    let first = project.run(&[]);
    assert_eq!(first.with("executed").len(), 4);
    assert_eq!(project.read("out/report.txt"), "3\nKILN\nCLAY\nFIRE\n");
    let second = project.run(&[]);
    assert_eq!(second.with("up-to-date").len(), 4);
    assert_eq!(first.digests(), second.digests());
}

#[test]
fn a_changed_parameter_executes_its_stage_and_what_depends_on_it() {
    let project = words();
    project.write("words.txt", "ash\nkiln\n").run(&[]);
    let record = project.edit("pipeline.yaml", "least: 1", "least: 4").run(&[]);
    assert_eq!(record.with("executed"), ["long", "report"]);
    assert_eq!(record.with("up-to-date"), ["lines", "upper"]);
    assert!(record.reasons("long").contains("least"), "{}", record.reasons("long"));
    assert_eq!(project.read("out/report.txt"), "2\nKILN\n");
}

#[test]
fn set_overrides_a_parameter_and_going_back_restores() {
    let project = words();
    project.run(&[]);
    let record = project.run(&["--set", "params.least=5"]);
    assert_eq!(record.with("executed"), ["long", "report"]);
    assert_eq!(project.read("out/long.txt"), "");
    let record = project.run(&[]);
    assert_eq!(record.with("restored"), ["long", "report"]);
    assert_eq!(project.read("out/long.txt"), "KILN\nCLAY\nFIRE\n");
}

#[test]
fn comments_order_and_spelling_execute_nothing() {
    let project = words();
    project.run(&[]);
    project.write(
        "pipeline.yaml",
        &WORDS.replace("stages:\n", "# a comment\nstages:\n").replace(
            "    inputs: {words: words.txt}\n    outputs: {text: out/upper.txt}\n",
            "    outputs:\n      \"text\": out/upper.txt\n    inputs:\n      words: 'words.txt'   # quoted\n",
        ),
    );
    assert_eq!(project.run(&[]).with("up-to-date").len(), 4);
}

#[test]
fn a_stage_that_comes_out_the_same_leaves_its_dependants_up_to_date() {
    let project = words();
    project.run(&[]);
    // Lower and upper case give the same upper case.
    let record = project.write("words.txt", "Kiln\nClay\nFire\n").run(&[]);
    assert_eq!(record.with("executed"), ["upper"]);
    assert_eq!(record.with("up-to-date"), ["lines", "long", "report"]);
}

#[test]
fn a_deleted_output_is_put_right_and_an_edited_one_on_request_and_the_store_is_untouched() {
    let project = words();
    project.run(&[]);
    project.write("out/upper.txt", "an edit in place\n");
    std::fs::remove_file(project.root().join("out/lines.txt")).expect("remove");
    assert_eq!(project.kiln(&["run", "--keep-going"]).code, Some(1));
    assert_eq!(project.read("out/upper.txt"), "an edit in place\n");
    let record = project.run(&["--force-overwrite"]);
    assert_eq!(record.with("executed"), Vec::<String>::new());
    assert_eq!(record.with("restored"), ["lines", "upper"]);
    assert_eq!(project.read("out/upper.txt"), "KILN\nCLAY\nFIRE\n");
    assert_eq!(project.read("out/lines.txt"), "3\n");
}

#[test]
fn an_edit_that_keeps_size_and_mtime_is_noticed() {
    let project = words();
    project.run(&[]);
    let path = project.root().join("words.txt");
    let modified = std::fs::metadata(&path).expect("stat").modified().expect("mtime");
    std::fs::write(&path, "kiln\nclay\ngold\n").expect("write");
    std::fs::File::options().write(true).open(&path).expect("open").set_modified(modified).expect("set mtime");
    assert!(project.run(&[]).with("executed").contains(&"upper".to_owned()));
    assert_eq!(project.read("out/long.txt"), "KILN\nCLAY\nGOLD\n");
}

#[test]
fn renaming_a_stage_or_the_checkout_executes_no_built_work_again() {
    let project = words();
    project.run(&[]);
    let record = project
        .write("pipeline.yaml", &WORDS.replace("upper:", "capitals:").replace("upper.text", "capitals.text"))
        .run(&[]);
    assert_eq!(record.with("executed"), Vec::<String>::new());
}

#[test]
fn force_executes_a_stage_and_nothing_below_it_when_it_comes_out_the_same() {
    let project = words();
    project.run(&[]);
    let record = project.run(&["--force", "upper"]);
    assert_eq!(record.with("executed"), ["upper"]);
    assert_eq!(record.reasons("upper"), "forced");
}

#[test]
fn targets_run_with_what_they_need_and_nothing_else() {
    let project = words();
    let record = project.run(&["lines"]);
    assert_eq!(record.with("executed"), ["lines", "upper"]);
    assert!(!project.root().join("out/long.txt").exists());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let project = words();
    project.run(&[]);
    project.edit("pipeline.yaml", "least: 1", "least: 4");
    let ran = project.kiln(&["run", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = ran.stdout;
    assert!(text.contains("long") && text.contains("execute"), "{text}");
    assert!(text.lines().any(|l| l.contains("report") && l.contains("depends on long")), "{text}");
    assert_eq!(project.run(&["upper", "lines"]).with("up-to-date").len(), 2);
}

#[test]
fn a_matrix_variant_is_executed_alone() {
    let pipeline = |last: u32| {
        format!(
            "version: 1\nstages:\n  square:\n    matrix: {{n: {{a: 2, b: 3, c: {last}}}}}\n    \
             run: echo $((${{matrix.n}} * ${{matrix.n}})) > ${{outputs.value}}\n    \
             outputs: {{value: \"out/${{matrix.n}}.txt\"}}\n  \
             sum:\n    run: cat ${{inputs.values}} | awk '{{s += $1}} END {{print s}}' > out/sum.txt\n    \
             inputs: {{values: {{from: \"square[*].value\"}}}}\n    outputs: {{sum: out/sum.txt}}\n"
        )
    };
    let project = Project::new(&pipeline(4));
    project.run(&[]);
    assert_eq!(project.read("out/sum.txt"), "29\n");
    let record = project.write("pipeline.yaml", &pipeline(5)).run(&[]);
    assert_eq!(record.with("executed"), ["square[n=c]", "sum"]);
    assert_eq!(project.read("out/sum.txt"), "38\n");
}
