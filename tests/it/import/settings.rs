//! DVC's settings that lie outside the project.

use std::fs;

use super::project;
use crate::project::{Ran, files};

#[test]
fn settings_of_the_system_and_the_user_count_and_the_projects_count_more() {
    // Who sets `cache.dir`, and where the data of the project lies: a relative path starts at the file that holds it.
    let cases = [
        (["system"].as_slice(), "system/dvc/shared"),
        (&["system", "user"], "user/dvc/shared"),
        (&["system", "user", "project"], "project/.dvc/shared"),
    ];
    for (set, place) in cases {
        let project = project("odd");
        let outside = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(project.root(), outside.path().join("project")).expect("link");
        for (name, folder) in [("system", "system/dvc"), ("user", "user/dvc"), ("project", "project/.dvc")] {
            fs::create_dir_all(outside.path().join(folder)).expect("create folder");
            if set.contains(&name) {
                fs::write(outside.path().join(folder).join("config"), "[cache]\n    dir = shared\n").expect("write");
            }
        }
        let cache = outside.path().join(place);
        fs::rename(project.root().join(".dvc/cache"), &cache).expect("move");
        let before = files(&cache);
        let mut import = project.command(&["import", "dvc"]);
        import.env_remove("DVC_SYSTEM_CONFIG_DIR").env_remove("DVC_GLOBAL_CONFIG_DIR");
        import.env("XDG_CONFIG_DIRS", format!("{}:/nowhere", outside.path().join("system").display()));
        import.env("XDG_CONFIG_HOME", outside.path().join("user"));
        let ran = Ran::from(import.output().expect("start kiln"));
        assert!(ran.stdout.contains("adopted 4 results of 6 from DVC"), "{set:?}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(files(&cache), before, "{set:?}");
    }
}

#[test]
fn remotes_of_the_user_count_if_the_project_names_them() {
    let project = project("odd");
    let outside = tempfile::tempdir().expect("a folder");
    let text = "[cache]\n    type = hardlink\n['remote \"Near\"'] # ours\n    url = '~/objects' # the lab's\n\
                ['remote \"other\"']\n    url = ssh://elsewhere/data\n";
    fs::write(outside.path().join("config"), text).expect("write");
    fs::rename(project.root().join(".dvc/cache"), outside.path().join("objects")).expect("move");
    let import = || {
        let mut import = project.command(&["import", "dvc"]);
        import.env("HOME", outside.path()).env("DVC_GLOBAL_CONFIG_DIR", outside.path());
        Ran::from(import.output().expect("start kiln"))
    };
    let unnamed = import();
    assert!(unnamed.stderr.contains("data/tracked.txt"), "it is found nowhere: {}{}", unnamed.stdout, unnamed.stderr);
    project.write(".dvc/config", &format!("{}    remote = near\n", project.read(".dvc/config")));
    let named = import();
    assert!(named.stdout.contains("adopted 4 results of 6"), "{}{}", named.stdout, named.stderr);
    assert!(!named.stderr.contains("`other`"), "{}", named.stderr);
    assert!(
        !project.read("pipeline.yaml").contains("type: hardlink"),
        "the pipeline would depend on whose settings they are"
    );
}
