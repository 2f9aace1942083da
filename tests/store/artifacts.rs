//! Capturing and materialising files and trees.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use kiln::store::{Placement as How, StoreError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::{Place, corrupt, mode};

#[test]
fn a_file_comes_back_as_it_went_in() {
    let place = Place::new();
    for (size, executable) in [(0, false), (5, true), (3_000_000, false)] {
        let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let scratch = place.store.scratch("train[model=1]").unwrap();
        let path = scratch.path().join("out");
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(if executable { 0o755 } else { 0o600 })).unwrap();
        let artifact = place.store.capture(&path).unwrap();
        assert_eq!(artifact.digest.0, *blake3::hash(&content).as_bytes());
        assert_eq!((artifact.bytes, artifact.executable, artifact.tree), (size, executable, false));
        assert!(place.store.has(&artifact));
        assert_eq!(mode(&place.store.blob_path(&artifact.digest)), 0o444);
        assert_eq!(place.store.read(&artifact.digest).unwrap(), content);

        let to = place.path("out/deep/file");
        place.store.materialise(&artifact, &to, How::Copy).unwrap();
        assert_eq!(fs::read(&to).unwrap(), content);
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o111 != 0, executable);
        assert_eq!(place.store.memo().artifact(&to).unwrap(), Some(artifact));
    }
}

#[test]
fn equal_content_is_kept_once() {
    let place = Place::new();
    let (a, b) = (place.file("same"), place.file("same"));
    assert_eq!(a, b);
    assert_eq!(place.store.insert_bytes(b"same").unwrap(), a);
    let shard = place.store.blob_path(&a.digest);
    assert_eq!(fs::read_dir(shard.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn editing_what_was_materialised_leaves_the_store_alone() {
    let place = Place::new();
    let artifact = place.file("content");
    let path = place.path("out/file");
    place.store.materialise(&artifact, &path, How::Copy).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(b"an edit").unwrap();
    assert_ne!(place.store.memo().artifact(&path).unwrap(), Some(artifact.clone()));
    assert_eq!(place.store.read(&artifact.digest).unwrap(), b"content");
    place.store.materialise(&artifact, &path, How::Copy).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

#[test]
fn a_file_with_another_name_is_not_shared_with_its_owner() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    let (outside, inside) = (place.path("outside"), scratch.path().join("out"));
    fs::write(&outside, "before").unwrap();
    fs::hard_link(&outside, &inside).unwrap();
    let artifact = place.store.capture(&inside).unwrap();
    fs::write(&outside, "after!").unwrap();
    assert_eq!(place.store.read(&artifact.digest).unwrap(), b"before");
    assert_eq!(fs::metadata(place.store.blob_path(&artifact.digest)).unwrap().nlink(), 1);
}

#[test]
fn what_is_captured_from_under_a_writer_is_what_its_digest_says() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    let path = scratch.path().join("out");
    let mut file = File::create(&path).unwrap();
    file.write_all(&vec![0; 1 << 20]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let captured = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
            }
        });
        let captured = place.store.capture(&path);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        captured
    });
    let artifact = captured.unwrap();
    let content = place.store.read(&artifact.digest).unwrap();
    assert_eq!(content.len() as u64, artifact.bytes);
}

#[test]
fn who_has_a_captured_file_open_cannot_change_the_store() {
    let place = Place::new();
    for folder in [false, true] {
        let scratch = place.store.scratch("x").unwrap();
        let path = scratch.path().join("out");
        if folder {
            fs::create_dir(&path).unwrap();
        }
        let file = if folder { path.join("file") } else { path.clone() };
        let mut writer = File::create(&file).unwrap();
        writer.write_all(b"as it was").unwrap();
        let artifact = place.store.capture(&path).unwrap();
        writer.write_all(b", and more").unwrap();
        assert!(place.store.has(&artifact));
        let back = scratch.path().join("back");
        place.store.materialise(&artifact, &back, kiln::store::Placement::Copy).unwrap();
        assert_eq!(fs::read_to_string(if folder { back.join("file") } else { back }).unwrap(), "as it was");
    }
}

/// A folder with all that a tree may hold.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::write(root.join("sub/run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("sub/run.sh"), Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("sub/same as a"), "a").unwrap();
    symlink("../a", root.join("sub/link")).unwrap();
    symlink("nowhere", root.join("sub/dangling")).unwrap();
}

