//! The store as the engine uses it: what comes out is what went in, whatever happens in between.

#[path = "store/artifacts.rs"]
mod artifacts;
#[path = "store/memo.rs"]
mod memo;
#[path = "store/processes.rs"]
mod processes;
#[path = "store/results.rs"]
mod results;
#[path = "store/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kiln::action::{Manifest, Output};
use kiln::hash::{ActionKey, Artifact};
use kiln::kind::Role;
use kiln::store::{ActionResult, Store};

/// A folder with a store in `cache/`, removed at the end.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        Self { folder, store }
    }

    /// A path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another handle on the same store, as another process has it.
    fn reopen(&self) -> Store {
        Store::open(self.store.root()).unwrap()
    }

    /// Captures a file with this content.
    fn file(&self, content: &str) -> Artifact {
        let scratch = self.store.scratch("file").unwrap();
        let path = scratch.path().join("out");
        fs::write(&path, content).unwrap();
        self.store.capture(&path).unwrap()
    }
}

/// The action number `n` of a test.
fn action(n: usize) -> (ActionKey, Manifest) {
    let mut manifest = Manifest::uses("test", "1", serde_json::json!({ "n": n }));
    manifest.outputs.insert("out".into(), Output { path: None, role: Role::Data });
    (manifest.key(), manifest)
}

/// A result with one output.
fn result(artifact: Artifact) -> ActionResult {
    ActionResult {
        outputs: [("out".to_owned(), artifact)].into(),
        metrics: BTreeMap::from([("accuracy".to_owned(), 0.9)]),
        unread: false,
        warnings: vec![],
        complaints: vec![],
        seconds: 0.1,
        resumed: None,
        adopted: None,
        named: false,
        created: "2026-07-26T10:15:00Z".parse().unwrap(),
        host: "here".into(),
        maker: None,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Changes a stored file as a fault of the disk would.
fn corrupt(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}
