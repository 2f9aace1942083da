//! Run records: kept, listed newest first, and found by the names that people type.

use std::fs;
use std::path::{Path, PathBuf};

use kiln::record::{Host, RunOrigin, RunRecord, RunStatus};
use kiln::store::{Project, RunLookupError};
use serde_json::json;

use crate::{Place, corrupt};

fn record(id: &str, project: &str, started: &str) -> RunRecord {
    RunRecord {
        version: 1,
        id: id.into(),
        status: RunStatus::Ok,
        started: started.parse().unwrap(),
        seconds: 1.25,
        origin: RunOrigin {
            project: PathBuf::from(project),
            pipeline: "pipeline.yaml".into(),
            cache: None,
            lineage: None,
            profile: Some("full".into()),
        },
        set: vec![],
        params: json!({"epochs": 10}),
        host: Host { name: "here".into(), cpus: 2, kiln: "0.1.0".into() },
        git: None,
        remote: None,
        stages: vec![],
        untouched: 0,
    }
}

fn project_at(root: &str) -> Project {
    Project::at(Path::new(root), Path::new("pipeline.yaml"))
}

fn ids(place: &Place, project: Option<&str>) -> Vec<String> {
    place.store.runs(project.map(project_at).as_ref()).unwrap().into_iter().map(|run| run.id).collect()
}

fn found(place: &Place, name: &str, project: Option<&str>) -> Result<String, RunLookupError> {
    place.store.find_run(name, project.map(project_at).as_ref()).map(|run| run.id)
}

#[test]
fn runs_are_listed_newest_first_and_found_by_name() {
    let place = Place::new();
    assert!(ids(&place, None).is_empty());
    assert!(matches!(found(&place, "latest", None), Err(RunLookupError::NoRuns)));
    assert!(matches!(found(&place, "abc", None), Err(RunLookupError::NoRuns)));
    for (id, project, started) in [
        ("abcdefgh", "/a", "2026-07-26T10:00:00.25Z"),
        ("abcxyzxy", "/a", "2026-07-26T10:00:00.5Z"),
        ("qqqqqqqq", "/b", "2026-07-26T11:00:00Z"),
        ("latesune", "/a", "2026-07-26T12:00:00Z"),
    ] {
        place.store.write_run(&record(id, project, started)).unwrap();
    }
    assert_eq!(ids(&place, None), ["latesune", "qqqqqqqq", "abcxyzxy", "abcdefgh"]);
    assert_eq!(ids(&place, Some("/a")), ["latesune", "abcxyzxy", "abcdefgh"]);

    let name = |name, project| found(&place, name, project).unwrap();
    assert_eq!(name("latest", None), "latesune");
    assert_eq!(name("latest~1", None), "qqqqqqqq");
    assert_eq!(name("latest~1", Some("/a")), "abcxyzxy");
    assert_eq!(name("abcd", None), "abcdefgh");
    assert_eq!(name("abcxyzxy", Some("/a")), "abcxyzxy");
    assert_eq!(name("qq", Some("/a")), "qqqqqqqq", "another project's, where there is none of that name here");
    assert_eq!(name("late", None), "latesune");

    let error = |name, project| found(&place, name, project).unwrap_err();
    assert!(matches!(error("latest~3", Some("/a")), RunLookupError::TooFarBack { available: 3, .. }));
    assert_eq!(error("abc", None).to_string(), "`abc` could be any of abcxyzxy, abcdefgh");
    assert!(
        matches!(error("zzz", Some("/b")), RunLookupError::Unknown { candidates, .. } if candidates == ["qqqqqqqq"])
    );
    assert!(matches!(error("", None), RunLookupError::Unknown { .. }));
}

#[test]
fn the_newest_run_is_the_last_written_even_if_the_clock_was_set_back() {
    let place = Place::new();
    place.store.write_run(&record("aaaaaaaa", "/a", "2026-07-26T10:00:00Z")).unwrap();
    for n in 0..12 {
        let id = format!("bbbbbbb{n:x}");
        place.store.write_run(&record(&id, "/a", "2020-01-01T00:00:00Z")).unwrap();
        assert_eq!(found(&place, "latest", None).unwrap(), id);
    }
}

#[test]
fn a_damaged_record_is_never_read_as_a_sound_one() {
    let place = Place::new();
    let path = place.store.write_run(&record("abcdefgh", "/a", "2026-07-26T10:00:00Z")).unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(place.store.find_run("abcdefgh", None).unwrap().params, json!({"epochs": 10}));
    for at in 0..whole.len() {
        corrupt(&path, |bytes| {
            *bytes = whole.clone();
            bytes[at] ^= 2;
        });
        if let Ok(read) = place.store.find_run("latest", None) {
            assert_eq!(serde_json::to_value(&read).unwrap(), json_of(&whole), "byte {at}");
        }
        fs::write(&path, &whole[..at]).unwrap();
        assert!(place.store.find_run("latest", None).is_err(), "cut at {at}");
    }
}

fn json_of(file: &[u8]) -> serde_json::Value {
    serde_json::from_slice(file.split(|b| *b == b'\n').nth(1).unwrap()).unwrap()
}

#[test]
fn run_names_are_letters_and_logs_have_safe_paths() {
    let place = Place::new();
    let (a, b) = (place.store.new_run_id(), place.store.new_run_id());
    assert_ne!(a, b);
    assert!(a.len() == 8 && a.bytes().all(|c| c.is_ascii_lowercase()), "{a}");
    let log = place.store.log_path(&a, "../train[model=5]/x");
    assert_eq!(log.parent().unwrap(), place.store.root().join("logs").join(&a));
}
