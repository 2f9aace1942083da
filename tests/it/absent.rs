//! Sources that are not here any more, without a repository and a remote cache: the last run tells what they were.

use crate::project::Project;

fn project() -> Project {
    let project = Project::new(
        "
        version: 1
        params: {lines: 2}
        stages:
          sort: {run: sort raw/a.csv > out/sorted, inputs: {raw: raw/a.csv}, outputs: {sorted: out/sorted}}
          count:
            run: cat raw/b/*.txt | wc -l > out/count
            inputs: {texts: {path: raw/b, only: [\"*.txt\"]}}
            outputs: {count: out/count}
          head:
            run: \"head -n ${params.lines} out/sorted > out/head\"
            inputs: {sorted: {from: sort.sorted}}
            outputs: {head: out/head}
        ",
    );
    project.write("raw/a.csv", "b\na\nc\n").write("raw/b/one.txt", "1\n").write("raw/b/two.md", "2\n");
    project
}

#[test]
fn what_needs_no_source_is_executed_and_the_rest_is_what_it_was() {
    let project = project();
    project.run(&[]);
    std::fs::remove_file(project.root().join("raw/a.csv")).expect("remove");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let ran = project.kiln(&["run", "--allow-missing", "--set", "lines=1", "--json"]);
    assert!(
        ran.stderr.contains("note: `raw/a.csv` is not here, and taken to be what it was in run "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(", the last one here\n"), "{}", ran.stderr);
    let record = ran.record();
    assert_eq!((record.with("executed"), project.read("out/head")), (vec!["head".to_owned()], "a\n".into()));
    // The run that was made so tells it as well.
    std::fs::remove_dir_all(project.root().join("out")).expect("remove");
    let record = project.run(&["--allow-missing"]);
    assert_eq!(record.with("restored"), ["count", "head", "sort"]);
    let ran = project.kiln(&["run", "--allow-missing", "--force", "sort"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("`raw/a.csv` is not here, and the stage has to be executed"), "{}", ran.stderr);
    // With it all is as ever.
    project.write("raw/a.csv", "b\na\nd\n");
    assert_eq!(project.run(&["--allow-missing"]).with("executed"), ["head", "sort"]);
}

#[test]
fn a_part_of_a_folder_is_not_taken_to_be_what_another_part_was() {
    let project = project();
    project.run(&[]);
    std::fs::remove_dir_all(project.root().join("raw/b")).expect("remove");
    project.edit("pipeline.yaml", "only: [\"*.txt\"]", "only: [\"*.md\"]");
    let ran = project.kiln(&["run", "--allow-missing", "--json", "count"]);
    assert_eq!((ran.code, ran.record().outcome("count")), (Some(1), "failed"), "{}", ran.stderr);
    assert_eq!(project.kiln(&["run", "--allow-missing", "head"]).code, Some(0));
}
