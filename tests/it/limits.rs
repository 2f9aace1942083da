//! Stages that misbehave: what they leave is refused or bounded, and the message says what to do.

use crate::project::{Project, Ran};

/// A stage with one output that fails when it is run.
fn refused(script: &str) -> Ran {
    let project =
        Project::new(&format!("version: 1\nstages:\n  odd:\n    run: |\n      {script}\n    outputs: {{x: out/x}}\n"));
    let ran = project.kiln(&["run", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(!project.root().join("out/x").exists());
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    ran
}

#[test]
fn an_output_that_is_no_file_or_folder_is_refused() {
    for script in ["mkfifo out/x", "mkdir out/x; mkfifo out/x/fifo"] {
        let ran = refused(script);
        assert!(ran.stderr.contains("a FIFO, not a file or a folder"), "{}", ran.stderr);
    }
    let ran = refused("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"out/x\")'");
    assert!(ran.stderr.contains("a socket, not a file or a folder"), "{}", ran.stderr);
}

#[test]
fn a_link_that_leaves_its_output_is_refused() {
    let ran = refused("ln -s /etc/passwd out/x");
    assert!(ran.stderr.contains("a symbolic link"), "{}", ran.stderr);
    for target in ["/etc/passwd", "../../elsewhere"] {
        let ran = refused(&format!("mkdir out/x; ln -s {target} out/x/link"));
        assert!(ran.stderr.contains("a symbolic link that leaves its folder"), "{}", ran.stderr);
    }
}

#[test]
fn metrics_that_are_no_file_or_a_large_one_are_not_read() {
    for (script, code, what) in [
        ("mkfifo out/x", 1, "a FIFO"),
        ("ln -s /dev/zero out/x", 1, "a symbolic link"),
        ("mkdir out/x", 0, "there is no `metrics.json` in this folder"),
        ("truncate -s 17M out/x", 0, "at most 16777216 are read"),
    ] {
        let project = Project::new(&format!(
            "version: 1\nstages:\n  odd: {{run: {script}, outputs: {{x: {{path: out/x, role: metrics}}}}}}\n"
        ));
        let ran = project.kiln(&["run"]);
        assert_eq!(ran.code, Some(code), "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{script}: {}", ran.stderr);
    }
}

#[test]
fn an_output_that_a_linked_folder_leads_away_from_is_refused() {
    let project = Project::new(
        "
            version: 1
            params: {root: none}
            stages:
              odd:
                run: rmdir out; ln -s ${params.root}/data out
                outputs: {x: out/x}
        ",
    );
    project.write("data/x", "mine\n");
    let root = project.root().canonicalize().expect("the project");
    let ran = project.kiln(&["run", "--set", &format!("params.root={}", root.display())]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("where a symbolic link leads"), "{}", ran.stderr);
    assert_eq!(project.read("data/x"), "mine\n");
}

#[test]
fn a_child_that_leaves_its_group_can_change_no_result() {
    let project = Project::new(
        "
            version: 1
            stages:
              sly:
                run: |
                  echo good > out/x
                  setsid sh -c 'i=0; while test $i -lt 200; do i=$((i+1)); echo bad >> out/x; mkdir -p d/$i; sleep 0.01; done' &
                  while ! test -d d; do sleep 0.01; done
                outputs: {x: out/x}
              next: {run: cat out/x > out/y, inputs: {x: {from: sly.x}}, outputs: {y: out/y}}
        ",
    );
    let first = project.run(&[]);
    assert_eq!(first.with("executed"), ["next", "sly"]);
    assert_eq!(project.read("out/x"), project.read("out/y"));
    assert_eq!(project.kiln(&["verify"]).code, Some(0));
    assert_eq!(project.run(&[]).digests(), first.digests());
}

#[test]
fn what_a_command_leaves_running_ends_with_it() {
    let folder = crate::project::mailbox();
    let pid = folder.path().join("pid");
    let mut pipeline = String::from("version: 1\nstages:\n");
    for (stage, end) in [("good", "true"), ("bad", "false")] {
        pipeline += &format!(
            "  {stage}:\n    run: |\n      setsid sh -c 'setsid sleep 600 & echo $! > {0}.{stage}.new; mv {0}.{stage}.new {0}.{stage}; sleep 600; true' &\n      \
             while ! test -e {0}.{stage}; do sleep 0.01; done; echo x > out/{stage}; {end}\n    outputs: {{x: out/{stage}}}\n",
            pid.display()
        );
    }
    let project = Project::new(&pipeline);
    assert_eq!(project.kiln(&["run", "--keep-going"]).code, Some(1));
    for stage in ["good", "bad"] {
        let pid = std::fs::read_to_string(format!("{}.{stage}", pid.display())).expect("a process");
        // Kiln has waited for its end.
        let command = std::fs::read(std::path::Path::new("/proc").join(pid.trim()).join("cmdline")).unwrap_or_default();
        // By now its number may be another's.
        assert!(!command.starts_with(b"sleep\x00600"), "what {stage} left runs on");
    }
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_with_its_children() {
    let project = Project::new(
        r#"
            version: 1
            stages:
              stubborn:
                run: |
                  trap '' TERM
                  sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
                  echo $! > ${params.pid}; while :; do sleep 0.1; done
                timeout: 1s
                outputs: {x: out/x.txt}
            params: {pid: none}
        "#,
    );
    let folder = crate::project::mailbox();
    let pid = folder.path().join("pid");
    let ran = project.kiln(&["run", "--json", "--set", &format!("params.pid={}", pid.display())]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = ran.record();
    assert!(record.stage("stubborn")["error"].as_str().is_some_and(|e| e.contains("timeout of 1 s")), "{}", record.0);
    let pid: i32 = std::fs::read_to_string(pid).expect("a process").trim().parse().expect("a number");
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Whoever inherits it may not have noticed its end yet.
        state.is_empty() || state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !gone() {
        assert!(std::time::Instant::now() < deadline, "process {pid} lives on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_very_long_log_is_bounded() {
    let project = Project::new(
        "
            version: 1
            stages:
              chatty:
                run: |
                  echo the beginning; yes this goes on and on | head -c ${params.bytes}; sleep 0.2
                  echo the end; exit 3
                outputs: {x: out/x.txt}
            params: {bytes: 0}
        ",
    );
    let bytes = std::env::var("KILN_TEST_LOG_BYTES").unwrap_or_else(|_| "400000000".into());
    let ran = project.kiln(&["run", "--json", "--set", &format!("params.bytes={bytes}")]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = ran.record();
    let stage = record.stage("chatty");
    assert!(stage["error"].as_str().is_some_and(|e| e.len() < 20_000 && e.contains("the end")), "{stage}");
    let log = std::fs::read(stage["log"].as_str().expect("a log")).expect("read log");
    let text = String::from_utf8_lossy(&log);
    assert!(log.len() < 200 << 20, "{} bytes", log.len());
    assert!(text.starts_with("the beginning\n") && text.contains("the log grew too long"));
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error_that_names_it() {
    let project = Project::with_cache(
        "version: 1\nstages:\n  a: {run: echo a > out/a.txt, outputs: {a: out/a.txt}}\n",
        std::path::Path::new("/proc/kiln-cache"),
    );
    for command in [["run"].as_slice(), &["gc", "--delete"], &["verify"]] {
        let ran = project.kiln(command);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("/proc/kiln-cache") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    assert!(!project.root().join("out").exists());
}

#[test]
fn a_read_only_cache_is_an_error_that_loses_nothing() {
    let project = Project::new(
        r#"
            version: 1
            params: {w: a}
            stages:
              a: {run: "echo ${params.w} > out/a.txt", outputs: {a: out/a.txt}}
        "#,
    );
    project.run(&[]);
    // For the superuser a folder is read-only only if a link to nowhere is in its place.
    let (locked, aside) = (project.root().join("cache/objects"), project.root().join("aside"));
    std::fs::rename(&locked, &aside).expect("rename");
    std::os::unix::fs::symlink("nowhere", &locked).expect("link");
    let ran = project.kiln(&["run", "--set", "params.w=b"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("cache/objects") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(project.read("out/a.txt"), "a\n");
    std::fs::remove_file(&locked).expect("remove");
    std::fs::rename(&aside, &locked).expect("rename");
    assert_eq!(project.run(&[]).with("up-to-date"), ["a"]);
    assert_eq!(project.run(&["--set", "params.w=b"]).with("executed"), ["a"]);
}

/// A control group with little memory, removed when it is dropped.
struct Group(std::path::PathBuf);

impl Group {
    fn new() -> Self {
        let name = format!("kiln-test-{}", std::process::id());
        let (two, one) = (std::path::Path::new("/sys/fs/cgroup"), std::path::Path::new("/sys/fs/cgroup/memory"));
        let (place, limit) = if one.is_dir() { (one, "memory.limit_in_bytes") } else { (two, "memory.max") };
        let group = Self(place.join(name));
        std::fs::create_dir(&group.0).expect("a control group: this needs rights");
        std::fs::write(group.0.join(limit), "300000000").expect("limit the memory");
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Who was in it may not be gone yet.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
#[ignore = "it makes a control group, which takes rights"]
fn a_stage_that_the_kernel_kills_for_memory_says_memory() {
    let group = Group::new();
    let hungry = "python3 -c 'b = bytearray(2000000000)'";
    let project = Project::new(&format!(
        r#"
            version: 1
            stages:
              it: {{run: "{hungry} > out/a", outputs: {{o: out/a}}}}
              part: {{run: "{hungry} || exit 3", outputs: {{o: out/b}}}}
              killed: {{run: ["python3", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], outputs: {{o: out/c}}}}
        "#
    ));
    for (stage, says) in [
        ("it", "the kernel killed it because memory ran out"),
        ("part", "exit status: 3: memory ran out meanwhile, and the kernel killed a process"),
        ("killed", "it was killed by SIGKILL, and not by Kiln"),
    ] {
        let mut command = std::process::Command::new("sh");
        let entering = format!("echo $$ > {}; exec \"$@\"", group.0.join("cgroup.procs").display());
        let kiln = project.command(&["run", "--json", stage]);
        command.args(["-c", &entering, "sh"]).arg(kiln.get_program()).args(kiln.get_args());
        let ran = Ran::from(command.current_dir(project.root()).output().expect("start kiln"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let record = ran.record();
        let error = record.stage(stage)["error"].as_str().expect("an error");
        assert!(error.contains(says), "{stage}: {error}");
    }
}
