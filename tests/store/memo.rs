//! The memo: unchanged files are not read again, and no change is missed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use kiln::hash::{Artifact, Digest, Memo};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::{Place, corrupt};

fn digest(content: &[u8]) -> Digest {
    Digest(blake3::hash(content).into())
}

/// Long enough for the clock to have moved on from a change that was just made.
fn wait_for_the_clock() {
    std::thread::sleep(Duration::from_millis(40));
}

/// Writes other content of the same size and puts the mtime back.
fn edit_in_secret(path: &Path, content: &str) {
    let before = fs::metadata(path).unwrap();
    assert_eq!(before.len(), content.len() as u64);
    fs::write(path, content).unwrap();
    let time = Timespec { tv_sec: before.mtime(), tv_nsec: before.mtime_nsec() };
    utimensat(CWD, path, &Timestamps { last_access: time, last_modification: time }, AtFlags::empty()).unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before.modified().unwrap());
}

#[test]
fn an_unchanged_file_is_known_without_reading_across_processes() {
    let folder = tempfile::tempdir().unwrap();
    let (log, file) = (folder.path().join("memo.log"), folder.path().join("file"));
    fs::write(&file, "content").unwrap();
    wait_for_the_clock();
    let memo = Memo::open(&log);
    assert_eq!(memo.trusted(&file), None);
    let known = memo.artifact(&file).unwrap();
    assert_eq!(known.as_ref().unwrap().digest, digest(b"content"));
    memo.save().unwrap();

    let later = Memo::open(&log);
    assert_eq!(later.trusted(&file), known);
    assert_eq!(later.artifact(&folder.path().join("none")).unwrap(), None);
    assert_eq!(later.artifact(&file.join("below a file")).unwrap(), None);
    edit_in_secret(&file, "changed");
    assert_eq!(later.trusted(&file), None);
    assert_eq!(later.artifact(&file).unwrap().unwrap().digest, digest(b"changed"));
}

#[test]
fn a_change_within_the_clocks_grain_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let memo = Memo::open(&folder.path().join("memo.log"));
    for round in 0..200 {
        let (first, second) = (format!("{round:04}-a"), format!("{round:04}-b"));
        fs::write(&file, &first).unwrap();
        assert_eq!(memo.artifact(&file).unwrap().unwrap().digest, digest(first.as_bytes()));
        edit_in_secret(&file, &second);
        assert_eq!(memo.artifact(&file).unwrap().unwrap().digest, digest(second.as_bytes()), "round {round}");
    }
}

#[test]
fn a_recorded_file_is_known_unless_it_was_changed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (new, file) = (folder.path().join("new"), folder.path().join("file"));
    let memo = Memo::open(&folder.path().join("memo.log"));
    let artifact = Artifact { digest: digest(b"content"), tree: false, bytes: 7, executable: false };
    for _ in 0..100 {
        fs::write(&new, "content").unwrap();
        let written = fs::metadata(&new).unwrap();
        fs::rename(&new, &file).unwrap();
        memo.record(&file, &written, artifact.digest);
        edit_in_secret(&file, "changed");
        assert_eq!(memo.artifact(&file).unwrap().unwrap().digest, digest(b"changed"));
    }
    fs::write(&new, "content").unwrap();
    let written = fs::metadata(&new).unwrap();
    fs::write(&new, "changed").unwrap();
    memo.record(&new, &written, artifact.digest);
    assert_ne!(memo.trusted(&new), Some(artifact.clone()), "it was changed before it was recorded");

    fs::write(&file, "content").unwrap();
    wait_for_the_clock();
    memo.record(&file, &fs::metadata(&file).unwrap(), artifact.digest);
    assert_eq!(memo.trusted(&file), Some(artifact));
}

#[test]
fn links_at_the_top_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let memo = Memo::open(&folder.path().join("memo.log"));
    let (data, link) = (folder.path().join("data"), folder.path().join("link"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("data/file", &link).unwrap();
    assert_eq!(memo.artifact(&link).unwrap().unwrap().digest, digest(b"content"));
    let folder_link = folder.path().join("folder link");
    std::os::unix::fs::symlink("data", &folder_link).unwrap();
    assert_eq!(memo.artifact(&folder_link).unwrap(), memo.artifact(&data).unwrap());
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(memo.artifact(&link).unwrap(), None);
}

#[test]
fn damage_to_the_memo_costs_time_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("memo.log");
    let files: Vec<_> = (0..5).map(|n| folder.path().join(n.to_string())).collect();
    for file in &files {
        fs::write(file, file.as_os_str().as_encoded_bytes()).unwrap();
    }
    wait_for_the_clock();
    for file in &files {
        let memo = Memo::open(&log);
        memo.artifact(file).unwrap();
        memo.save().unwrap();
    }
    let whole = fs::read(&log).unwrap();
    for at in 0..whole.len() {
        corrupt(&log, |bytes| {
            *bytes = whole.clone();
            bytes[at] ^= 0x10;
        });
        let memo = Memo::open(&log);
        for file in &files {
            if let Some(known) = memo.trusted(file) {
                assert_eq!(known.digest, digest(file.as_os_str().as_encoded_bytes()), "byte {at}");
            }
        }
    }
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let memo = Memo::open(&log);
    assert!(memo.artifact(&files[0]).unwrap().is_some());
    assert!(memo.save().is_err());
}

#[test]
fn what_the_store_materialises_is_known_to_the_next_process() {
    let place = Place::new();
    let artifact = place.file("content");
    let path = place.path("out/file");
    place.store.materialise(&artifact, &path, kiln::store::Placement::Copy).unwrap();
    place.store.memo().save().unwrap();
    assert_eq!(place.reopen().memo().trusted(&path), Some(artifact));
}
