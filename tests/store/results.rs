//! Action results: published once, read by all, and safe from crashes.

use std::fs;

use kiln::store::{Published, Store, StoreError};

use crate::{Place, action, result};

#[test]
fn a_result_and_its_manifest_come_back_in_another_process() {
    let place = Place::new();
    let (key, manifest) = action(1);
    let expected = result(place.file("content"));
    assert_eq!(place.store.result(&key), None);
    let other = place.reopen();
    assert_eq!(place.store.publish(&key, &manifest, &expected).unwrap(), Published::New);
    for store in [&place.store, &other, &place.reopen()] {
        assert_eq!(store.result(&key).as_ref(), Some(&expected));
        assert_eq!(store.manifest(&key).as_ref(), Some(&manifest));
        assert_eq!(store.result(&action(2).0), None);
        assert_eq!(store.manifest(&action(2).0), None);
    }
}

#[test]
fn another_result_for_the_same_key_is_a_conflict_and_changes_nothing() {
    let place = Place::new();
    let (key, manifest) = action(1);
    let first = result(place.file("one"));
    let mut slower = first.clone();
    slower.seconds = 2.0;
    let second = result(place.file("two"));
    place.store.publish(&key, &manifest, &first).unwrap();
    assert_eq!(place.store.publish(&key, &manifest, &slower).unwrap(), Published::Same);
    let other = place.reopen();
    assert_eq!(other.publish(&key, &manifest, &second).unwrap(), Published::Conflict(Box::new(first.clone())));
    assert_eq!(other.result(&key), Some(first.clone()));
    other.replace(&key, &manifest, &second).unwrap();
    assert_eq!(other.result(&key), Some(second.clone()));
    assert_eq!(place.reopen().result(&key), Some(second));
}

#[test]
fn long_executions_are_published_durably() {
    let place = Place::new();
    let (key, manifest) = action(1);
    let scratch = place.store.scratch("x").unwrap();
    let tree = scratch.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), "a").unwrap();
    let mut long = result(place.file("content"));
    long.outputs.insert("tree".into(), place.store.capture(&tree).unwrap());
    long.seconds = 7200.0;
    assert_eq!(place.store.publish(&key, &manifest, &long).unwrap(), Published::New);
    assert_eq!(place.reopen().result(&key), Some(long.clone()));

    let (key, manifest) = action(2);
    fs::remove_file(place.store.blob_path(&long.outputs["out"].digest)).unwrap();
    let error = place.store.publish(&key, &manifest, &long).unwrap_err();
    assert!(matches!(error, StoreError::Io { operation: "sync", .. }), "{error}");
    assert_eq!(place.reopen().result(&key), None);
}

#[test]
fn a_crash_at_any_byte_of_a_write_loses_that_result_only() {
    let place = Place::new();
    let (first, first_manifest) = action(1);
    let (second, second_manifest) = action(2);
    let outcome = result(place.file("content"));
    let log = place.store.root().join("actions.log");
    place.store.publish(&first, &first_manifest, &outcome).unwrap();
    let kept = usize::try_from(fs::metadata(&log).unwrap().len()).unwrap();
    place.store.publish(&second, &second_manifest, &outcome).unwrap();
    let whole = fs::read(&log).unwrap();
    for cut in kept..whole.len() {
        fs::write(&log, &whole[..cut]).unwrap();
        let store = place.reopen();
        assert_eq!(store.result(&first).as_ref(), Some(&outcome), "cut at {cut}");
        assert_eq!(store.result(&second), None, "cut at {cut}");
        assert_eq!(store.publish(&second, &second_manifest, &outcome).unwrap(), Published::New);
        let store = place.reopen();
        assert_eq!((store.result(&first), store.result(&second)), (Some(outcome.clone()), Some(outcome.clone())));
        assert_eq!(store.manifest(&second).as_ref(), Some(&second_manifest));
    }
}

#[test]
fn a_flipped_bit_anywhere_never_makes_a_false_result() {
    let place = Place::new();
    let outcome = result(place.file("content"));
    let actions: Vec<_> = (0..3).map(action).collect();
    for (key, manifest) in &actions {
        place.store.publish(key, manifest, &outcome).unwrap();
    }
    let log = place.store.root().join("actions.log");
    let whole = fs::read(&log).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&log, bytes).unwrap();
        let store = place.reopen();
        let mut lost = 0;
        for (key, manifest) in &actions {
            let (found, text) = (store.result(key), store.manifest(key));
            assert!(found.is_none() || found.as_ref() == Some(&outcome), "byte {at}");
            assert!(text.is_none() || text.as_ref() == Some(manifest), "byte {at}");
            lost += usize::from(found.is_none() || text.is_none());
        }
        assert_eq!(lost, 1, "byte {at}: the damage is noticed and costs one result");
    }
}

#[test]
fn a_store_of_a_later_kiln_is_refused() {
    let place = Place::new();
    let version = place.store.root().join("version");
    let text = "kiln store 7";
    fs::write(&version, format!("{text} {}\n", &blake3::hash(text.as_bytes()).to_hex()[..8])).unwrap();
    let error = Store::open(place.store.root()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 1, .. }), "{error}");

    for damaged in ["", "kiln store 7 00000000\n", "garbage"] {
        fs::write(&version, damaged).unwrap();
        assert!(Store::open(place.store.root()).is_ok(), "{damaged:?} is damage, not a later format");
        assert!(fs::read_to_string(&version).unwrap().starts_with("kiln store 1 "));
    }
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_the_file_and_leaves_the_store_sound() {
    let place = Place::new();
    std::os::unix::fs::symlink("nowhere", place.store.root().join("objects")).unwrap();
    let error = place.store.insert_bytes(b"content").unwrap_err();
    assert!(error.to_string().contains("objects/"), "{error}");
    fs::remove_file(place.store.root().join("objects")).unwrap();
    let artifact = place.store.insert_bytes(b"content").unwrap();
    assert!(place.store.has(&artifact));
}
