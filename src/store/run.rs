//! Run records and logs: writing them, listing them, and finding one by a name that a person would type.
//!
//! A record is a file of two lines of JSON: a summary with the digests of both, then the record itself. Listing
//! runs reads first lines only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::layout::write_atomically;
use super::pages::PAGE;
use super::results::LASTING;
use super::{Result, RunLookupError, Store, StoreError};
use crate::hash::{Digest, canonical_json};
use crate::record::{RunId, RunRecord, RunStatus};

/// What a list of runs shows of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its name.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in seconds of wall time.
    pub seconds: f64,
    /// The project's root.
    pub project: PathBuf,
    /// The pipeline file, relative to the project.
    pub pipeline: PathBuf,
    /// The profile, if any.
    pub profile: Option<String>,
    /// Outcome (`executed`, ...) -> how many stages had it.
    pub outcomes: BTreeMap<String, usize>,
}

/// The first line of a record's file.
#[derive(Serialize, Deserialize)]
struct FirstLine {
    summary: RunSummary,
    /// BLAKE3 of the summary's canonical JSON.
    summary_blake3: String,
    /// BLAKE3 of the second line without its end.
    record_blake3: String,
}

impl Store {
    /// A name for a new run: eight letters.
    pub fn new_run_id(&self) -> RunId {
        // A system without random numbers still has a clock.
        let mut bits = getrandom::u64().unwrap_or_else(|_| Timestamp::now().as_nanosecond() as u64);
        let letter = |_| {
            let letter = b'a' + (bits % 26) as u8;
            bits /= 26;
            char::from(letter)
        };
        (0..8).map(letter).collect()
    }

