//! Several processes and threads on one store at once, some of them killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

use kiln::store::{Placement as How, Published, Store};

use crate::{Place, action, result};

/// How many actions the processes of these tests share.
const ACTIONS: usize = 25;

/// What every process does: executes each action unless there is a result, materialises it, and publishes it.
fn work(store: &Store, out: &Path) {
    for n in 0..ACTIONS {
        let (key, manifest) = action(n);
        let _lock = store.lock_action(&key).unwrap();
        if store.result(&key).is_none_or(|result| !store.has(&result.outputs["out"])) {
            let scratch = store.scratch(&format!("stage {n}")).unwrap();
            let tree = scratch.path().join("out");
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("own"), format!("content {n}").repeat(n * 100)).unwrap();
            fs::write(tree.join("shared"), "the same for all".repeat(1000)).unwrap();
            let outcome = result(store.capture(&tree).unwrap());
            let published = store.publish(&key, &manifest, &outcome).unwrap();
            assert!(!matches!(published, Published::Conflict(_)));
        }
        let artifact = &store.result(&key).unwrap().outputs["out"];
        store.materialise(artifact, &out.join(n.to_string()), How::Copy).unwrap();
    }
    store.memo().save().unwrap();
}

/// Run by the tests below in a process of its own.
#[test]
#[ignore = "started by other tests"]
fn process() {
    let root = std::env::var_os("KILN_TEST_STORE").unwrap();
    let out = std::env::var_os("KILN_TEST_OUT").unwrap();
    work(&Store::open(Path::new(&root)).unwrap(), Path::new(&out));
}

fn start(place: &Place, out: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::process", "--ignored", "--quiet"])
        .env("KILN_TEST_STORE", place.store.root())
        .env("KILN_TEST_OUT", place.path(out))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Everything published is there and is what an undisturbed process makes.
fn check(place: &Place, complete: bool) {
    let clean = Place::new();
    work(&clean.store, &clean.path("out"));
    let store = place.reopen();
    for n in 0..ACTIONS {
        let (key, manifest) = action(n);
        let Some(found) = store.result(&key) else {
            assert!(!complete, "action {n} has no result");
            continue;
        };
        assert_eq!(found.outputs, clean.store.result(&key).unwrap().outputs);
        assert_eq!(store.manifest(&key), Some(manifest));
        let to = place.path("check");
        store.materialise(&found.outputs["out"], &to, How::Copy).unwrap();
        assert_eq!(store.memo().artifact(&to).unwrap().as_ref(), Some(&found.outputs["out"]));
    }
}

#[test]
fn processes_share_a_store() {
    let place = Place::new();
    let children: Vec<_> = (0..4).map(|n| start(&place, &format!("out{}", n % 2))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    check(&place, true);
    assert_eq!(fs::read_dir(place.store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn killing_processes_leaves_the_store_sound_and_nothing_behind() {
    let place = Place::new();
    for round in 0..6 {
        let mut children = [start(&place, "out"), start(&place, "out")];
        // No matter when: each moment is a fair one.
        std::thread::sleep(Duration::from_millis(5 + 17 * round));
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        check(&place, false);
    }
    assert!(start(&place, "out").wait().unwrap().success());
    check(&place, true);
    let scratch = fs::read_dir(place.store.root().join("tmp")).unwrap();
    assert!(scratch.count() <= 1, "scratch directories of the dead are swept");
    for entry in fs::read_dir(place.path("out")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(name.to_str().unwrap().parse::<usize>().is_ok(), "{name:?} was left in the project");
    }
}

#[test]
fn threads_that_publish_the_same_key_agree_on_one_result() {
    let place = Place::new();
    let (key, manifest) = action(0);
    let stores = [place.reopen(), place.reopen(), place.reopen(), place.reopen()];
    let barrier = Barrier::new(stores.len());
    let published: Vec<Published> = std::thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .enumerate()
            .map(|(n, store)| {
                let (barrier, manifest) = (&barrier, &manifest);
                scope.spawn(move || {
                    let outcome = result(store.insert_bytes(format!("content {}", n % 2).as_bytes()).unwrap());
                    barrier.wait();
                    store.publish(&key, manifest, &outcome).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted: fn(&Published) -> bool| published.iter().filter(|p| wanted(p)).count();
    assert_eq!(count(|p| *p == Published::New), 1);
    assert_eq!(count(|p| *p == Published::Same), 1);
    assert_eq!(count(|p| matches!(p, Published::Conflict(_))), 2);
    let kept = place.store.result(&key);
    assert!(kept.is_some() && stores.iter().all(|store| store.result(&key) == kept));
}

#[test]
fn an_action_is_locked_for_others_until_its_holder_lets_go() {
    let place = Place::new();
    let other = place.reopen();
    let (key, _) = action(0);
    let lock = place.store.lock_action(&key).unwrap();
    assert!(other.try_lock_action(&key).unwrap().is_none());
    assert!(other.try_lock_action(&action(1).0).unwrap().is_some());
    let inside = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let _lock = other.lock_action(&key).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        drop(lock);
    });
}

#[test]
fn scratch_directories_of_the_living_are_left_alone() {
    let place = Place::new();
    let scratch = place.store.scratch("mine").unwrap();
    fs::create_dir(place.store.root().join("tmp/dead-0000000000000000")).unwrap();
    let other = place.reopen();
    let theirs = other.scratch("theirs").unwrap();
    assert!(scratch.path().is_dir() && theirs.path().is_dir());
    assert!(!place.store.root().join("tmp/dead-0000000000000000").exists());
}

#[test]
fn a_cleared_scratch_directory_is_as_good_as_new() {
    let place = Place::new();
    let folders = [Path::new("in/deep"), Path::new("out")];
    let names = |scratch: &Path| {
        let mut names: Vec<_> = fs::read_dir(scratch).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let mut scratch = place.store.scratch("first").unwrap();
    scratch.fit(folders).unwrap();
    let path = scratch.path().to_owned();
    fs::write(path.join("in/deep/file"), "").unwrap();
    fs::write(path.join("file"), "").unwrap();
    fs::create_dir_all(path.join("stray/in/deep")).unwrap();
    std::os::unix::fs::symlink("/", path.join("out/link")).unwrap();
    assert!(scratch.clear(None).unwrap());
    assert_eq!(names(&path), ["in", "out"]);
    assert_eq!(names(&path.join("in")), ["deep"]);
    assert!(names(&path.join("in/deep")).is_empty() && names(&path.join("out")).is_empty());
    scratch.fit([Path::new("in/other"), Path::new("new")]).unwrap();
    assert_eq!(names(&path), ["in", "new"]);
    assert_eq!(names(&path.join("in")), ["other"]);

    // A stage that tampered with the folders spoils the directory.
    fs::remove_dir(path.join("new")).unwrap();
    fs::write(path.join("new"), "").unwrap();
    assert!(!scratch.clear(None).unwrap());
    scratch.fit([]).unwrap_err();
    drop(scratch);
    let mut scratch = place.store.scratch("second").unwrap();
    scratch.fit(folders).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(scratch.path().join("out"), open).unwrap();
    assert!(!scratch.clear(None).unwrap(), "others may write there now");
    drop(scratch);
    assert!(names(&place.store.root().join("tmp")).is_empty());
}

#[test]
fn a_held_store_is_seen_to_be_in_use() {
    let place = Place::new();
    let (first, second) = (place.store.hold().unwrap(), place.reopen().hold().unwrap());
    let file = fs::File::open(place.store.root().join("in-use")).unwrap();
    let free = || rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok();
    assert!(!free());
    drop(first);
    assert!(!free());
    drop(second);
    assert!(free());
}
