//! Sources that are changed while a run is under way: nothing is filed under a content that was not read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::project::{Project, Ran, mailbox, wait_for};

/// Two commands, one after the other; each says that it has begun and waits until it may go on. The second reads a source.
fn pipeline(mail: &Path) -> String {
    let mail = mail.display();
    format!(
        "version: 1\nstages:\n  first:\n    run: touch {mail}/one; while ! test -e {mail}/two; do sleep 0.01; done; touch out/first\n    \
         outputs: {{x: out/first}}\n  second:\n    run: touch {mail}/three; while ! test -e {mail}/four; do sleep 0.01; done; \
         cat data/in > out/second\n    inputs: {{first: {{from: first.x}}, data: data}}\n    outputs: {{x: out/second}}\n"
    )
}

fn start(project: &Project) -> Child {
    project.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start kiln")
}

fn end(child: Child) -> Ran {
    Ran::from(child.wait_with_output().expect("wait for kiln"))
}

fn touch(path: &Path) {
    std::fs::write(path, "").expect("write file");
}

#[test]
fn a_source_may_change_once_a_command_has_its_copy() {
    let mail = mailbox();
    let project = Project::new(&pipeline(mail.path()));
    project.write("data/in", "old");
    let kiln = start(&project);
    touch(&mail.path().join("two"));
    wait_for(&mail.path().join("three"));
    project.write("data/in", "new");
    touch(&mail.path().join("four"));
    let ran = end(kiln);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("second: data was changed while the stage was running; run again"), "{}", ran.stderr);
    assert_eq!(project.read("out/second"), "old");

    let record = project.run_plainly(&[]);
    assert_eq!((record.outcome("first"), record.outcome("second")), ("up-to-date", "executed"));
    assert_eq!(project.read("out/second"), "new");
    project.write("data/in", "old");
    assert_eq!((project.run_plainly(&[]).outcome("second"), project.read("out/second").as_str()), ("restored", "old"));
}

#[test]
fn a_command_is_not_given_what_it_was_not_decided_by() {
    let mail = mailbox();
    let project = Project::new(&pipeline(mail.path()));
    project.write("data/in", "old");
    let kiln = start(&project);
    wait_for(&mail.path().join("one"));
    project.write("data/in", "new");
    touch(&mail.path().join("two"));
    // Were it started, it would find the new content, and in the end the old one would be in place.
    touch(&mail.path().join("four"));
    let ran = end(kiln);
    project.write("data/in", "old");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("data was changed while the run was under way; run again"), "{}", ran.stderr);
    assert!(!mail.path().join("three").exists(), "it was started");

    assert_eq!((project.run_plainly(&[]).outcome("second"), project.read("out/second").as_str()), ("executed", "old"));
}

#[test]
fn a_link_that_comes_or_turns_before_a_command_begins_is_seen() {
    for was_link in [false, true] {
        let mail = mailbox();
        let project = Project::new(&pipeline(mail.path()));
        let (data, old, new) = (project.root().join("data"), mail.path().join("v1"), mail.path().join("v2"));
        for (folder, text) in [(&old, "old"), (&new, "new")] {
            fs::create_dir(folder).and_then(|()| fs::write(folder.join("in"), text)).expect("write files");
        }
        if was_link {
            symlink(&old, &data).expect("make a link");
        } else {
            project.write("data/in", "old");
        }
        let kiln = start(&project);
        wait_for(&mail.path().join("one"));
        fs::rename(&data, project.root().join("aside")).and_then(|()| symlink(&new, &data)).expect("make a link");
        touch(&mail.path().join("two"));
        touch(&mail.path().join("four"));
        let ran = end(kiln);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("data was changed while the run was under way; run again"), "{}", ran.stderr);
        assert!(!mail.path().join("three").exists(), "it was started");
        assert_eq!(project.run_plainly(&[]).outcome("second"), "executed");
        assert_eq!(project.read("out/second"), "new");
    }
}

