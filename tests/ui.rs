//! Bad pipelines and the exact words they are refused with. `UPDATE=1 cargo test --test ui` writes the words anew.
//!
//! Each `tests/ui/NAME.yaml` is loaded in a folder of its own, as `pipeline.yaml` beside a copy of `tests/ui/project/`.
//! Comments at the head of the file may say `# profile: NAME` and `# set: ARGUMENT`. The expected words are in
//! `NAME.stderr`.

#[path = "../src/cli/render/diagnostic.rs"]
mod render;

mod support;

use std::fs;
use std::path::Path;

use kiln::pipeline::{self, Overrides};

#[test]
fn bad_pipelines_are_refused_in_these_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let update = std::env::var_os("UPDATE").is_some();
    let mut cases: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let mut wrong = Vec::new();
    for case in cases {
        let expected = case.with_extension("stderr");
        let found = refusal(&folder.join("project"), &fs::read_to_string(&case).unwrap());
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if found != wanted && update {
            fs::write(&expected, &found).unwrap();
        } else if found != wanted {
            wrong.push(format!("=== {}\n--- expected\n{wanted}\n--- found\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What loading a pipeline says.
fn refusal(project: &Path, text: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    support::copy(project, root.path());
    let file = root.path().join("pipeline.yaml");
    fs::write(&file, text).unwrap();
    let head = |key: &str| -> Vec<String> {
        let marker = format!("# {key}: ");
        text.lines().filter_map(|line| line.strip_prefix(&marker)).map(str::to_owned).collect()
    };
    let overrides = Overrides { profile: head("profile").pop(), set: head("set"), cache: None };
    match pipeline::load(&file, &support::catalog(), &overrides) {
        Ok(_) => "accepted\n".to_owned(),
        Err(diagnostics) => {
            let read = |path: &Path| fs::read_to_string(root.path().join(path)).ok();
            render::diagnostic(&diagnostics, &read, false)
        }
    }
}
