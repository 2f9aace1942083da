//! A project that was not made for Kiln, as it lies: modules that import each other, a virtual environment, parameters in a file that the script
//! reads, pictures behind a link to another disk, and what programs leave about.

use std::fs;
use std::process::Command;

use crate::project::Project;

const PIPELINE: &str = "\
version: 1
params: params.yaml
environment: {from: auto, only: [alpha]}
stages:
  train:
    run: .venv/bin/python train.py
    inputs:
      script: train.py
      model: {path: model, only: [\"**/*.py\"]}
      params: {path: params.yaml, keys: [train]}
      data: data
    outputs: {metrics: {path: out/metrics.json, role: metrics}}
";

const TRAIN: &str = "\
import json, os, re
import alpha
from model import total
text = open('params.yaml').read()
epochs = int(re.search(r'epochs: (\\d+)', text).group(1))
os.makedirs('out', exist_ok=True)
numbers = {'pictures': len(os.listdir('data/pictures')), 'total': total(), 'epochs': epochs}
print('with alpha', alpha.version)
json.dump(numbers, open('out/metrics.json', 'w'))
";

#[test]
fn a_project_as_it_lies_becomes_a_pipeline() {
    let disk = tempfile::tempdir().expect("another disk");
    let project = Project::new(PIPELINE);
    let root = project.root();
    fs::create_dir(disk.path().join("pictures")).expect("create folder");
    for i in 0..2000 {
        fs::write(disk.path().join(format!("pictures/{i:04}.png")), format!("picture {i}")).expect("write picture");
    }
    std::os::unix::fs::symlink(disk.path(), root.join("data")).expect("a link to the data");
    // Twenty modules, each of which imports the next.
    for i in 0..20 {
        let next = if i == 19 {
            "def value(): return 1\n".to_owned()
        } else {
            format!("from model.m{} import value as more\ndef value(): return more() + 1\n", i + 1)
        };
        project.write(&format!("model/m{i}.py"), &next);
    }
    project.write("model/__init__.py", "from model.m0 import value as total\n").write("train.py", TRAIN);
    project.write("model/notes.md", "notes").write("params.yaml", "train: {epochs: 3}\nserve: {port: 80}\n");
    crate::environment::environment(&project);
    project.run(&[]);
    let metrics: serde_json::Value = serde_json::from_str(&project.read("out/metrics.json")).expect("JSON");
    assert_eq!(metrics, serde_json::json!({"pictures": 2000, "total": 20, "epochs": 3}));
    // What a person does all day executes nothing.
    fs::remove_dir_all(root.join("out")).expect("remove");
    let mut by_hand = Command::new(root.join(".venv/bin/python"));
    let by_hand = by_hand.arg("train.py").current_dir(root).env_remove("PYTHONDONTWRITEBYTECODE");
    let by_hand = by_hand.output().expect("start Python");
    assert!(by_hand.status.success(), "{}", String::from_utf8_lossy(&by_hand.stderr));
    assert!(root.join("model/__pycache__").is_dir());
    project.write("model/notes.md", "more").edit("params.yaml", "port: 80", "port: 81");
    crate::environment::install(&project, "beta.package", "2.0", "two");
    assert_eq!(project.run(&[]).outcome("train"), "up-to-date");
    // What the result comes from, does, and says so.
    crate::environment::install(&project, "alpha", "2.0", "two");
    assert_eq!(project.run(&[]).reasons("train"), "environment: alpha 1.0 => 2.0");
    project.edit("params.yaml", "epochs: 3", "epochs: 4");
    assert!(project.run(&[]).reasons("train").contains("input params"), "params");
    project.write("model/m7.py", "def value(): return 100\n");
    let record = project.run(&[]);
    assert!(record.reasons("train").contains("m7.py"), "{}", record.reasons("train"));
    fs::write(disk.path().join("pictures/2000.png"), "one more").expect("write picture");
    let record = project.run(&[]);
    assert!(record.reasons("train").contains("2000.png"), "{}", record.reasons("train"));
    let said = project.read("out/metrics.json");
    assert!(said.contains("\"pictures\": 2001") && said.contains("\"total\": 107"), "{said}");
}
