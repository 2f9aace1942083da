//! The built-in stages on the committed sample of Fashion-MNIST, in small.

use std::path::Path;

use crate::browser;
use crate::project::{Project, Record, files};

/// After the shipped study's first stages, two networks so small that a run takes seconds.
const SMALL: &str = "  train:
    uses: train
    matrix: {model: [plain, dropout]}
    inputs:
      data: {from: normalise.train}
      split: {from: split.split}
      model: models/${matrix.model}.yaml
    with: {epochs: 4, seed: 1}
  evaluate:
    uses: evaluate
    matrix: {from: train}
    inputs: {model: {from: train.model}, data: {from: normalise.test}}
";

const PLAIN: &str = "\
name: Plain
layers:
  - {name: pool1, type: max_pool, size: 2}
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 64, activation: relu}
  - {name: output, type: dense}
optimiser: {type: adam}
";

fn small() -> Project {
    let project = Project::on_the_sample("", SMALL);
    project.write("models/plain.yaml", PLAIN);
    let dropout = PLAIN.replace("  - {name: output", "  - {name: drop, type: dropout, rate: 0.2}\n  - {name: output");
    project.write("models/dropout.yaml", &dropout);
    project
}

fn accuracy(record: &Record, model: &str) -> f64 {
    record.stage(&format!("evaluate[model={model}]"))["metrics"]["accuracy"].as_f64().expect("an accuracy")
}

