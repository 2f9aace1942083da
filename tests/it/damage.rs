//! Damage to every kind of file in the cache: the next run ends with what a clean one gives.

use std::path::Path;

use crate::project::{Project, files};

const THREE: &str = "\
version: 1
params: {word: x}
stages:
  first: {run: cat in.txt > out/first.txt, inputs: {x: in.txt}, outputs: {x: out/first.txt}}
  tree:
    run: mkdir out/tree; cat out/first.txt > out/tree/a; echo b > out/tree/b; ln -s a out/tree/link
    inputs: {x: {from: first.x}}
    outputs: {x: out/tree}
  last:
    run: cat out/tree/a out/tree/link out/tree/b > out/last.txt; echo ${params.word} >> out/last.txt
    inputs: {x: {from: tree.x}}
    outputs: {x: out/last.txt}
";

fn made() -> Project {
    let project = Project::new(THREE);
    project.write("in.txt", "text\n").run(&[]);
    project
}

/// Changes a file in its place; an empty one stays as it is.
fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("read");
    how(&mut bytes);
    std::fs::remove_file(path).expect("remove");
    std::fs::write(path, bytes).expect("write");
}

/// Does this to each file of a cache in turn; afterwards a changed parameter, and then missing outputs, must not matter.
fn survives(harm: impl Fn(&Path)) {
    let clean = made();
    let expected = [clean.run(&[]).digests(), clean.run(&["--set", "params.word=y"]).digests()];
    let count = files(&made().root().join("cache")).len();
    assert!(count > 10, "there is something to harm");
    for n in 0..count {
        let project = made();
        // Some files have random names, but there are as many of each kind.
        let Some(file) = files(&project.root().join("cache")).get(n).cloned() else { continue };
        harm(&file);
        let name = file.display();
        assert_eq!(project.run(&["--set", "params.word=y"]).digests(), expected[1], "{name}, outputs in place");
        std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
        assert_eq!(project.run(&[]).digests(), expected[0], "{name}, outputs removed");
        assert_eq!(project.run(&[]).with("up-to-date").len(), 3, "{name}, a second run");
    }
}

#[test]
fn a_flipped_bit_in_any_file() {
    survives(|path| {
        change(path, |bytes| {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 4;
            }
        });
    });
}

#[test]
fn any_file_cut_short() {
    survives(|path| change(path, |bytes| bytes.truncate(bytes.len() * 2 / 3)));
}

#[test]
fn any_file_emptied() {
    survives(|path| change(path, Vec::clear));
}

#[test]
fn any_file_deleted() {
    survives(|path| std::fs::remove_file(path).expect("remove"));
}

#[test]
fn any_folder_deleted() {
    let expected = made().run(&[]).digests();
    let names = ["objects", "trees", "runs", "logs", "locks", "tmp", ""];
    for name in names {
        let project = made();
        let _ = std::fs::remove_dir_all(project.root().join("cache").join(name));
        // Where nothing is known any more, what lies there may be anybody's.
        let flag: &[&str] = if name.is_empty() { &["--force-overwrite"] } else { &[] };
        assert_eq!(project.run(flag).digests(), expected, "{name}, outputs in place");
        let _ = std::fs::remove_dir_all(project.root().join("cache").join(name));
        std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
        assert_eq!(project.run(&[]).digests(), expected, "{name}, outputs removed");
        assert_eq!(project.run(&[]).with("up-to-date").len(), 3, "{name}, a second run");
    }
}

#[test]
fn an_edit_whose_times_are_put_back_is_noticed() {
    let project = made();
    for (path, text) in [("in.txt", "TEXT\n"), ("out/first.txt", "mine\n")] {
        let path = project.root().join(path);
        let before = std::fs::metadata(&path).expect("stat").modified().expect("mtime");
        assert_eq!(std::fs::metadata(&path).expect("stat").len(), text.len() as u64);
        std::fs::write(&path, text).expect("write");
        let file = std::fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(before).expect("set mtime");
        if path.ends_with("out/first.txt") {
            assert_eq!(project.kiln(&["run"]).code, Some(1), "it is noticed, and not replaced");
            assert_eq!(project.read("out/first.txt"), "mine\n");
        }
        project.run(&["--force-overwrite"]);
        assert_eq!(project.read("out/first.txt"), "TEXT\n");
        assert_eq!(project.read("out/last.txt"), "TEXT\nTEXT\nb\nx\n");
    }
}

#[test]
fn an_edit_under_a_clock_that_is_ahead_is_noticed() {
    let project = made();
    let path = project.root().join("in.txt");
    let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(400 * 24 * 3600);
    let touch = || {
        let file = std::fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(ahead).expect("set mtime");
    };
    touch();
    assert_eq!(project.run(&[]).with("up-to-date").len(), 3);
    std::fs::write(&path, "TEXT\n").expect("write");
    touch();
    assert_eq!(project.run(&[]).with("executed"), ["first", "last", "tree"]);
    assert_eq!(project.read("out/last.txt"), "TEXT\nTEXT\nb\nx\n");
}

/// Puts a folder with something in it in the place of a file.
fn by_a_folder(path: &Path) {
    std::fs::remove_file(path).expect("remove");
    std::fs::create_dir(path).expect("create folder");
    std::fs::write(path.join("theirs"), "theirs\n").expect("write");
}

#[test]
fn a_folder_in_the_place_of_any_file() {
    survives(by_a_folder);
    // Nothing in it is lost, however often garbage is collected; and nothing is told for ever.
    let project = made();
    let cache = project.root().join("cache");
    let kept = ["version"].map(|name| cache.join(name));
    let all: Vec<_> = files(&cache).into_iter().filter(|file| !kept.contains(file)).collect();
    all.iter().for_each(|file| by_a_folder(file));
    project.run(&["--force-overwrite", "--set", "params.word=y"]);
    assert_eq!(project.run(&[]).with("failed"), Vec::<String>::new());
    let ran = project.kiln(&["gc", "--unrecorded", "0", "--keep-last", "0", "--drop-records", "-y"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let theirs = files(&cache).into_iter().filter(|file| file.ends_with("theirs")).count();
    assert_eq!(theirs, all.len(), "all of what somebody put there");
}

#[test]
fn a_file_in_the_place_of_any_folder() {
    let expected = made().run(&[]).digests();
    for name in ["objects", "trees", "runs", "logs", "pipelines", "tmp", "quarantine", "claims"] {
        let project = made();
        let folder = project.root().join("cache").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::write(&folder, "theirs\n").expect("write");
        std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
        assert_eq!(project.run(&[]).digests(), expected, "{name}");
        assert_eq!(project.run(&[]).with("up-to-date").len(), 3, "{name}");
        assert_eq!(project.kiln(&["verify"]).code, Some(0), "{name}");
    }
    // A folder further down.
    let project = made();
    let shard =
        std::fs::read_dir(project.root().join("cache/objects")).expect("list").next().expect("one").expect("one");
    std::fs::remove_dir_all(shard.path()).and_then(|()| std::fs::write(shard.path(), "theirs\n")).expect("write");
    std::fs::remove_dir_all(project.root().join("out")).expect("remove outputs");
    assert_eq!(project.run(&[]).digests(), expected);
}
