//! One cache for several checkouts and several processes.

use crate::project::{Project, Ran};

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
