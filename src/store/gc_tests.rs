use std::collections::BTreeMap;

use serde_json::json;

use super::super::steps::Needed;
use super::*;
use crate::action::{Checkpoint, Manifest};
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
        let outputs = BTreeMap::from([("out".to_owned(), store.capture(&path).unwrap())]);
        let result = ActionResult { seconds: 0.5, created: Timestamp::UNIX_EPOCH, ..ActionResult::of(outputs) };
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

/// Publishes a result whose content is its manifest.
fn publish(store: &Store, manifest: &Manifest, named: bool) -> ActionKey {
    let content = store.insert_bytes(manifest.text().as_bytes()).unwrap();
    let outputs = BTreeMap::from([(Checkpoint::STATE.to_owned(), content)]);
    let result = ActionResult { named, created: Timestamp::UNIX_EPOCH, ..ActionResult::of(outputs) };
    store.publish(&manifest.key(), manifest, &result).unwrap();
    manifest.key()
}

#[test]
fn of_the_states_on_the_way_to_what_is_kept_the_last_is_kept_and_those_that_a_rule_names() {
    let (_folder, store) = filled(0);
    let action = |code: &str| Manifest::uses("train", code, json!({"seed": 1, "epochs": 4}));
    let state = |code: &str, seed: u64, step: u64, named: bool| {
        publish(&store, Checkpoint::of(&action(code), &json!({ "seed": seed }), None, step).manifest(), named)
    };
    let whole = publish(&store, &action("a"), false);
    let states: Vec<ActionKey> = (1..=4).map(|n| state("a", 1, n, n == 2)).collect();
    let other = state("b", 1, 9, true);
    let found =
        |kept: HashSet<ActionKey>| store.kept_states(&kept, store.all_results().iter().filter(|r| r.0 != whole));
    assert_eq!(found(HashSet::from([whole])), HashSet::from([states[1], states[3]]));
    assert!(found(HashSet::new()).is_empty());
    assert!(!found(HashSet::from([whole])).contains(&other));
}

#[test]
fn a_dropped_state_takes_along_what_nobody_else_needs() {
    let (_folder, store) = filled(0);
    let action = Manifest::uses("train", "a", json!({}));
    let mut state = Checkpoint::of(&action, &json!({}), None, 1);
    let mut own = HashSet::new();
    let mut made = Vec::new();
    for step in 1..=3 {
        state.set_step(step);
        let folder = store.scratch("made").unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("own"), format!("of step {step}")).unwrap();
        fs::write(path.join("frozen"), "of all").unwrap();
        let outputs = BTreeMap::from([(Checkpoint::STATE.to_owned(), store.capture(&path).unwrap())]);
        let result = ActionResult { metrics: [("loss".to_owned(), 1.0)].into(), ..ActionResult::of(outputs) };
        store.publish(&state.manifest().key(), state.manifest(), &result).unwrap();
        own.insert(state.manifest().key());
        made.push((state.manifest().clone(), result));
    }
    // The model of the second step is an output as well.
    let model = store.insert_bytes(b"of step 2").unwrap();
    let result = ActionResult::of(BTreeMap::from([("model".to_owned(), model)]));
    store.publish(&action.key(), &action, &result).unwrap();

    let kept = [made[2].1.clone()];
    store.drop_states(&made[..2], &kept, &own, &mut Needed::default()).unwrap();
    let names = |digest: &[u8]| store.has_blob_of(digest);
    assert_eq!(
        [names(b"of step 1"), names(b"of step 2"), names(b"of step 3"), names(b"of all")],
        [false, true, true, true]
    );
    assert_eq!(store.objects(TREES).unwrap().len(), 1);
    for (manifest, _) in &made[..2] {
        let left = store.result(&manifest.key()).unwrap();
        assert_eq!((left.outputs.len(), left.metrics["loss"]), (0, 1.0));
    }
    assert!(store.verify(&|_, _| {}).unwrap().is_sound());
}

impl Store {
    fn has_blob_of(&self, bytes: &[u8]) -> bool {
        self.blob_path(&Digest(blake3::hash(bytes).into())).exists()
    }
}
