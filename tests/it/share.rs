//! One cache for several checkouts and several processes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, Ran, mailbox};

const SLOW: &str = "\
version: 1
stages:
  slow:
    run: sleep 1; cat in.txt > out/slow.txt
    inputs: {text: in.txt}
    outputs: {text: out/slow.txt}
";

#[test]
fn a_second_checkout_executes_nothing() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let checkout = || {
        let project = Project::with_cache(SLOW, cache.path());
        project.write("in.txt", "shared\n");
        project
    };
    assert_eq!(checkout().run(&[]).with("executed"), ["slow"]);
    let second = checkout();
    assert_eq!(second.run(&[]).with("restored"), ["slow"]);
    assert_eq!(second.read("out/slow.txt"), "shared\n");
    assert!(!second.root().join("cache").exists());
}

#[test]
fn two_at_once_execute_a_stage_once() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let projects: Vec<Project> = (0..3).map(|_| Project::with_cache(SLOW, cache.path())).collect();
    let running: Vec<_> = projects
        .iter()
        .map(|project| {
            project.write("in.txt", "once\n");
            let mut command = project.command(&["run", "--json"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().expect("start kiln")
        })
        .collect();
    let mut outcomes: Vec<String> = running
        .into_iter()
        .map(|child| {
            let ran = Ran::from(child.wait_with_output().expect("wait for kiln"));
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            ran.record().outcome("slow").to_owned()
        })
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["executed", "restored", "restored"]);
}

/// The rights of everything in a folder, by path.
fn modes(folder: &Path) -> Vec<(PathBuf, u32, bool)> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).expect("list").flatten() {
        let metadata = entry.path().symlink_metadata().expect("look");
        found.push((entry.path(), metadata.permissions().mode(), metadata.is_dir()));
        if metadata.is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}

/// The same call with a umask that keeps all from others.
fn secretive(project: &Project, args: &[&str]) -> Command {
    let call = project.command(args);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(call.get_program()).args(call.get_args());
    command.current_dir(project.root()).env_remove("KILN_CACHE");
    command
}

#[test]
fn a_cache_that_a_group_shares_stays_the_groups_whatever_the_umask() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).expect("create folder");
    std::fs::set_permissions(&cache, Permissions::from_mode(0o2770)).expect("share");
    let project = Project::with_cache(&SLOW.replace("sleep 1", "echo said; mkdir out/tree; echo > out/tree/a"), &cache);
    project.edit("pipeline.yaml", "{text: out/slow.txt}", "{text: out/slow.txt, tree: out/tree}");
    project.write("in.txt", "shared\n");
    assert!(secretive(&project, &["run"]).output().expect("start kiln").status.success());
    for (path, mode, is_folder) in modes(&cache) {
        let wanted = if is_folder { 0o2070 } else { 0o040 };
        assert_eq!(mode & wanted, wanted, "{}: {mode:o}", path.display());
        // What is written to again, by whoever comes.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let again = ["actions.log", "memo.log", "in-use", "executing"].contains(&name)
            || path.parent().is_some_and(|p| p.ends_with("claims"));
        assert!(!again || mode & 0o020 != 0, "{}: {mode:o}", path.display());
    }
}

/// As another user, if this one may do that, who else could not be told from the owner.
fn as_another(command: &mut Command) -> bool {
    let root = rustix::process::geteuid().is_root();
    if root {
        command.uid(65534).gid(65534);
    }
    root
}

#[test]
fn a_cache_that_may_not_be_written_can_be_looked_at_and_says_what_to_change() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("open");
    let cache = folder.path().join("cache");
    let project = Project::with_cache(&SLOW.replace("sleep 1", ":"), &cache);
    project.write("in.txt", "shared\n").run(&[]);
    std::fs::set_permissions(project.root(), Permissions::from_mode(0o777)).expect("open");
    let all: Vec<(PathBuf, u32, bool)> = modes(&cache).into_iter().chain([(cache.clone(), 0o755, true)]).collect();
    let rights = |take: u32| {
        for (path, mode, _) in &all {
            std::fs::set_permissions(path, Permissions::from_mode(mode & !take)).expect("set rights");
        }
    };
    // Read only.
    rights(0o222);
    let call = |args: &[&str]| {
        let mut command = project.command(args);
        let other = as_another(&mut command);
        (Ran::from(command.output().expect("start kiln")), other)
    };
    for args in
        [["status"].as_slice(), &["run", "--dry-run"], &["runs"], &["show", "latest"], &["why", "slow"], &["outputs"]]
    {
        let (ran, _) = call(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
    }
    let (ran, other) = call(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("ermission denied") && ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("--cache"), "{}", ran.stderr);
    assert!(!other || (ran.stderr.contains("chmod -R g+rwX") && ran.stderr.contains("chgrp")), "{}", ran.stderr);
    // Not even that.
    rights(0o777);
    let (ran, other) = call(&["status"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stderr.contains("ermission denied") && ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert!(!other || ran.stderr.contains("user 0 "), "{}", ran.stderr);
    rights(0);
}

#[test]
fn names_as_long_as_there_are_with_the_cache_on_another_disk() {
    let cache = mailbox();
    for length in [241, 242, 243, 244, 245, 250, 255] {
        let name = "x".repeat(length);
        let text = format!(
            "version: 1\nparams: {{w: a}}\nstages:\n  a: {{run: 'echo ${{params.w}} > \"${{outputs.o}}\"; mkdir \"out/d/{name}\"; echo > \"out/d/{name}/x\"', outputs: {{o: 'out/{name}', d: 'out/d/{name}'}}}}\n"
        );
        let project = Project::with_cache(&text, &cache.path().join("cache"));
        assert_eq!(project.run(&[]).with("failed"), Vec::<String>::new(), "{length}");
        assert_eq!(project.run(&["--set", "w=b"]).with("failed"), Vec::<String>::new(), "{length}");
        assert_eq!(project.read(&format!("out/{name}")), "b\n");
        let there = std::fs::read_dir(project.root().join("out")).expect("list").count();
        assert_eq!(there, 2, "nothing is left beside");
    }
}