    /// Keeps a run's record and returns its file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_run(&self, record: &RunRecord) -> Result<PathBuf> {
        let (line, _) = self.record_line(record)?;
        self.write_record(record, &line)
    }

    /// Keeps a run's record and returns the blobs that hold its stages, if there are many.
    pub(crate) fn write_pages_and_run(&self, record: &RunRecord) -> Result<Vec<Digest>> {
        let (line, pages) = self.record_line(record)?;
        self.write_record(record, &line)?;
        Ok(pages)
    }

    pub(super) fn write_record(&self, record: &RunRecord, line: &str) -> Result<PathBuf> {
        let folder = self.folder("runs")?;
        let summary = RunSummary::of(record);
        let encode = || {
            let first = FirstLine {
                summary_blake3: summary.blake3()?,
                record_blake3: blake3::hash(line.as_bytes()).to_string(),
                summary: summary.clone(),
            };
            Ok(format!("{}\n{line}\n", serde_json::to_string(&first)?))
        };
        // Newest first has to stay true when the clock is set back.
        let latest = self.run_files()?.first().map(|(stamp, _)| stamp.clone());
        let mut stamp = time_stamp(record.started);
        if let Some(latest) = latest.filter(|latest| *latest >= stamp) {
            stamp = successor(&latest);
        }
        let path = folder.join(format!("{stamp}-{}.json", file_name(&record.id)));
        let text = encode().map_err(|source| StoreError::Encode { path: path.clone(), source })?;
        // As with results: a run that took less is not worth waiting for.
        write_atomically(&folder, &path, text.as_bytes(), record.seconds >= LASTING)?;
        Ok(path)
    }

    /// The recorded runs, of one project or of all that share the store, newest first. Damaged records are left out.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn runs(&self, project: Option<&Path>) -> Result<Vec<RunSummary>> {
        Ok(self.summaries(project)?.into_iter().map(|(summary, _)| summary).collect())
    }

    /// The record of the run that a name stands for: its id, the start of it if that is enough to tell it from others, or
    /// `latest`, `latest~1`, ... counting back within the project. Ids are looked for in the project first.
    ///
    /// # Errors
    /// If the name stands for none or for several, or the record is damaged.
    pub fn find_run(&self, name: &str, project: Option<&Path>) -> std::result::Result<RunRecord, RunLookupError> {
        let runs = self.summaries(project)?;
        let back = match name.strip_prefix("latest") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix('~').and_then(|n| n.parse::<usize>().ok()),
            None => None,
        };
        if let Some(back) = back {
            return match runs.get(back) {
                Some((_, path)) => self.read_record(path),
                None if runs.is_empty() => Err(RunLookupError::NoRuns),
                None => Err(RunLookupError::TooFarBack { name: name.to_owned(), available: runs.len() }),
            };
        }
        let matching = |runs: Vec<(RunSummary, PathBuf)>| -> Vec<(RunSummary, PathBuf)> {
            runs.into_iter().filter(|(run, _)| !name.is_empty() && run.id.starts_with(name)).collect()
        };
        let candidates: Vec<RunId> = runs.iter().map(|(run, _)| run.id.clone()).collect();
        let mut found = matching(runs);
        if found.is_empty() && project.is_some() {
            found = matching(self.summaries(None)?);
        }
        if let Some(exact) = found.iter().position(|(run, _)| run.id == name) {
            found = vec![found.swap_remove(exact)];
        }
        match found.as_slice() {
            [(_, path)] => self.read_record(path),
            [] if candidates.is_empty() => Err(RunLookupError::NoRuns),
            [] => Err(RunLookupError::Unknown { name: name.to_owned(), candidates }),
            several => Err(RunLookupError::Ambiguous {
                name: name.to_owned(),
                candidates: several.iter().map(|(run, _)| run.id.clone()).collect(),
            }),
        }
    }

    /// Where the log of a stage in a run goes. There is none if the stage said nothing, nor a folder if none did.
    pub fn log_path(&self, run: &RunId, stage: &str) -> PathBuf {
        self.root().join("logs").join(file_name(run)).join(format!("{}.log", file_name(stage)))
    }

    /// Reads and checks a record.
    pub(super) fn read_record(&self, path: &Path) -> std::result::Result<RunRecord, RunLookupError> {
        let (line, stages) = read_line(path)?;
        let damaged = || RunLookupError::Damaged { path: path.to_owned() };
        if stages > PAGE
            && let Some(record) = self.paged_record(&line)
        {
            return record.map_err(|error| match error {
                StoreError::Io { .. } => error.into(),
                _ => damaged(),
            });
        }
        serde_json::from_slice(&line).map_err(|_| damaged())
    }

    fn summaries(&self, project: Option<&Path>) -> Result<Vec<(RunSummary, PathBuf)>> {
        let mut out = Vec::new();
        for (_, path) in self.run_files()? {
            match read_summary(&path) {
                Some(summary) if project.is_none_or(|project| project == summary.project) => out.push((summary, path)),
                Some(_) => {}
                None => tracing::warn!("the run record {} is damaged", path.display()),
            }
        }
        Ok(out)
    }

    /// The recorded runs of a project and their files, newest first; each is looked at when it is asked for. Damaged ones are passed
    /// over.
    pub(super) fn runs_of(&self, project: &Path) -> impl Iterator<Item = (RunSummary, PathBuf)> + use<> {
        let project = project.to_owned();
        let files = self.run_files().unwrap_or_default().into_iter();
        files.filter_map(|(_, path)| Some((read_summary(&path)?, path))).filter(move |(run, _)| run.project == project)
    }

    /// The time in the name of each record's file, and the file, newest first.
    pub(super) fn run_files(&self) -> Result<Vec<(String, PathBuf)>> {
        let folder = self.root().join("runs");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(StoreError::io("list", &folder)(e)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.map_err(StoreError::io("list", &folder))?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
            // What is being written has a name with a dot at the start.
            if let Some((stamp, _)) =
                stem.and_then(|stem| stem.split_once('-')).filter(|(stamp, _)| !stamp.starts_with('.'))
            {
                files.push((stamp.to_owned(), folder.join(&name)));
            }
        }
        files.sort_unstable_by(|a, b| b.cmp(a));
        Ok(files)
    }
}