/// Training of a network on a copy of what the sample's first stages make, long enough to change something meanwhile.
#[cfg(feature = "stages")]
fn training() -> Project {
    let project = Project::on_the_sample("", "");
    let made = project.run(&[]);
    let output =
        |stage: &str, output: &str| made.stage(stage)["outputs"][output]["path"].as_str().expect("a path").to_owned();
    for (from, to) in [(output("normalise", "train"), "data/set"), (output("split", "split"), "data/split")] {
        std::fs::copy(project.root().join(from), project.root().join(to)).expect("copy");
    }
    project.write(
        "pipeline.yaml",
        "version: 1\nstages:\n  train:\n    uses: train\n    inputs: {data: data/set, split: data/split, model: model.yaml}\n    \
         with: {epochs: 200, seed: 1, batch_size: 16}\n",
    );
    project.write(
        "model.yaml",
        "name: small\nlayers:\n  - {name: pool, type: max_pool, size: 2}\n  - {name: flatten, type: flatten}\n  \
         - {name: output, type: dense}\noptimiser: {type: sgd, learning_rate: 0.05}\n",
    );
    project
}

/// Starts a run, changes something once it trains, and waits for its end.
#[cfg(feature = "stages")]
fn changed_meanwhile(project: &Project, change: impl FnOnce()) -> Ran {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut kiln = project.command(&["run"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("start kiln");
    let mut lines = BufReader::new(kiln.stderr.take().expect("its standard error"));
    let mut stderr = String::new();
    while !stderr.contains("epoch") {
        assert!(lines.read_line(&mut stderr).expect("read what it says") > 0, "{stderr}");
    }
    change();
    lines.read_to_string(&mut stderr).expect("read what it says");
    Ran { code: kiln.wait().expect("wait for kiln").code(), stdout: String::new(), stderr }
}

#[cfg(feature = "stages")]
#[test]
fn a_source_that_a_kind_reads_in_place_must_stay_as_it_is() {
    let project = training();
    let set = project.root().join("data/set");
    let bytes = std::fs::read(&set).expect("read");
    let overwrite = |bytes: &[u8]| {
        let file = std::fs::File::options().write(true).open(&set);
        file.and_then(|file| std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0)).expect("write");
    };
    let changes: [&dyn Fn(); 2] = [
        &|| {
            let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            overwrite(&other);
            overwrite(&bytes);
        },
        // What the worker has mapped is gone.
        &|| std::fs::write(&set, "").and_then(|()| std::fs::write(&set, &bytes)).expect("write"),
    ];
    for change in changes {
        let ran = changed_meanwhile(&project, change);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("data/set was changed while the run was under way; run again"), "{}", ran.stderr);
    }
}

