//! What DVC's cache has gets into Kiln's as one name more: nothing is copied.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{import, project};
use crate::project::{Project, files};

/// The file of DVC's cache with what the lock says that `model.txt` is.
fn object(project: &Project) -> PathBuf {
    let lock = project.read("dvc.lock");
    let of_model = lock.split("path: model.txt").nth(1).expect("model.txt in the lock");
    let md5 = of_model.split("md5: ").nth(1).expect("its MD5").lines().next().expect("a line");
    project.root().join(".dvc/cache/files/md5").join(&md5[..2]).join(&md5[2..])
}

/// A project whose model lies in DVC's cache as well, where DVC lets nobody write to it.
fn cached() -> (Project, PathBuf) {
    let project = project("study");
    let object = object(&project);
    fs::create_dir_all(object.parent().expect("a folder")).expect("create folder");
    fs::copy(project.root().join("model.txt"), &object).expect("copy");
    seal(&object);
    (project, object)
}

fn seal(file: &Path) {
    fs::set_permissions(file, Permissions::from_mode(0o444)).expect("seal");
}

fn is_in_the_cache(project: &Project, file: &Path) -> bool {
    let inode = fs::metadata(file).expect("look").ino();
    let blobs = files(&project.root().join("cache/objects")).into_iter();
    blobs.filter_map(|blob| fs::metadata(blob).ok()).any(|blob| blob.ino() == inode)
}

#[test]
fn what_lies_in_dvcs_cache_is_not_copied() {
    // In the project lies a copy, the same file, or nothing.
    for model in ["copy", "hardlink", "symlink", "none"] {
        let (project, object) = cached();
        let place = project.root().join("model.txt");
        if model != "copy" {
            fs::remove_file(&place).expect("remove");
        }
        match model {
            "hardlink" => fs::hard_link(&object, &place).expect("link"),
            "symlink" => std::os::unix::fs::symlink(&object, &place).expect("link"),
            _ => {}
        }
        let ran = import(&project, &[]);
        assert!(ran.stdout.contains("adopted 7 results from DVC"), "{model}: {}", ran.stdout);
        assert!(is_in_the_cache(&project, &object), "{model}");
        assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new(), "{model}");
        assert_eq!(project.read("model.txt"), fs::read_to_string(&object).expect("read"), "{model}");
        assert_eq!(project.kiln(&["verify"]).code, Some(0), "{model}");
        // DVC may clear its cache.
        fs::remove_file(&object).expect("remove");
        let _ = fs::remove_file(&place);
        assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new(), "{model}");
    }
}

#[test]
fn what_anybody_may_write_to_is_copied() {
    let (project, object) = cached();
    fs::set_permissions(&object, Permissions::from_mode(0o644)).expect("open");
    assert!(import(&project, &[]).stdout.contains("adopted 7 results from DVC"));
    assert!(!is_in_the_cache(&project, &object));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new());
}

#[test]
fn a_damaged_cache_of_dvcs_costs_an_execution_and_no_more() {
    let (project, object) = cached();
    let right = project.read("model.txt");
    fs::remove_file(&object).expect("remove");
    fs::write(&object, right.replacen('l', "X", 1)).expect("write");
    seal(&object);
    assert!(import(&project, &[]).stdout.contains("adopted 7 results from DVC"));
    assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new(), "it lies in place as it should");
    fs::remove_file(project.root().join("model.txt")).expect("remove");
    assert_eq!(project.run(&[]).with("executed"), ["train"]);
    assert_eq!(project.read("model.txt"), right);
}

#[test]
fn outputs_stay_links_where_dvc_made_them_links() {
    for (kind, links) in [("hardlink,symlink", true), ("reflink,copy", false), ("symlink", true)] {
        let project = project("study");
        let config = project.root().join(".dvc/config");
        let before = fs::read_to_string(&config).unwrap_or_default();
        project.write(".dvc/config", &format!("{before}[cache]\n    type = {kind}\n"));
        let ran = import(&project, &[]);
        let pipeline = project.read("pipeline.yaml");
        assert_eq!(pipeline.contains("\nversion: 1\ncache: {type: hardlink}\n"), links, "{kind}: {pipeline}");
        assert_eq!(ran.stderr.contains("`cache.type = symlink` becomes"), kind == "symlink", "{}", ran.stderr);
        assert_eq!(project.run(&[]).with("executed"), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn a_folder_of_links_into_dvcs_cache_is_taken_over() {
    // As `cache.type = symlink` leaves one.
    let project = project("study");
    let folder = project.root().join("prepared");
    let objects = project.root().join(".dvc/cache/files/md5/00");
    fs::create_dir_all(&objects).expect("create folder");
    for file in files(&folder) {
        let object = objects.join(file.file_name().expect("a name"));
        fs::rename(&file, &object).expect("move");
        seal(&object);
        std::os::unix::fs::symlink(&object, &file).expect("link");
    }
    assert!(import(&project, &[]).stdout.contains("adopted 7 results from DVC"));
    let ran = project.run(&[]);
    assert_eq!((ran.with("executed"), ran.with("restored")), (vec![], vec![]));
    for file in ["model.txt", "./prepared"] {
        let shown = project.kiln(&["show", file]);
        assert!(shown.stdout.contains("adopted from DVC, not executed here"), "{file}: {}", shown.stderr);
    }
    // DVC's links stay until somebody says that they may go.
    project.edit("pipeline.yaml", "mkdir -p prepared", "mkdir -p prepared; echo more > prepared/more");
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`prepared` is in the way") && ran.stderr.contains("--force-overwrite"),
        "{}",
        ran.stderr
    );
    project.edit("pipeline.yaml", "mkdir -p prepared; echo more > prepared/more", "mkdir -p prepared");
    fs::remove_dir_all(&folder).expect("remove");
    let shown = project.kiln(&["show", "prepared"]);
    assert_eq!(shown.code, Some(2));
    assert!(shown.stderr.contains("it is the output `prepared` of stage `split`\nhint: "), "{}", shown.stderr);
    let ran = project.run(&[]);
    assert_eq!((ran.with("executed"), ran.with("restored")), (vec![], vec!["split".to_owned()]));
    assert_eq!(files(&folder).len(), files(&objects).len());
}