#[test]
fn a_network_learns_and_only_what_changed_is_trained_again() {
    let project = small();
    let first = project.run(&[]);
    assert!(accuracy(&first, "plain") > 0.5, "chance is 0.1: {}", accuracy(&first, "plain"));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());

    // One network's dropout: that variant and what depends on it.
    let second = project.edit("models/dropout.yaml", "rate: 0.2", "rate: 0.3").run(&[]);
    assert_eq!(second.with("executed"), ["evaluate[model=dropout]", "train[model=dropout]"]);
    assert_eq!(second.reasons("train[model=dropout]"), "input model: layers.drop.rate: 0.2 => 0.3");
    let ran = project.kiln(&["compare", "latest~2", "latest", "--html"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let differs = "<td>model: layers.drop.rate</td><td>0.2</td><td>0.3</td>";
    assert!(project.read("out/compare.html").contains(differs), "a model is compared field by field");

    // Before it is trained again, and long after, the field that changed is known.
    project.edit("models/dropout.yaml", "rate: 0.3", "rate: 0.4");
    let ran = project.kiln(&["why", "evaluate[model=dropout]"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("from models/dropout.yaml\n    layers.drop.rate: 0.3 => 0.4\n"), "{}", ran.stdout);
    project.edit("models/dropout.yaml", "rate: 0.4", "rate: 0.3");
    let run = second.0["id"].as_str().expect("an id");
    let ran = project.kiln(&["why", "train[model=dropout]", "--run", run]);
    assert!(ran.stdout.contains("layers.drop.rate: 0.2 => 0.3"), "{}", ran.stdout);

    // A comment is not a change of the network.
    project.write("models/plain.yaml", &format!("# the plain one\n{PLAIN}"));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
}

#[test]
fn a_change_of_a_network_reaches_those_that_extend_it_however_often_they_were_looked_at() {
    let project = small();
    project.write("models/dropout.yaml", "extends: plain.yaml\nname: Dropout\n");
    project.run(&["train"]);
    for _ in 0..2 {
        assert_eq!(project.run(&["train"]).with("executed"), Vec::<String>::new());
    }
    let executed = project.edit("models/plain.yaml", "units: 64", "units: 32").run(&["train"]).with("executed");
    assert_eq!(executed, ["train[model=dropout]", "train[model=plain]"]);
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let one = small();
    let digests = |record: Record| record.digests().get("train[model=dropout].model").cloned().expect("a model");
    let alone = digests(one.run(&["train[model=dropout]", "--jobs", "1"]));
    let two = small();
    two.edit("pipeline.yaml", "with: {epochs: 4, seed: 1}", "with: {epochs: 4, seed: 1}\n    resources: {cpus: 2}");
    let together = digests(two.run(&["train[model=dropout]", "--jobs", "2"]));
    assert_eq!(alone, together);
}

#[test]
fn a_pinned_file_is_asked_for_once_whatever_its_source() {
    let project = small();
    project.run(&["split"]);
    std::fs::remove_dir_all(project.root().join("data")).expect("remove the sources");
    std::fs::remove_dir_all(project.root().join("out")).expect("remove the outputs");
    project.edit("pipeline.yaml", "data/images.gz", "elsewhere/images.gz");
    let record = project.run(&["split"]);
    assert_eq!(record.with("executed"), Vec::<String>::new());
}

#[test]
fn a_wrong_digest_shows_both() {
    let project = small();
    let wrong = "0".repeat(64);
    project.edit("pipeline.yaml", "823845a89ee060646d8840bfd79d7b39a4365fc5c8606eadc784a1c272e4f7f4", &wrong);
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    for text in [wrong.as_str(), "823845a89ee060646d8840bfd79d7b39a4365fc5c8606eadc784a1c272e4f7f4", "data/images.gz"] {
        assert!(ran.stderr.contains(text), "`{text}` in {}", ran.stderr);
    }
}

#[test]
fn mistakes_in_a_model_are_told_before_anything_runs() {
    let project = small();
    project.edit("models/plain.yaml", "units: 64", "unit: 64");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("models/plain.yaml:5") && ran.stderr.contains("unit"), "{}", ran.stderr);
    assert!(!project.root().join("out").exists());
}

/// The shipped pipeline with its models and the sample, in a folder of its own.
fn shipped() -> Project {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::new(&std::fs::read_to_string(repository.join("pipeline.yaml")).expect("the pipeline"));
    project.write("report.md", &std::fs::read_to_string(repository.join("report.md")).expect("the report"));
    for folder in ["models", "data/sample"] {
        std::fs::create_dir_all(project.root().join(folder)).expect("create folder");
        for entry in std::fs::read_dir(repository.join(folder)).expect("list folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), project.root().join(folder).join(entry.file_name())).expect("copy");
        }
    }
    project
}

#[test]
fn the_study_over_seeds_takes_what_the_study_has_trained() {
    let project = shipped();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    project.write("seeds.yaml", &std::fs::read_to_string(repository.join("seeds.yaml")).expect("the pipeline"));
    // It is of all images; here the sample takes their place.
    std::fs::create_dir(project.root().join("data/full")).expect("create folder");
    for file in files(&project.root().join("data/sample")) {
        std::fs::copy(&file, project.root().join("data/full").join(file.file_name().expect("a name"))).expect("copy");
    }
    let pipeline = project.read("pipeline.yaml");
    let digests = pipeline.lines().filter_map(|line| line.trim().strip_prefix("digest: "));
    let mut sets = vec!["--set".to_owned(), "epochs=1".to_owned()];
    for (name, digest) in ["train-images", "train-labels", "test-images", "test-labels"].iter().zip(digests) {
        sets.extend(["--set".to_owned(), format!("files.{name}.digest={digest}")]);
    }
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    project.run(&["--set", "epochs=1", "evaluate[model=1]"]);
    let ran = project.run(&[&["seeds.yaml", "evaluate[model=1,seed=7]"], sets.as_slice()].concat());
    assert_eq!(ran.outcome("train[model=1,seed=7]"), "restored");
    assert_eq!(ran.outcome("evaluate[model=1,seed=7]"), "restored");
    // A seed of its own divides the images in its own way.
    let other = project.run(&[&["seeds.yaml", "evaluate[model=1,seed=11]"], sets.as_slice()].concat());
    assert_eq!(other.outcome("train[model=1,seed=11]"), "executed");
    let listed = project.kiln(&["list", "-f", "seeds.yaml", "train", "--json"]).json();
    assert_eq!(listed["stages"][0]["variants"].as_array().map(Vec::len), Some(12 * 5), "{listed}");
    // The two pipelines may lie in one folder: neither writes where the other does.
    assert_eq!(project.run(&["--set", "epochs=1", "evaluate[model=1]"]).with("up-to-date").len(), 10);
}

#[test]
fn the_shipped_study_runs_to_its_end_and_then_reruns_only_what_changed() {
    let project = shipped();
    let ran = project.kiln(&["graph", "--profile", "full"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    let one_epoch = ["--set", "epochs=1", "--set", "own_epochs=1"];
    let first = project.run(&one_epoch);
    for (model, parameters) in [(1, 3_223_909), (3, 3_353_957), (5, 963_205)] {
        let summary: serde_json::Value =
            serde_json::from_str(&project.read(&format!("out/train/{model}/summary.json"))).expect("a summary");
        assert_eq!(summary["parameters"], parameters, "model {model}");
    }
    for stage in first.0["stages"].as_array().expect("stages") {
        for output in stage["outputs"].as_object().expect("outputs").values() {
            let path = project.root().join(output["path"].as_str().expect("a path"));
            assert!(std::fs::metadata(&path).is_ok_and(|m| m.len() > 0), "{}", path.display());
        }
    }
    if let Some(mut browser) = browser::browser("how the report of the shipped study looks") {
        let figures = project.read("report.md").matches("](${outputs.").count();
        browser::check(&mut browser, &project.root().join("out/report.html"), figures);
    }
    assert!(!project.read("out/report.html").contains("issing: "), "the report has all it refers to");
    assert_eq!(project.run(&one_epoch).with("executed"), Vec::<String>::new());

    let text = project.read("models/model-7.yaml");
    let edited = text.replacen("rate: 0.", "rate: 0.0", 1);
    assert_ne!(text, edited, "model 7 has a dropout rate");
    project.write("models/model-7.yaml", &edited);
    let executed = project.run(&one_epoch).with("executed");
    // The drawing of the network is made from the model file, so it is among them.
    assert_eq!(executed, ["accuracy", "curves[model=7]", "evaluate[model=7]", "networks[model=7]", "train[model=7]"]);
}
