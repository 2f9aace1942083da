//! `kiln kinds` and `kiln schema`: every parameter of every built-in kind, what it takes and its default.

use serde_json::Value;

use crate::project::Project;

#[test]
fn every_parameter_is_listed_with_its_values_and_default() {
    let project = Project::new("version: 1\nstages: {}\n");
    let kind = |name: &str| project.kiln(&["kinds", name]).stdout;
    let cluster = kind("cluster");
    for line in [
        "with method: kmeans\n",
        "  clusters: a whole number or auto (default: auto). How many clusters",
        "  runs: a whole number (default: 10). ",
        "with method: dbscan\n",
        "  eps: a number or auto (default: auto). ",
        "  normalise: l2 or none (default: l2). ",
    ] {
        assert!(cluster.contains(line), "{line} is missing:\n{cluster}");
    }
    assert!(kind("embed").contains("  layer: a text (required). The layer"), "{}", kind("embed"));
    let fetch = kind("fetch");
    assert!(fetch.contains("digest: a text (required).") && fetch.contains("sources: a list of: a text (required)."));
    assert!(fetch.contains("unpack: none or gzip (default: none)."), "{fetch}");
    assert!(
        kind("import").contains("classes: a list of: {labels: a list of: a whole number, name: a text}."),
        "{}",
        kind("import")
    );
    assert!(
        kind("project").contains("with method: tsne\n")
            && kind("train").contains("epochs: a whole number (default: 10).")
    );
    assert!(kind("normalise").contains("method: min-max or standardise (default: min-max)."), "{}", kind("normalise"));
    assert!(!kind("describe").contains("\nwith"), "it has no parameters");
    assert!(kind("evaluate").contains("mirror: true or false (default: false)."), "{}", kind("evaluate"));
    let json = project.kiln(&["kinds", "project", "--json"]).json();
    let methods = json["params"]["oneOf"].as_array().expect("two methods");
    assert_eq!(methods.len(), 2);
    assert_eq!(methods[1]["properties"]["perplexity"]["default"], Value::from(30.0), "{json}");
}

const EMBED: &str = "
  train:
    uses: train
    matrix: {model: [a, b]}
    inputs: {model: \"models/${matrix.model}.yaml\", data: {from: normalise.train}, split: {from: split.split}}
  embed:
    uses: embed
    matrix: {model: [a, b]}
    inputs: {model: {from: train.model}, data: {from: normalise.test}}
    with: {layer: encodng}
";

#[test]
fn a_layer_that_the_model_has_not_is_told_before_anything_runs() {
    let project = Project::on_the_sample("", EMBED);
    for name in ["a", "b"] {
        let model = format!(
            "name: the {name}\nlayers:\n  - name: block\n    type: residual\n    layers: [{{name: inside, type: conv, filters: 1}}]\n  \
             - {{name: flat, type: flatten}}\n  - {{name: encoding_{name}, type: dense, units: 8}}\n  \
             - {{name: output, type: dense, activation: softmax}}\noptimiser: {{type: adam}}\n"
        );
        project.write(&format!("models/{name}.yaml"), &model);
    }
    let text = project.read("pipeline.yaml");
    let line = 1 + text.lines().position(|line| line.contains("encodng")).expect("the line");
    for args in [&["run"][..], &["run", "embed[model=a]"], &["status"]] {
        let ran = project.kiln(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        let told =
            ["model `the a` has no layer `encodng`", "did you mean `encoding_a`?", &format!("pipeline.yaml:{line}:19")];
        assert!(told.iter().all(|needed| ran.stderr.contains(needed)), "{}", ran.stderr);
    }
    assert!(!project.root().join("out").exists(), "nothing was run");

    // A layer inside another is one; and a pipeline that was checked is not believed once a model file is another.
    project.edit("pipeline.yaml", "encodng", "inside");
    project.run(&["fetch"]);
    project.edit("models/b.yaml", "inside", "within");
    let ran = project.kiln(&["run", "fetch"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("model `the b` has no layer `inside`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("the a"), "{}", ran.stderr);
    assert!(ran.stderr.contains("in `embed[model=b]`"), "{}", ran.stderr);
}
