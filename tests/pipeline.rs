//! What good pipelines become: variants, edges, order, parameters, commands, and targets.

#[path = "pipeline/schema.rs"]
mod schema;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use kiln::diagnostic::Diagnostic;
use kiln::pipeline::{self, Body, Command, From, Overrides, Pipeline, Stage, StageId};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A project folder with a pipeline.
struct Project(tempfile::TempDir);

impl Project {
    fn new(pipeline: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        support::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/project"), root.path());
        fs::write(root.path().join("pipeline.yaml"), pipeline).unwrap();
        Self(root)
    }

    fn try_load(&self, overrides: &Overrides) -> Result<Pipeline, Vec<Diagnostic>> {
        pipeline::load(&self.0.path().join("pipeline.yaml"), &support::catalog(), overrides)
    }
}

fn load(text: &str) -> Pipeline {
    Project::new(text).try_load(&Overrides::default()).unwrap_or_else(|d| panic!("{d:#?}"))
}

fn refusals(text: &str) -> Vec<String> {
    match Project::new(text).try_load(&Overrides::default()) {
        Ok(_) => vec![],
        Err(diagnostics) => diagnostics.into_iter().map(|d| d.message).collect(),
    }
}

fn names(pipeline: &Pipeline) -> Vec<String> {
    pipeline.stages.iter().map(|s| s.name.to_string()).collect()
}

fn stage<'p>(pipeline: &'p Pipeline, name: &str) -> &'p Stage {
    pipeline.stages.iter().find(|s| s.name.to_string() == name).unwrap_or_else(|| panic!("no {name}"))
}

/// `(label, producer.output or path)` of an input.
fn input(pipeline: &Pipeline, name: &str, input: &str) -> Vec<(String, String)> {
    stage(pipeline, name).inputs[&input.to_owned()]
        .iter()
        .map(|i| match &i.from {
            From::Source(path) => (i.label.clone(), path.display().to_string()),
            From::Output { stage, output } => (i.label.clone(), format!("{}.{output}", pipeline.stages[stage.0].name)),
        })
        .collect()
}

fn with(stage: &Stage) -> &Value {
    match &stage.body {
        Body::Uses { params, .. } => params,
        Body::Run(_) => panic!("a command"),
    }
}

const STUDY: &str = r#"
version: 1
params:
  epochs: 3
  title: ${params.name} at ${params.epochs}
  name: study
  rates: {low: 0.001, high: {value: 0.1}}
profiles:
  full: {params: {epochs: 30, rates: {low: 0.002}}}
