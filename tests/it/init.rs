//! `kiln init`: what it writes works at once, and it overwrites nothing. Every command that a program may read gives JSON.

use crate::browser;
use crate::project::Project;

/// An empty folder and what `init` made of it.
fn made() -> Project {
    let project = Project::new("");
    std::fs::remove_file(project.root().join("pipeline.yaml")).expect("remove the pipeline");
    let ran = project.kiln(&["init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("kiln run"), "{}", ran.stdout);
    project
}

#[test]
fn what_it_writes_runs_compares_and_explains_itself() {
    let project = made();
    assert_eq!(project.read(".gitignore"), "/cache/\n/out/\n");
    let record = project.run(&[]);
    assert_eq!(record.with("executed").len(), 13, "{}", record.0);
    assert!(record.stage("evaluate[rate=fast,seed=1]")["metrics"]["loss"].as_f64().is_some_and(|loss| loss < 0.2));
    let page = project.read("out/report.html");
    assert!(page.contains("A line through points") && !page.contains("class=\"frame missing\""), "{page}");
    project.edit("pipeline.yaml", "fast: 0.2", "fast: 0.25");
    let why = project.kiln(&["why", "fit[rate=fast,seed=1]"]).stdout;
    assert!(why.contains("0.2") && why.contains("0.25"), "{why}");
    assert_eq!(project.run(&[]).with("executed").len(), 6);
    let by = project.kiln(&["compare", "--by", "seed"]).stdout;
    assert!(by.contains("slow") && by.contains('±'), "{by}");
}

#[test]
fn its_page_has_the_width_of_the_window_with_headings_and_without() {
    let project = made();
    project.run(&[]);
    let report: String =
        project.read("report.md").lines().filter(|line| !line.starts_with("##")).collect::<Vec<_>>().join("\n");
    project.write("plain.md", &report).edit("pipeline.yaml", "report: report.md", "report: plain.md");
    project.run(&[]);
    let Some(mut browser) = browser::browser("the width of a page") else { return };
    let root = project.root().canonicalize().expect("the project");
    for (page, least) in [("report.html", 0.6), ("plain.html", 0.75)] {
        for share in browser::shares(&mut browser, &root.join("out").join(page), &[1200, 800, 400]) {
            assert!(share >= least, "{page}: {share}");
        }
    }
}

#[test]
fn it_overwrites_nothing() {
    let project = Project::new("version: 1\n");
    let ran = project.kiln(&["init"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("pipeline.yaml") && ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert_eq!(project.read("pipeline.yaml"), "version: 1\n");
    assert_eq!(std::fs::read_dir(project.root()).expect("list").count(), 1);
    // A folder that is not there is made; a `.gitignore` that is there stays.
    project.write("new/.gitignore", "mine\n");
    assert_eq!(project.kiln(&["init", "new"]).code, Some(0));
    assert_eq!(project.read("new/.gitignore"), "mine\n");
    assert!(project.read("new/pipeline.yaml").contains("version: 1"));
}

#[test]
fn what_a_program_may_read_is_json() {
    let project = made();
    project.run(&[]);
    project.run(&[]);
    let commands = [
        "list",
        "outputs",
        "show split",
        "show latest",
        "runs",
        "why split",
        "why split --run latest",
        "status",
        "graph",
        "kinds",
        "gc",
        "verify",
        "trace",
        "history loss",
        "compare",
        "compare --within",
        "compare --by seed",
        "checkout latest --dry-run",
        "run",
        "run --check-determinism split",
    ];
    for command in commands {
        let args: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let ran = project.kiln(&args);
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.stderr);
        assert!(ran.json().is_object() || ran.json().is_array(), "{command}");
    }
    assert!(project.kiln(&["schema"]).json().is_object());
}

#[test]
fn every_shell_is_completed() {
    let project = Project::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = project.kiln(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("check-determinism"), "{shell}: {}", ran.stdout);
    }
    assert_eq!(project.kiln(&["completions", "dos"]).code, Some(2));
}