#[test]
fn a_tree_comes_back_as_it_went_in() {
    let place = Place::new();
    plant(&place.path("source"));
    let source = place.store.memo().artifact(&place.path("source")).unwrap().unwrap();
    assert!(source.tree);
    assert_eq!(source.bytes, 12);

    let scratch = place.store.scratch("x").unwrap();
    plant(&scratch.path().join("out"));
    let artifact = place.store.capture(&scratch.path().join("out")).unwrap();
    assert_eq!(artifact, source, "hashing a folder and capturing it agree");
    assert!(place.store.has(&artifact));

    let to = place.path("out/tree");
    place.store.materialise(&artifact, &to, How::Copy).unwrap();
    assert_eq!(place.store.memo().artifact(&to).unwrap(), Some(artifact.clone()));
    assert_eq!(fs::read_link(to.join("sub/link")).unwrap(), Path::new("../a"));
    assert!(to.join("sub/empty").is_dir());

    fs::write(to.join("stray"), "mine").unwrap();
    fs::write(to.join("a"), "edited").unwrap();
    assert_ne!(place.store.memo().artifact(&to).unwrap(), Some(artifact.clone()));
    place.store.materialise(&artifact, &to, How::Copy).unwrap();
    assert_eq!(place.store.memo().artifact(&to).unwrap(), Some(artifact.clone()), "strays are gone, edits undone");

    let linked = place.path("linked");
    place.store.materialise(&artifact, &linked, How::Link).unwrap();
    assert_eq!(fs::read(linked.join("sub/same as a")).unwrap(), b"a");
    assert_eq!(mode(&linked.join("sub/run.sh")) & 0o100, 0o100);

    fs::remove_file(place.store.blob_path(&place.file("a").digest)).unwrap();
    assert!(!place.store.has(&artifact), "a tree without one of its files");
}

#[test]
fn every_part_of_a_tree_decides_its_digest() {
    let place = Place::new();
    let digest = |change: &dyn Fn(&Path)| {
        let root = place.path("tree");
        plant(&root);
        change(&root);
        let artifact = place.store.memo().artifact(&root).unwrap().unwrap();
        fs::remove_dir_all(&root).unwrap();
        artifact.digest
    };
    let changes: [&dyn Fn(&Path); 8] = [
        &|_| {},
        &|root| fs::write(root.join("a"), "b").unwrap(),
        &|root| fs::rename(root.join("a"), root.join("b")).unwrap(),
        &|root| fs::set_permissions(root.join("a"), Permissions::from_mode(0o744)).unwrap(),
        &|root| fs::remove_dir(root.join("sub/empty")).unwrap(),
        &|root| fs::create_dir(root.join("empty")).unwrap(),
        &|root| fs::remove_file(root.join("sub/link")).unwrap(),
        &|root| {
            fs::remove_file(root.join("sub/link")).unwrap();
            symlink("../b", root.join("sub/link")).unwrap();
        },
    ];
    let mut digests: Vec<_> = changes.iter().map(|change| digest(change)).collect();
    assert_eq!(digests[0], digest(&|_| {}));
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), changes.len());
}

#[test]
fn files_and_trees_replace_each_other() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    plant(&scratch.path().join("out"));
    let tree = place.store.capture(&scratch.path().join("out")).unwrap();
    let file = place.file("file");
    let to = place.path("out");
    symlink(place.path("elsewhere"), &to).unwrap();
    fs::write(place.path("elsewhere"), "untouched").unwrap();
    for artifact in [&file, &tree, &tree, &file, &tree] {
        place.store.materialise(artifact, &to, How::Copy).unwrap();
        assert_eq!(place.store.memo().artifact(&to).unwrap().as_ref(), Some(artifact));
    }
    assert_eq!(fs::read(place.path("elsewhere")).unwrap(), b"untouched", "a link is replaced, not followed");
    let left: Vec<_> = fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing beside cache, elsewhere and out: {left:?}");
}

