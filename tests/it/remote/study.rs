//! A fresh clone of a study of networks, with an empty cache of its own.

use super::folder;
use crate::project::{Project, Ran};

const TRAIN: &str = "  train:
    uses: train
    inputs:
      data: {from: normalise.train}
      split: {from: split.split}
      model: models/plain.yaml
    with: {epochs: 1, seed: 1}
  evaluate:
    uses: evaluate
    inputs: {model: {from: train.model}, data: {from: normalise.test}}
";

const PLAIN: &str = "
    name: Plain
    layers:
      - {name: pool1, type: max_pool, size: 2}
      - {name: flatten, type: flatten}
      - {name: output, type: dense}
    optimiser: {type: adam}
";

#[test]
fn a_fresh_clone_of_a_study_executes_nothing() {
    let (_folder, url) = folder();
    let run = |project: &Project| {
        let mut command = project.command(&["run", "--json", "--remote", &url]);
        let ran = Ran::from(command.env_remove("CI").output().expect("start kiln"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.record()
    };
    let clone = || {
        let project = Project::on_the_sample("", TRAIN);
        project.write("models/plain.yaml", &crate::project::unindent(PLAIN));
        project
    };
    let first = run(&clone());
    assert!(first.with("executed").contains(&"evaluate".to_owned()));
    let second = run(&clone());
    assert_eq!(second.with("executed"), Vec::<String>::new());
    assert_eq!(second.digests(), first.digests());
    assert_eq!(second.stage("evaluate")["metrics"], first.stage("evaluate")["metrics"]);
}
