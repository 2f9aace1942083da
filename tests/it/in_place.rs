//! Large inputs of commands: read where they lie, without the right to write, and held to stay as they are.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::project::{Project, Ran, mailbox, wait_for};

/// More files than are copied, and a file of more bytes.
fn with_data(pipeline: &str) -> Project {
    let project = Project::new(pipeline);
    for number in 0..1_100 {
        project.write(&format!("data/{}/{number}", number % 7), &format!("{number}\n"));
    }
    project.write("big", "begin\n");
    File::options()
        .append(true)
        .open(project.root().join("big"))
        .and_then(|big| big.set_len(40 << 20))
        .expect("a file");
    project
}

const LOOKS: &str = "
    version: 1
    stages:
      look:
        run: stat -c '%i %u %a' data/3/3 big > out/seen; id -u >> out/seen; find data -type f | wc -l >> out/seen; head -n 1 big >> out/seen
        inputs: {data: data, big: big}
        outputs: {seen: out/seen}
";

/// Whether Kiln said that it shows inputs where they lie. Where the kernel does not allow it, that is told, and fails where `CI` is set.
fn shown(ran: &Ran) -> bool {
    let shown = ran.stderr.contains("is read where it lies");
    if !shown {
        assert!(ran.stderr.contains("is copied"), "{}", ran.stderr);
        assert!(std::env::var_os("CI").is_none(), "this machine lets nobody make a mount namespace");
        eprintln!("not tested: this machine lets nobody make a mount namespace");
    }
    shown
}

fn inode(project: &Project, path: &str) -> String {
    std::fs::metadata(project.root().join(path)).expect("look").ino().to_string()
}

#[test]
fn large_inputs_are_read_where_they_lie() {
    let project = with_data(LOOKS);
    let ran = project.kiln(&["run", "-v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    if !shown(&ran) {
        return;
    }
    assert!(ran.stderr.contains("look: data is read where it lies"), "{}", ran.stderr);
    let user = rustix::process::geteuid().as_raw();
    let own = |path: &str| format!("{} {user} 644", inode(&project, path));
    let seen = project.read("out/seen");
    assert_eq!(seen, format!("{}\n{}\n{user}\n1100\nbegin\n", own("data/3/3"), own("big")));
    // What it sees does not depend on how.
    let ran = project
        .command(&["run", "-v", "--force", "look"])
        .env("KILN_IN_PLACE", "off")
        .output()
        .map(Ran::from)
        .expect("kiln");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("look: big is copied"), "{}", ran.stderr);
}

#[test]
fn an_ordinary_user_is_himself_in_his_namespace() {
    if !rustix::process::geteuid().is_root() {
        // Then the other tests have shown it.
        return;
    }
    let project = with_data(LOOKS);
    let nobody = 65_534;
    let given =
        std::process::Command::new("chown").arg("-R").arg(format!("{nobody}:{nobody}")).arg(project.root()).status();
    assert!(given.expect("chown").success());
    let ran = project.command(&["run", "-v"]).uid(nobody).gid(nobody).output().map(Ran::from).expect("kiln");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    if shown(&ran) {
        let seen = project.read("out/seen");
        assert!(seen.contains(&format!("{} {nobody} 644\n{nobody}\n1100\n", inode(&project, "big"))), "{seen}");
    }
}

#[test]
fn nothing_is_written_into_a_large_input() {
    for (write, hint) in [
        ("echo x >> data/3/3", "`data/3/3` is an input, and inputs are read-only"),
        ("touch data/new", "`data/new` is an input, and inputs are read-only"),
        ("rm -r data", "is an input, and inputs are read-only"),
        ("mv big out/seen", "`big` is an input, and inputs are read-only"),
        ("ln big out/seen", "is an input, and inputs are read-only"),
    ] {
        let project = with_data(&LOOKS.replace("stat -c", &format!("{write} || exit 1; stat -c")));
        let ran = project.kiln(&["run", "-v"]);
        let there = |path: &str| project.root().join(path).exists();
        assert!(there("data/3/3") && there("big") && !there("data/new"));
        assert_eq!(project.read("data/3/3"), "3\n");
        if !shown(&ran) {
            return;
        }
        assert_eq!(ran.code, Some(1), "{write}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{write}: {}", ran.stderr);
    }
}

