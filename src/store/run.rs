//! Run records and logs: writing them and listing them.
//!
//! A record is a file of two lines of JSON: a summary with the digests of both, then the record itself. Listing
//! runs reads first lines only.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::write_parts_atomically;
use super::pages::PAGE;
use super::project::Places;
use super::results::LASTING;
use super::{Belongs, Project, Result, RunLookupError, RunSummary, Store, StoreError, names};
use crate::hash::{Digest, canonical_json};
use crate::record::{RunId, RunRecord};

/// The first line of a record's file.
#[derive(Serialize, Deserialize)]
struct FirstLine {
    summary: Value,
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

    pub(super) fn write_record(&self, record: &RunRecord, line: &[u8]) -> Result<PathBuf> {
        let folder = self.folder("runs")?;
        let first = || {
            let summary = serde_json::to_value(RunSummary::of(record))?;
            let first = FirstLine {
                summary_blake3: blake3_of(&summary),
                record_blake3: blake3::hash(line).to_string(),
                summary,
            };
            serde_json::to_string(&first)
        };
        // Newest first has to stay true when the clock is set back.
        let latest = self.run_files()?.first().map(|(stamp, _)| stamp.clone());
        let mut stamp = time_stamp(record.started);
        if let Some(latest) = latest.filter(|latest| *latest >= stamp) {
            stamp = successor(&latest);
        }
        let path = folder.join(format!("{stamp}-{}.json", file_name(&record.id)));
        let first = first().map_err(|source| StoreError::Encode { path: path.clone(), source })?;
        // As with results: a run that took less is not worth waiting for.
        let lasting = record.seconds >= LASTING;
        write_parts_atomically(&folder, &path, &[first.as_bytes(), b"\n", line, b"\n"], lasting)?;
        self.share(&path);
        Ok(path)
    }

    /// Where the log of a stage in a run goes. There is none if the stage said nothing, nor a folder if none did.
    pub fn log_path(&self, run: &RunId, stage: &str) -> PathBuf {
        self.root().join("logs").join(file_name(run)).join(format!("{}.log", file_name(stage)))
    }

    /// Reads and checks a record.
    pub(super) fn read_record(&self, path: &Path) -> std::result::Result<RunRecord, RunLookupError> {
        let (line, summary) = read_line(path)?;
        let damaged = || RunLookupError::Damaged { path: path.to_owned() };
        if summary.stages() > PAGE
            && let Some(record) = self.paged_record(&line)
        {
            return record.map_err(|error| match error {
                StoreError::Io { .. } => error.into(),
                _ => damaged(),
            });
        }
        serde_json::from_slice(&line).map_err(|_| damaged())
    }

    pub(super) fn summaries(&self) -> Result<Vec<(RunSummary, PathBuf)>> {
        let mut out = Vec::new();
        for (_, path) in self.run_files()? {
            match read_summary(&path) {
                Some(summary) => out.push((summary, path)),
                None => tracing::warn!("the run record {} is damaged", path.display()),
            }
        }
        Ok(out)
    }

    /// The recorded runs of a pipeline file and their files, newest first; each is looked at when it is asked for. Damaged ones are
    /// passed over.
    pub(super) fn runs_of(&self, project: &Project) -> impl Iterator<Item = (RunSummary, PathBuf)> + use<> {
        let mut places = Places::new(self.root(), Some(project));
        let files = self.run_files().unwrap_or_default().into_iter();
        files
            .filter_map(|(_, path)| Some((read_summary(&path)?, path)))
            .filter(move |(run, _)| places.belongs(&run.origin, run.started) == Belongs::Here)
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
            if let Some((stamp, _)) =
                stem.and_then(|stem| stem.split_once('-')).filter(|(stamp, _)| names::is_stamp(stamp))
            {
                files.push((stamp.to_owned(), folder.join(&name)));
            }
        }
        files.sort_unstable_by(|a, b| b.cmp(a));
        Ok(files)
    }
}

fn blake3_of(summary: &Value) -> String {
    blake3::hash(canonical_json(summary).as_bytes()).to_string()
}

/// Reads and checks the first line: the summary, and the digest of the second. (A later Kiln may say more in a summary.)
fn first_line(file: &mut impl BufRead) -> Option<(RunSummary, String)> {
    let mut line = String::new();
    file.read_line(&mut line).ok()?;
    let first: FirstLine = serde_json::from_str(&line).ok()?;
    let sound = blake3_of(&first.summary) == first.summary_blake3;
    sound.then(|| Some((serde_json::from_value(first.summary).ok()?, first.record_blake3)))?
}

pub(super) fn read_summary(path: &Path) -> Option<RunSummary> {
    first_line(&mut BufReader::new(File::open(path).ok()?)).map(|(summary, _)| summary)
}

/// Reads and checks the two lines of a record's file: the second as it stands, and the summary.
pub(super) fn read_line(path: &Path) -> std::result::Result<(Vec<u8>, RunSummary), RunLookupError> {
    let damaged = || RunLookupError::Damaged { path: path.to_owned() };
    let mut file = BufReader::new(File::open(path).map_err(StoreError::io("read", path))?);
    let (summary, record_blake3) = first_line(&mut file).ok_or_else(damaged)?;
    let mut line = Vec::new();
    file.read_to_end(&mut line).map_err(StoreError::io("read", path))?;
    if line.pop() != Some(b'\n') || blake3::hash(&line).to_string() != record_blake3 {
        return Err(damaged());
    }
    Ok((line, summary))
}

/// `20260726T101500.123456Z`: sorts by time.
pub(super) fn time_stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%.6fZ").to_string()
}

/// A stamp just behind another: a microsecond later, or a letter longer where it cannot be read as a time.
fn successor(stamp: &str) -> String {
    let later = Timestamp::strptime("%Y%m%dT%H%M%S%.fZ%z", format!("{stamp}+0000"))
        .and_then(|time| time.checked_add(jiff::SignedDuration::from_micros(1)));
    later.map(time_stamp).ok().filter(|later| later.as_str() > stamp).unwrap_or_else(|| format!("{stamp}~"))
}

/// A name that any file system takes and no two stages share.
pub(super) fn file_name(name: &str) -> String {
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
