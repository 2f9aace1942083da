use std::collections::BTreeMap;

use super::*;
use crate::action::Manifest;
use crate::store::ActionResult;

/// A store with results that no run names: `count` of them, half of them trees, all older than any limit.
fn filled(count: usize) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for n in 0..count {
        let scratch = store.scratch("made").unwrap();
        let path = scratch.path().join("out");
        if n % 2 == 0 {
            fs::write(&path, format!("content {n}")).unwrap();
        } else {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), format!("content {n}")).unwrap();
        }
        let manifest = Manifest::uses("test", "", n.into());
        let result = ActionResult {
            resumed: None,
            adopted: None,
            outputs: BTreeMap::from([("out".to_owned(), store.capture(&path).unwrap())]),
            metrics: BTreeMap::new(),
            unread: false,
            warnings: vec![],
            complaints: vec![],
            seconds: 0.5,
            created: Timestamp::UNIX_EPOCH,
            host: String::new(),
        };
        store.publish(&manifest.key(), &manifest, &result).unwrap();
    }
    (folder, store)
}

fn keep() -> Keep {
    Keep { last: 1, runs: vec![], forget: vec![], unrecorded: Duration::from_secs(60), drop_records: false }
}

#[test]
fn stopping_between_any_two_steps_leaves_every_result_with_its_content() {
    for steps in 0..=ORDER.len() {
        let (_folder, store) = filled(6);
        let garbage = store.garbage(&keep()).unwrap();
        assert_eq!((garbage.results.len(), garbage.blobs.len(), garbage.trees.len()), (6, 6, 3));
        for step in &ORDER[..steps] {
            store.delete_step(&garbage, *step).unwrap();
        }
        // Killed here: another process sees what is on the disk.
        let store = Store::open(store.root()).unwrap();
        let results = store.all_results();
        assert_eq!(results.len(), if steps == 0 { 6 } else { 0 });
        assert!(results.iter().all(|(_, result)| result.outputs.values().all(|artifact| store.has(artifact))));
        assert!(store.verify(&|_, _| {}).unwrap().is_sound(), "after {steps} steps");
        let again = store.garbage(&keep()).unwrap();
        store.delete(&store.hold_alone().unwrap(), &again).unwrap();
        let left = store.garbage(&keep()).unwrap();
        assert_eq!(left.bytes(), 0, "after {steps} steps the rest is found again");
        assert!(store.objects(BLOBS).unwrap().is_empty() && store.objects(TREES).unwrap().is_empty());
    }
}

#[test]
fn a_run_in_another_process_keeps_the_store_from_being_held_alone() {
    let (_folder, store) = filled(1);
    let other = Store::open(store.root()).unwrap();
    let hold = other.hold().unwrap();
    assert!(store.try_hold_alone().unwrap().is_none());
    drop(hold);
    let alone = store.try_hold_alone().unwrap().unwrap();
    assert!(other.try_hold().unwrap().is_none(), "nor does a run begin while something is deleted");
    store.delete(&alone, &store.garbage(&keep()).unwrap()).unwrap();
    assert_eq!(other.all_results().len(), 1, "what it read before");
    drop(alone);
    let _hold = other.hold().unwrap();
    assert_eq!(other.all_results().len(), 0, "a hold catches up");
}

#[test]
fn young_results_without_a_record_are_kept() {
    let (_folder, store) = filled(2);
    let old = Keep { unrecorded: Duration::MAX, ..keep() };
    let garbage = store.garbage(&old).unwrap();
    assert_eq!((garbage.unrecorded, garbage.results.len(), garbage.blobs.len()), (2, 0, 0));
}

#[test]
fn of_the_steps_on_the_way_to_what_is_kept_the_last_is_kept() {
    let (_folder, store) = filled(0);
    let publish = |params: serde_json::Value, fingerprint: &str| {
        let manifest = Manifest::uses("train", fingerprint, params);
        let content = store.insert_bytes(manifest.text().as_bytes()).unwrap();
        let result = ActionResult {
            resumed: None,
            adopted: None,
            outputs: BTreeMap::from([("out".to_owned(), content)]),
            metrics: BTreeMap::new(),
            unread: false,
            warnings: vec![],
            complaints: vec![],
            seconds: 0.5,
            created: Timestamp::UNIX_EPOCH,
            host: String::new(),
        };
        store.publish(&manifest.key(), &manifest, &result).unwrap();
        manifest.key()
    };
    let step = |seed: u64, step: u64| serde_json::json!({"chain": {"seed": seed}, "step": step});
    let whole = publish(serde_json::json!({"seed": 1, "epochs": 3}), "a");
    let steps: Vec<ActionKey> = (1..=3).map(|n| publish(step(1, n), "a")).collect();
    let other = publish(step(1, 9), "b");
    let found = store.last_steps(&HashSet::from([whole]), steps.iter().copied().chain([other]));
    assert_eq!(found, HashSet::from([steps[2]]));
    assert!(store.last_steps(&HashSet::new(), steps.into_iter()).is_empty());
}