#[test]
fn a_large_input_that_changes_meanwhile_fails_the_stage() {
    let mail = mailbox();
    let wait = format!("touch {0}/begun; while ! test -e {0}/go; do sleep 0.01; done; stat -c", mail.path().display());
    let project = with_data(&LOOKS.replace("stat -c", &wait));
    let start = || {
        let mut command = project.command(&["run", "-v"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln");
        wait_for(&mail.path().join("begun"));
        child
    };
    let go = |path: &Path| std::fs::write(path.join("go"), "").expect("write");
    let child = start();
    project.write("data/3/3", "another\n");
    go(mail.path());
    let ran = Ran::from(child.wait_with_output().expect("kiln"));
    let in_place = shown(&ran);
    if in_place {
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("data was changed while the run was under way; run again"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: a large input is read where it lies"), "{}", ran.stderr);
    }
    // One that nobody lets go on is stopped.
    for name in ["begun", "go"] {
        std::fs::remove_file(mail.path().join(name)).expect("remove");
    }
    if in_place {
        let child = start();
        project.write("data/new", "new\n");
        let ran = Ran::from(child.wait_with_output().expect("kiln"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("data was changed"), "{}", ran.stderr);
    }
}

#[test]
fn what_does_not_count_is_not_shown() {
    let project = with_data(LOOKS);
    project.write("data/__pycache__/x.pyc", "compiled");
    std::fs::create_dir(project.root().join("elsewhere")).expect("create");
    let ran = project.kiln(&["run", "-v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("data is read where it lies"), "{}", ran.stderr);
    // So many are there, and none that does not count.
    assert!(project.read("out/seen").contains("\n1100\n"), "{}", project.read("out/seen"));
}

#[test]
fn inputs_may_lie_in_one_another_and_on_other_disks() {
    let project = with_data(
        "
        version: 1
        stages:
          inner:
            run: cat data/3/3 data/link > out/a; wc -c < elsewhere/big >> out/a
            inputs: {one: data/3/3, data: data, link: elsewhere}
            outputs: {a: out/a}
        ",
    );
    let disk = tempfile::tempdir().expect("a folder");
    std::fs::rename(project.root().join("big"), disk.path().join("big"))
        .or_else(|_| std::fs::copy(project.root().join("big"), disk.path().join("big")).map(drop))
        .expect("move");
    std::os::unix::fs::symlink(disk.path(), project.root().join("elsewhere")).expect("link");
    std::os::unix::fs::symlink("4/4", project.root().join("data/link")).expect("link");
    let ran = project.kiln(&["run", "-v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(project.read("out/a"), format!("3\n4\n{}\n", 40 << 20));
}

#[test]
fn large_outputs_are_handed_on_where_they_lie() {
    let project = Project::new(
        "
        version: 1
        stages:
          make:
            run: mkdir out/many; for n in $(seq 1100); do echo $n > out/many/$n; done; truncate -s 40M out/big
            outputs: {many: out/many, big: out/big}
          use:
            run: cat out/many/7 > out/x; wc -c < out/big >> out/x; stat -c %i out/many/7 > out/inode
            inputs: {many: {from: make.many}, big: {from: make.big}}
            outputs: {x: out/x, inode: out/inode}
        ",
    );
    let ran = project.kiln(&["run", "-v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(project.read("out/x"), format!("7\n{}\n", 40 << 20));
    if shown(&ran) {
        assert_eq!(project.read("out/inode").trim(), inode(&project, "out/many/7"));
    }
    assert_eq!(project.run_plainly(&[]).with("executed"), Vec::<String>::new());
}