#[test]
fn what_is_no_artifact_is_refused_by_name() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    let fifo = scratch.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_bits_truncate(0o600), 0).unwrap();
    let socket = scratch.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let link = scratch.path().join("link");
    symlink("/etc/passwd", &link).unwrap();
    let refused = |path: &Path| place.store.capture(path).unwrap_err().to_string();
    assert_eq!(refused(&fifo), format!("{} is a FIFO, not a file or a folder", fifo.display()));
    assert_eq!(refused(&socket), format!("{} is a socket, not a file or a folder", socket.display()));
    assert_eq!(refused(&link), format!("{} is a symbolic link, not a file or a folder", link.display()));
    assert!(matches!(place.store.capture(&scratch.path().join("none")), Err(StoreError::Io { .. })));

    for (name, target) in [("up", "../x"), ("absolute", "/etc"), ("around", "b/../../x")] {
        let tree = scratch.path().join(name);
        fs::create_dir(&tree).unwrap();
        symlink(target, tree.join("link")).unwrap();
        let message = format!(
            "{} is a symbolic link that leaves its folder (it points to {target})",
            tree.join("link").display()
        );
        assert_eq!(refused(&tree), message);
        assert_eq!(place.store.memo().artifact(&tree).unwrap_err().to_string(), message);
    }
    let tree = scratch.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::rename(&fifo, tree.join("fifo")).unwrap();
    assert!(refused(&tree).contains("tree/fifo is a FIFO"));
    assert!(place.store.memo().artifact(&tree.join("fifo")).unwrap_err().to_string().contains("is a FIFO"));
    assert_eq!(
        place.store.memo().artifact(Path::new("/dev/null")).unwrap_err().to_string(),
        "/dev/null is a device, not a file or a folder"
    );
}

#[test]
fn damage_is_found_put_aside_and_mended_by_making_it_again() {
    let place = Place::new();
    for how in [How::Copy, How::Link] {
        for change in [
            (|bytes: &mut Vec<u8>| bytes[2] ^= 1) as fn(&mut Vec<u8>),
            |bytes| bytes.truncate(3),
            |bytes| bytes.clear(),
        ] {
            let artifact = place.file("content");
            let to = place.path("out");
            place.store.materialise(&artifact, &to, how).unwrap();
            let blob = place.store.blob_path(&artifact.digest);
            corrupt(&blob, change);
            let again = place.path("again");
            let error = place.store.materialise(&artifact, &again, how).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { digest } if digest == artifact.digest), "{error}");
            assert!(!again.exists());
            assert!(!place.store.has(&artifact));
            let error = place.store.materialise(&artifact, &again, how).unwrap_err();
            assert!(matches!(error, StoreError::Missing { .. }), "{error}");
            assert_eq!(place.file("content"), artifact);
            place.store.materialise(&artifact, &again, how).unwrap();
            fs::remove_file(&again).unwrap();
        }
    }
    assert!(fs::read_dir(place.store.root().join("quarantine")).unwrap().count() > 0);
}

#[test]
fn making_a_damaged_artifact_again_mends_it_even_unnoticed() {
    let place = Place::new();
    let artifact = place.file("content");
    corrupt(&place.store.blob_path(&artifact.digest), |bytes| bytes[0] ^= 1);
    assert_eq!(place.file("content"), artifact);
    assert_eq!(place.store.read(&artifact.digest).unwrap(), b"content");
}

#[test]
fn a_damaged_listing_is_no_tree() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    plant(&scratch.path().join("out"));
    let tree = place.store.capture(&scratch.path().join("out")).unwrap();
    let hex = tree.digest.to_string();
    corrupt(&place.store.root().join("trees").join(&hex[..2]).join(&hex[2..]), |bytes| bytes[20] ^= 1);
    assert!(!place.store.has(&tree));
    let to = place.path("out");
    assert!(place.store.materialise(&tree, &to, How::Copy).is_err());
    assert!(!to.exists());
}

#[test]
fn an_output_in_a_folder_that_was_closed_is_captured_and_swept() {
    let place = Place::new();
    let scratch = place.store.scratch("x").unwrap();
    let folder = scratch.path().join("closed");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("out"), "out").unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let artifact = place.store.capture(&folder).unwrap();
    assert!(place.store.has(&artifact));
    let path = scratch.path().to_owned();
    drop(scratch);
    assert!(!path.exists());
}

#[test]
fn a_project_on_another_file_system_gets_its_artifacts_too() {
    let place = Place::new();
    let project = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(project.path()), device(place.store.root()), "this test needs two file systems");
    let scratch = place.store.scratch("x").unwrap();
    plant(&scratch.path().join("out"));
    let tree = place.store.capture(&scratch.path().join("out")).unwrap();
    let file = place.file("file");
    let to = project.path().join("out");
    // What a killed process left: nobody holds it.
    fs::create_dir(project.path().join(".kiln-00000000000000ff")).unwrap();
    fs::write(project.path().join(".kiln-00000000000000ff/0"), "half").unwrap();
    for artifact in [&file, &tree, &tree, &file] {
        place.store.materialise(artifact, &to, How::Copy).unwrap();
        assert_eq!(place.store.memo().artifact(&to).unwrap().as_ref(), Some(artifact));
        assert_eq!(fs::read_dir(project.path()).unwrap().count(), 1);
    }
}