impl RunSummary {
    fn of(record: &RunRecord) -> Self {
        let mut outcomes = BTreeMap::new();
        for stage in &record.stages {
            *outcomes.entry(stage.outcome.to_string()).or_insert(0) += 1;
        }
        Self {
            id: record.id.clone(),
            status: record.status,
            started: record.started,
            seconds: record.seconds,
            project: record.project.clone(),
            pipeline: record.pipeline.clone(),
            profile: record.profile.clone(),
            outcomes,
        }
    }

    fn blake3(&self) -> serde_json::Result<String> {
        Ok(blake3::hash(canonical_json(&serde_json::to_value(self)?).as_bytes()).to_string())
    }
}

fn first_line(file: &mut impl BufRead) -> Option<FirstLine> {
    let mut line = String::new();
    file.read_line(&mut line).ok()?;
    let first: FirstLine = serde_json::from_str(&line).ok()?;
    (first.summary.blake3().ok()? == first.summary_blake3).then_some(first)
}

pub(super) fn read_summary(path: &Path) -> Option<RunSummary> {
    first_line(&mut BufReader::new(File::open(path).ok()?)).map(|first| first.summary)
}

/// Reads and checks the second line of a record's file; with it the number of stages.
pub(super) fn read_line(path: &Path) -> std::result::Result<(Vec<u8>, usize), RunLookupError> {
    let damaged = || RunLookupError::Damaged { path: path.to_owned() };
    let mut file = BufReader::new(File::open(path).map_err(StoreError::io("read", path))?);
    let first = first_line(&mut file).ok_or_else(damaged)?;
    let mut line = Vec::new();
    file.read_to_end(&mut line).map_err(StoreError::io("read", path))?;
    if line.pop() != Some(b'\n') || blake3::hash(&line).to_string() != first.record_blake3 {
        return Err(damaged());
    }
    Ok((line, first.summary.outcomes.values().sum()))
}

/// `20260726T101500.123456Z`: sorts by time.
fn time_stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%.6fZ").to_string()
}

/// A stamp just behind another: a microsecond later, or a letter longer where it cannot be read as a time.
fn successor(stamp: &str) -> String {
    let later = Timestamp::strptime("%Y%m%dT%H%M%S%.fZ%z", format!("{stamp}+0000"))
        .and_then(|time| time.checked_add(jiff::SignedDuration::from_micros(1)));
    later.map(time_stamp).ok().filter(|later| later.as_str() > stamp).unwrap_or_else(|| format!("{stamp}~"))
}

/// A name that any file system takes and no two stages share.
fn file_name(name: &str) -> String {
    const LONGEST: usize = 180;
    let mut out = String::new();
    for (i, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_=,[]".contains(&byte) || (byte == b'.' && i > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    if out.len() > LONGEST {
        out.truncate(LONGEST);
        out.push('~');
        out.push_str(&blake3::hash(name.as_bytes()).to_hex()[..16]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_make_distinct_plain_file_names() {
        assert_eq!(file_name("train[model=5,seed=1]"), "train[model=5,seed=1]");
        assert_eq!(file_name("../a b/é"), "%2e./a b/é".replace('/', "%2f").replace(' ', "%20").replace('é', "%c3%a9"));
        let long = |end: char| file_name(&("x".repeat(300) + &end.to_string()));
        assert!(long('a').len() < 200 && long('a') != long('b'));
    }

    #[test]
    fn stamps_sort_and_have_successors() {
        let time: Timestamp = "2026-07-26T10:15:00.999999Z".parse().unwrap();
        assert_eq!(time_stamp(time), "20260726T101500.999999Z");
        assert_eq!(successor("20260726T101500.999999Z"), "20260726T101501.000000Z");
        assert!(*successor("nonsense") > *"nonsense");
    }
}
