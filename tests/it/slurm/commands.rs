//! A scheduler of the user's own: three commands, here for one that is a folder.

use std::os::unix::fs::PermissionsExt as _;

use crate::project::{Project, files};

/// A scheduler that runs jobs at once, in the background: a file a job.
const SUBMIT: &str = "#!/bin/sh
for script; do :; done
job=$(basename $KILN_JOB_NAME)
echo $KILN_CPUS $KILN_MEMORY_MB > queue/$job.asked
(setsid sh $script > $KILN_JOB_OUTPUT 2>&1 < /dev/null; touch queue/$job.done) > /dev/null 2>&1 < /dev/null &
echo $! > queue/$job.pid
echo \"submitted as\"
echo $job
";
const POLL: &str = "#!/bin/sh
for job; do
    if [ -e queue/$job.gone ]; then continue; fi
    if [ -e queue/$job.done ]; then echo $job done; else echo $job running; fi
done
";
const CANCEL: &str = "#!/bin/sh
for job; do touch queue/$job.done; done
";

fn project(stages: &str) -> Project {
    let project = Project::new(&format!(
        "version: 1
executor:
  command: {{submit: [./submit], poll: ./poll, cancel: ./cancel, latency: 2s}}
stages:
{stages}"
    ));
    for (name, text) in [("submit", SUBMIT), ("poll", POLL), ("cancel", CANCEL)] {
        project.write(name, text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(project.root().join(name), mode).expect("a script");
    }
    std::fs::create_dir(project.root().join("queue")).expect("a folder");
    project
}

#[test]
fn three_commands_are_a_scheduler() {
    let project = project(
        "  a:
    run: 'echo hello > a.txt'
    outputs: {a: a.txt}
    resources: {cpus: 2, memory: 64MB}
  b:
    run: 'cat a.txt a.txt > b.txt'
    inputs: {a: {from: a.a}}
    outputs: {b: b.txt}
",
    );
    let record = project.run(&[]);
    assert_eq!(record.with("executed"), ["a", "b"]);
    assert_eq!(project.read("b.txt"), "hello\nhello\n");
    let asked =
        files(&project.root().join("queue")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "asked"));
    let asked: Vec<String> = asked.map(|path| std::fs::read_to_string(path).unwrap().trim().to_owned()).collect();
    assert!(asked.len() == 2 && asked.contains(&"2 62".to_owned()), "{asked:?}");
}

#[test]
fn what_the_commands_refuse_is_told() {
    let project = project("  a:\n    run: 'echo > a.txt'\n    outputs: {a: a.txt}\n");
    project.write("submit", "#!/bin/sh\necho 'the budget is used up' >&2; exit 3\n");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("does not take its job: the budget is used up"), "{}", ran.stderr);
    // What cannot be started is told before anything is submitted.
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(project.root().join("poll"), mode).expect("a script");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`poll` of the executor cannot be started: `./poll` may not"), "{}", ran.stderr);
    std::fs::remove_file(project.root().join("poll")).expect("a script");
    let ran = project.kiln(&["run"]);
    assert!(ran.stderr.contains("cannot be started: `./poll` is not found"), "{}", ran.stderr);
    project.edit("pipeline.yaml", "poll: ./poll, ", "");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`command` lacks `poll`"), "{}", ran.stderr);
}
