//! Outputs as hard links to the cache: `cache: {type: hardlink}`. Whoever writes to one all the same is noticed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::project::{Project, Ran, files, mailbox, wait_for};

/// A folder with a large file and a small one, and what reads it.
const LINKED: &str = "
    version: 1
    cache: {type: hardlink}
    stages:
      make:
        run: mkdir -p out/tree; yes hello | head -c 3000000 > out/tree/large; echo small > out/tree/small; yes model | head -c 2000000 > out/model
        inputs: {words: words.txt}
        outputs: {tree: out/tree, model: out/model}
      count:
        run: cat out/tree/large out/tree/small out/model | wc -c > out/count
        inputs: {tree: {from: make.tree}, model: {from: make.model}}
        outputs: {count: out/count}
";

fn linked() -> Project {
    let project = Project::new(LINKED);
    project.write("words.txt", "hello\n");
    project
}

fn look(project: &Project, path: &str) -> fs::Metadata {
    fs::metadata(project.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The file of the cache that is the same file as this one.
fn blob(project: &Project, path: &str) -> Option<PathBuf> {
    let inode = look(project, path).ino();
    let mut blobs = files(&project.root().join("cache/objects")).into_iter();
    blobs.find(|blob| fs::metadata(blob).is_ok_and(|blob| blob.ino() == inode))
}

/// Changes a byte where it lies, as somebody can who takes himself the right to.
fn damage(file: &Path) {
    fs::set_permissions(file, Permissions::from_mode(0o644)).expect("take the right");
    let open = File::options().write(true).open(file).expect("open");
    open.write_all_at(b"X", 1_000_000).expect("write");
    fs::set_permissions(file, Permissions::from_mode(0o444)).expect("give it back");
}

#[test]
fn large_outputs_are_links_to_the_cache() {
    let project = linked();
    assert_eq!(project.run(&[]).with("executed"), ["count", "make"]);
    for path in ["out/tree/large", "out/model"] {
        assert!(blob(&project, path).is_some(), "{path}");
        assert_eq!(look(&project, path).mode() & 0o777, 0o444, "{path}");
    }
    assert!(blob(&project, "out/tree/small").is_none() && look(&project, "out/tree/small").mode() & 0o200 != 0);
    assert_eq!(project.run(&[]).with("up-to-date"), ["count", "make"]);
    // What is gone is linked again, and the other name is no reason to execute anything.
    fs::remove_dir_all(project.root().join("out")).expect("remove");
    let again = project.run(&[]);
    assert_eq!((again.with("executed"), again.with("restored")), (vec![], vec!["count".to_owned(), "make".to_owned()]));
    assert!(blob(&project, "out/model").is_some());
    // So it is by a checkout, and where somebody gave himself the right to write and deleted what he had it for.
    fs::set_permissions(project.root().join("out/model"), Permissions::from_mode(0o644)).expect("take the right");
    fs::remove_dir_all(project.root().join("out")).expect("remove");
    assert_eq!(project.kiln(&["checkout", "latest"]).code, Some(0));
    assert!(blob(&project, "out/model").is_some() && blob(&project, "out/tree/large").is_some());
    assert_eq!(look(&project, "out/model").mode() & 0o777, 0o444);
    assert_eq!(project.run(&[]).with("up-to-date"), ["count", "make"]);
    // A stage that is executed again writes a new file, and not through the link.
    let kept = project.root().join("kept");
    fs::hard_link(project.root().join("out/model"), &kept).expect("link");
    project.edit("pipeline.yaml", "yes model", "yes other");
    project.run(&[]);
    assert!(project.read("out/model").starts_with("other\n") && project.read("kept").starts_with("model\n"));
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    // Without the setting they are copies.
    project.edit("pipeline.yaml", "cache: {type: hardlink}", "cache: {type: copy}");
    fs::remove_dir_all(project.root().join("out")).expect("remove");
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
    assert!(blob(&project, "out/model").is_none() && look(&project, "out/model").mode() & 0o200 != 0);
}

#[test]
fn an_output_that_is_changed_where_it_lies_is_not_up_to_date() {
    let project = linked();
    let digests = project.run(&[]).digests();
    let model = project.root().join("out/model");
    damage(&model);
    // As with a copy that was edited: it is not Kiln's any more, and stays until the user says otherwise.
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`out/model` is in the way: it was changed where it lies, and with it the cache's file")
    );
    assert_eq!(fs::read(&model).expect("read")[1_000_000], b'X');
    let ran = project.kiln(&["run", "--json", "--force-overwrite"]);
    assert!(ran.stderr.contains("is damaged; it has been put aside; it is executed again"), "{}", ran.stderr);
    assert_eq!(ran.record().digests(), digests);
    assert!(!fs::read(&model).expect("read").contains(&b'X'));
    assert_eq!(project.run(&[]).with("up-to-date"), ["count", "make"]);
    // The other stage has what was made, also where the damaged file lies in the cache alone.
    damage(&project.root().join("out/tree/large"));
    fs::remove_dir_all(project.root().join("out")).expect("remove");
    let ran = project.run(&[]);
    assert_eq!((ran.with("executed"), ran.digests()), (vec!["make".to_owned()], digests));
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
}

#[test]
fn what_is_changed_while_a_stage_reads_it_fails_the_stage() {
    let mail = mailbox();
    let wait = format!("touch {0}/begun; while ! test -e {0}/go; do sleep 0.01; done", mail.path().display());
    let project = Project::new(&format!(
        "
        version: 1
        cache: {{type: hardlink}}
        stages:
          make:
            run: yes hello | head -c 40000000 > out/large
            inputs: {{words: words.txt}}
            outputs: {{large: out/large}}
          read:
            run: {wait}; tail -c 5 out/large > out/end
            inputs: {{large: {{from: make.large}}}}
            outputs: {{end: out/end}}
        "
    ));
    project.write("words.txt", "hello\n");
    let mut command = project.command(&["run", "-v"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
    wait_for(&mail.path().join("begun"));
    damage(&project.root().join("out/large"));
    fs::write(mail.path().join("go"), "").expect("write");
    let ran = Ran::from(child.wait_with_output().expect("kiln"));
    if ran.stderr.contains("out/large is copied") {
        assert!(std::env::var_os("CI").is_none(), "this machine lets nobody make a mount namespace");
        eprintln!("not tested: this machine lets nobody make a mount namespace");
        return;
    }
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("out/large was changed while the run was under way"), "{}", ran.stderr);
}

#[test]
fn other_types_are_refused_with_a_hint() {
    for (given, said) in [
        ("symlink", "hint: with the cache on the file system of the project, `hardlink` takes as little room"),
        ("reflink", "hint: a `copy` is a reflink wherever the file system can make one"),
        ("link", "`copy` or `hardlink`"),
    ] {
        let project = Project::new(&LINKED.replace("hardlink", given));
        project.write("words.txt", "hello\n");
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("pipeline.yaml:2:15") && ran.stderr.contains(said), "{}", ran.stderr);
    }
}