#[cfg(feature = "stages")]
#[test]
fn a_document_was_read_when_the_stage_was_decided() {
    let project = training();
    let ran = changed_meanwhile(&project, || {
        project.edit("model.yaml", "name: small", "name: other");
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    project.edit("model.yaml", "name: other", "name: small");
    assert_eq!(project.run_plainly(&[]).outcome("train"), "up-to-date");
}

#[cfg(feature = "stages")]
#[test]
fn a_change_of_rights_changes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = training();
    let set = project.root().join("data/set");
    let ran = changed_meanwhile(&project, || {
        std::fs::set_permissions(&set, std::fs::Permissions::from_mode(0o640)).expect("chmod");
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(project.run_plainly(&[]).outcome("train"), "up-to-date");
}

#[cfg(feature = "stages")]
#[test]
fn a_stage_whose_source_is_written_to_ends_at_once() {
    let project = training();
    // Long enough to be stopped.
    project.edit("pipeline.yaml", "epochs: 200", "epochs: 100000");
    let begun = std::time::Instant::now();
    let ran = changed_meanwhile(&project, || {
        let bytes = std::fs::read(project.root().join("data/set")).expect("read");
        std::fs::write(project.root().join("data/set"), bytes).expect("write");
    });
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    // Beside it stand the epochs that ended meanwhile and are not kept.
    let failure = "\n  data/set was changed while the run was under way; run again\n";
    assert_eq!(ran.stderr.matches(failure).count(), 1, "{}", ran.stderr);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it was not stopped");
}

#[test]
fn a_source_of_several_inputs_is_told_once() {
    let mail = mailbox();
    let place = mail.path().display();
    let project = Project::new(&format!(
        "
            version: 1
            stages:
              s:
                run: touch {place}/one; while ! test -e {place}/two; do sleep 0.01; done; echo > out/x
                inputs: {{a: in, b: in, c: [in]}}
                outputs: {{x: out/x}}
        "
    ));
    project.write("in", "old");
    let kiln = start(&project);
    wait_for(&mail.path().join("one"));
    project.write("in", "new");
    touch(&mail.path().join("two"));
    let ran = end(kiln);
    assert_eq!(ran.stderr.matches("in was changed while the stage was running").count(), 1, "{}", ran.stderr);
}

/// A file of a page, mapped so that what is written to it changes no stamp after the first time.
struct Mapped(*mut u8);

impl Mapped {
    const SIZE: usize = 4096;

    fn new(path: &Path) -> Self {
        use std::os::fd::AsRawFd as _;
        std::fs::write(path, vec![b'0'; Self::SIZE]).expect("write file");
        let file = std::fs::File::options().read(true).write(true).open(path).expect("open file");
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of an open file, at a place that the system chooses.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), Self::SIZE, rights, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Self(at.cast())
    }

    fn set(&self, byte: u8) {
        // SAFETY: the first byte of a mapping that is there as long as `self` is.
        unsafe { self.0.write_volatile(byte) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped.
        unsafe { libc::munmap(self.0.cast(), Self::SIZE) };
    }
}

#[test]
fn forcing_a_stage_reads_its_sources_whatever_their_stamps_say() {
    for (source, read) in [("data", "data/in"), ("data/in", "data/in"), ("link", "link")] {
        let project = Project::new(&format!(
            "version: 1\nstages:\n  first: {{run: head -c 1 {read} > out/x, inputs: {{d: {source}}}, outputs: {{x: out/x}}}}\n"
        ));
        std::fs::create_dir(project.root().join("data")).expect("create folder");
        std::os::unix::fs::symlink("data/in", project.root().join("link")).expect("link");
        let mapped = Mapped::new(&project.root().join("data/in"));
        mapped.set(b'1');
        project.run_plainly(&[]);
        assert_eq!(project.read("out/x"), "1", "{source}");
        // The page was written to before: of this the kernel tells nothing, or not at once.
        mapped.set(b'2');
        let record = project.run_plainly(&["--force", "first"]);
        assert_eq!((record.outcome("first"), project.read("out/x").as_str()), ("executed", "2"), "{source}");
        assert!(!record.reasons("first").contains("deterministic"), "{source}: {}", record.reasons("first"));
        assert_eq!(project.run_plainly(&[]).outcome("first"), "up-to-date", "{source}");
        // What it gives is found again: nothing was filed under a wrong name.
        mapped.set(b'1');
        project.run_plainly(&["--force", "first"]);
        assert_eq!(project.read("out/x"), "1", "{source}");
    }
}

#[test]
fn a_source_of_a_stage_that_is_up_to_date_is_told_if_it_changed_meanwhile() {
    let mail = mailbox();
    let (one, two) = (mail.path().join("one"), mail.path().join("two"));
    let project = Project::new(&format!(
        "version: 1\nparams: {{n: 1}}\nstages:\n  slow:\n    run: touch {0}; while ! test -e {1}; do sleep 0.01; done; echo ${{params.n}} > out/slow\n    \
         outputs: {{x: out/slow}}\n  copy:\n    run: cp in out/copy\n    inputs: {{i: in}}\n    outputs: {{x: out/copy}}\n",
        one.display(),
        two.display()
    ));
    project.write("in", "old");
    touch(&two);
    project.run(&[]);
    std::fs::remove_file(&one).and(std::fs::remove_file(&two)).expect("remove");
    let kiln = project.command(&["run", "--set", "n=2"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    wait_for(&one);
    // Long after the other stage was found up to date.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    project.write("in", "new");
    touch(&two);
    let ran = end(kiln.expect("start kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("`in` changed after the run had looked; run again to take that up"), "{}", ran.stderr);
    let record = project.run(&["--set", "n=2"]);
    assert_eq!((record.with("executed"), project.read("out/copy")), (vec!["copy".to_owned()], "new".to_owned()));
}