stages:
  table:
    uses: plot
    inputs: {scores: {from: "score[*].metrics"}}
  score:
    uses: score
    matrix: {model: [1, 2], seed: [7, 8]}
    inputs: {weights: {from: train.weights}, data: data/train.csv}
  train:
    uses: learn
    matrix: {model: [1, 2], seed: [7, 8]}
    inputs: {data: ./data//train.csv, model: models/good.yaml}
    with: {epochs: "${params.epochs}", seed: "${matrix.seed}", optimiser: {rate: "${params.rates.low}"}}
    resources: {cpus: 2, gpu: "${matrix.model}", device: cuda:0}
    timeout: 1h30m
    retries: 2
  one:
    uses: plot
    matrix: {seed: [8]}
    inputs: {scores: [{from: "score[model=2].metrics"}, {from: "score[model=1,seed=*].metrics"}]}
"#;

#[test]
fn references_take_one_follow_or_gather() {
    let pipeline = load(STUDY);
    let pair = |label: &str, from: &str| (label.to_owned(), from.to_owned());
    assert_eq!(
        input(&pipeline, "score[model=1,seed=8]", "weights"),
        [pair("model=1,seed=8", "train[model=1,seed=8].weights")]
    );
    assert_eq!(input(&pipeline, "train[model=2,seed=7]", "data"), [pair("", "data/train.csv")]);
    let gathered = input(&pipeline, "table", "scores");
    assert_eq!(gathered.len(), 4);
    assert_eq!(gathered[3], pair("model=2,seed=8", "score[model=2,seed=8].metrics"));
    assert_eq!(
        input(&pipeline, "one[seed=8]", "scores"),
        [
            pair("model=2,seed=8", "score[model=2,seed=8].metrics"),
            pair("model=1,seed=7", "score[model=1,seed=7].metrics"),
            pair("model=1,seed=8", "score[model=1,seed=8].metrics"),
        ]
    );
}

#[test]
fn stages_stand_in_topological_order_and_else_as_declared() {
    let pipeline = load(STUDY);
    let names = names(&pipeline);
    assert_eq!(names[0], "train[model=1,seed=7]");
    let at = |name: &str| names.iter().position(|n| n == name).unwrap();
    assert!(at("train[model=1,seed=8]") < at("train[model=2,seed=7]"));
    assert!(at("score[model=2,seed=8]") < at("table") && at("table") < at("one[seed=8]"));
    for edge in pipeline.graph.raw_edges() {
        assert!(edge.source() < edge.target());
    }
    assert_eq!(pipeline.graph.edge_count(), 4 + 4 + 3);
    for (i, id) in pipeline.graph.node_weights().enumerate() {
        assert_eq!(*id, StageId(i));
    }
}

#[test]
fn parameters_keep_their_types_and_defaults_are_filled_in() {
    let pipeline = load(STUDY);
    let train = stage(&pipeline, "train[model=2,seed=8]");
    assert_eq!(with(train), &json!({"epochs": 3, "seed": 8, "optimiser": {"rate": 0.001}}));
    assert_eq!(pipeline.params["title"], "study at 3");
    assert_eq!((train.resources.cpus, train.resources.gpu, train.resources.device.as_str()), (2, 2, "cuda:0"));
    assert_eq!((train.timeout, train.retries), (Some(Duration::from_secs(5_400)), 2));
    assert_eq!(train.outputs[&"weights".to_owned()].path, PathBuf::from("out/train/2,8/weights.bin"));
    assert_eq!(stage(&pipeline, "table").outputs[&"svg".to_owned()].path, PathBuf::from("out/table/figure.svg"));
}

#[test]
fn a_profile_is_merged_and_set_has_the_last_word() {
    let project = Project::new(STUDY);
    let full = Overrides { profile: Some("full".into()), ..Overrides::default() };
    let pipeline = project.try_load(&full).unwrap();
    assert_eq!(pipeline.params["epochs"], 30);
    assert_eq!(pipeline.params["rates"], json!({"low": 0.002, "high": {"value": 0.1}}));
    let set = ["params.epochs=5", "rates.high={value: [1, 2]}", "name=${params.epochs} epochs"];
    let pipeline = project.try_load(&Overrides { set: set.map(str::to_owned).into(), ..full }).unwrap();
    assert_eq!(pipeline.params["title"], "5 epochs at 5");
    assert_eq!(pipeline.params["rates"]["high"], json!({"value": [1, 2]}));
}

#[test]
fn axes_have_labels_exclusions_additions_and_may_follow() {
    let pipeline = load(
        r#"
version: 1
params: {files: {z-last: {path: data/train.csv}, a-first: {path: models/good.yaml}}}
stages:
  get:
    run: cp ${inputs.file} ${outputs.copy}
    matrix: {file: "${params.files}"}
    inputs: {file: "${matrix.file.path}"}
    outputs: {copy: "out/${label.file}"}
  use:
    uses: plot
    matrix:
      from: get
      k: [0.5, a/b, 1e-5]
      exclude: [{file: z-last, k: 0.5}, {k: a/b, file: a-first}]
      include: [{file: a-first, k: extra}]
    inputs: {scores: {from: get.copy}}
"#,
    );
    assert_eq!(
        names(&pipeline),
        [
            "get[file=z-last]",
            "get[file=a-first]",
            "use[file=z-last,k=a/b]",
            "use[file=z-last,k=0.00001]",
            "use[file=a-first,k=0.5]",
            "use[file=a-first,k=0.00001]",
            "use[file=a-first,k=extra]",
        ]
    );
    let odd = stage(&pipeline, "use[file=z-last,k=a/b]");
    assert_eq!(odd.outputs[&"svg".to_owned()].path, PathBuf::from("out/use/z-last,a%2Fb/figure.svg"));
    assert_eq!(input(&pipeline, "use[file=z-last,k=a/b]", "scores")[0].1, "get[file=z-last].copy");
}

#[test]
fn a_path_that_a_stage_writes_is_an_edge() {
    let pipeline = load(
        "version: 1\nstages:\n  b: {run: x, inputs: {a: ./out/a}, outputs: {b: out/b}}\n  a: {run: x, outputs: {a: out/a/}}\n",
    );
    assert_eq!(names(&pipeline), ["a", "b"]);
    assert_eq!(input(&pipeline, "b", "a"), [(String::new(), "a.a".to_owned())]);
    assert_eq!(pipeline.graph.edge_count(), 1);
}

/// Runs a stage's command and returns what it prints.
fn run(stage: &Stage) -> String {
    let Body::Run(Command::Shell(script)) = &stage.body else { panic!("no script") };
    let output = Process::new("sh").args(["-eu", "-c", script]).env_clear().envs(&stage.env).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const NASTY: &str = r#"a  b'c"d$(echo x)`echo y`;*\ $HOME #z"#;

#[test]
fn values_in_a_script_never_become_code() {
    let nasty = serde_json::to_string(NASTY).unwrap();
    let pipeline = load(&format!(
        r##"
version: 1
params: {{v: {nasty}, n: 3}}
stages:
  s:
    run: |
      # it's a comment with ${{params.v}} in it
      printf '%s|' ${{params.v}} "<${{params.v}}>" x${{params.v}}y '$${{not}}' "$(printf '%s' ${{params.v}})" $((${{params.n}} + 1))
      cat <<END
      it's ${{params.v}}
      END
      X=1; printf '%s' "$${{X}}" ${{inputs.all}}
    inputs: {{all: [data/train.csv, models/good.yaml]}}
    outputs: {{o: out/s}}
"##
    ));
    let expected =
        format!("{NASTY}|<{NASTY}>|x{NASTY}y|${{not}}|{NASTY}|4|it's {NASTY}\n1data/train.csvmodels/good.yaml");
    assert_eq!(run(&pipeline.stages[0]), expected);
    let Body::Run(Command::Shell(script)) = &pipeline.stages[0].body else { panic!() };
    assert!(!script.contains("echo x"), "{script}");
}

#[test]
fn values_in_a_list_stay_one_argument() {
    let pipeline = load(
        r#"
version: 1
params: {v: "a b; c", n: 3}
stages:
  s:
    run: [prog, "${params.v}", "--n=${params.n}", "${inputs.all}", "${outputs.o}", 7, "$${x}"]
    inputs: {all: [data/train.csv, models/good.yaml]}
    outputs: {o: out/s}
    env: {A: "${params.n}", B: "${outputs.o}", C: true}
"#,
    );
    let Body::Run(Command::Argv(argv)) = &pipeline.stages[0].body else { panic!() };
    assert_eq!(argv, &["prog", "a b; c", "--n=3", "data/train.csv", "models/good.yaml", "out/s", "7", "${x}"]);
    assert_eq!(Vec::from_iter(pipeline.stages[0].env.values()), ["3", "out/s", "true"]);
}

#[test]
fn a_mistake_in_a_matrix_is_told_once() {
    let found = refusals(
        "version: 1\nstages:\n  s:\n    uses: plot\n    matrix: {m: [1, 2, 3]}\n    inputs: {scores: {from: nobody.x}}\n    with: {a: \"${params.b}\"}\n",
    );
    assert_eq!(found, ["unknown stage `nobody`", "`${params.b}`: there is no `b`"]);
}

#[test]
fn targets_bring_their_ancestors() {
    let pipeline = load(STUDY);
    let select = |targets: &[&str]| -> Result<Vec<String>, Vec<Diagnostic>> {
        let targets: Vec<String> = targets.iter().map(|t| (*t).to_owned()).collect();
        Ok(pipeline::select(&pipeline, &targets)?
            .into_iter()
            .map(|id| pipeline.stages[id.0].name.to_string())
            .collect())
    };
    assert_eq!(select(&["score[model=1,seed=8]"]).unwrap(), ["train[model=1,seed=8]", "score[model=1,seed=8]"]);
    assert_eq!(select(&["tr*"]).unwrap().len(), 4);
    assert_eq!(select(&["train[seed=7]"]).unwrap().len(), 2);
    assert_eq!(select(&["train[*]"]).unwrap().len(), 4);
    assert_eq!(select(&[]).unwrap().len(), pipeline.stages.len());
    assert_eq!(select(&["table"]).unwrap().len(), 9);
    let faults = select(&["tabel", "train[model=3]", "x["]).unwrap_err();
    assert_eq!(faults.len(), 3);
    assert_eq!(faults[0].hint.as_deref(), Some("did you mean `table`?"));
}

#[test]
fn what_is_no_text_or_no_file_is_refused() {
    let project = Project::new("");
    fs::write(project.0.path().join("pipeline.yaml"), b"a: \xff\n").unwrap();
    assert!(project.try_load(&Overrides::default()).is_err());
    let catalog = support::catalog();
    assert!(pipeline::load(project.0.path(), &catalog, &Overrides::default()).is_err());
    assert!(pipeline::load(&project.0.path().join("none.yaml"), &catalog, &Overrides::default()).is_err());
}

/// Lines from which pipelines, good and bad, are put together.
fn line() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "version: 1\n",
        "params:\n",
        "stages:\n",
        "  a:\n",
        "  b: &x\n",
        "    run: ",
        "    uses: learn\n",
        "    inputs: {",
        "    outputs: {o: out/",
        "${params.a}",
        "${matrix.m}",
        "${",
        "}",
        "{",
        "[",
        "]",
        "*x",
        "'",
        "\"",
        "\t",
        "\n",
        "#",
        ":",
        "- ",
        "    matrix: {m: [1, 2]}\n",
        "from: a.o",
        "a[m=1].o",
        "<<: ",
        "|\n",
        "é",
        "\u{0}",
        "..",
        "/",
        "1e999",
        "!t ",
        "---\n",
        "  a: 1\n",
        "x",
        "    with: {epochs: ",
        "    timeout: 1h\n",
        "$${",
        "? ",
        ", ",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|v| v.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a file holds, loading it ends in a pipeline or in diagnostics that point into it.
    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![line(), line().prop_map(|t| format!("version: 1\nstages:\n{t}")), any::<String>()]) {
        let project = Project::new(&text);
        if let Err(diagnostics) = project.try_load(&Overrides { set: vec![text.clone()], ..Overrides::default() }) {
            prop_assert!(!diagnostics.is_empty());
            for label in diagnostics.iter().flat_map(|d| &d.labels) {
                prop_assert!(label.span.start <= label.span.end);
                if label.file == Path::new("pipeline.yaml") {
                    prop_assert!(text.get(label.span.start..label.span.end).is_some(), "{label:?}");
                }
            }
        }
    }

    /// A value put into a script is printed by the shell as it is, bare and within double quotes. (YAML 1.1 folds
    /// the three line breaks of Unicode that are left out.)
    #[test]
    fn any_value_survives_the_shell(value in "[^\u{0}\u{85}\u{2028}\u{2029}]{0,30}") {
        let value_json = serde_json::to_string(&value.replace("${", "$${")).unwrap();
        let text = format!("version: 1\nparams: {{v: {value_json}}}\nstages:\n  s:\n    run: printf '%s|%s' ${{params.v}} \"${{params.v}}\"\n    outputs: {{o: out/o}}\n");
        if let Ok(pipeline) = Project::new(&text).try_load(&Overrides::default()) {
            prop_assert_eq!(run(&pipeline.stages[0]), format!("{value}|{value}"));
        }
    }
}
