//! The stages of a large run in its record: what stays the same from run to run is in blobs that records share.
//!
//! A page holds what lasts of [`PAGE`] consecutive stages: what they are, their keys and what came out. It is a blob, so a run that
//! changed nothing writes none. What a run says beside it (outcomes, reasons, times) is in the record itself, and only
//! once where it is the same for most stages.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::page;
use super::{Result, Store, StoreError};
use crate::failure::Failure;
use crate::hash::Digest;
use crate::reason::Reason;
use crate::record::{MadeBy, Outcome, RunRecord, StageRecord};

/// So many stages make a page; a run of no more has them in its record.
pub(crate) const PAGE: usize = 64;

/// What a record of many stages has in place of `stages`.
#[derive(Deserialize)]
pub(super) struct Pages {
    /// The blobs, in the order of the stages.
    pub(super) pages: Vec<Digest>,
    pub(super) usual: PerRunFields,
    /// Position -> what is otherwise.
    pub(super) unusual: BTreeMap<usize, PerRunFields>,
}

/// What a run says of a stage that another run may say otherwise.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PerRunFields {
    pub(super) outcome: Outcome,
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Reason>,
    ready: Option<f64>,
    start: Option<f64>,
    seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queued: Option<f64>,
    pub(super) log: Option<std::path::PathBuf>,
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Box<Failure>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maker: Option<Box<MadeBy>>,
}

impl Pages {
    /// What passes of the stage at a position.
    pub(super) fn per_run(&self, position: usize) -> &PerRunFields {
        self.unusual.get(&position).unwrap_or(&self.usual)
    }
}

impl PerRunFields {
    fn of(stage: &StageRecord) -> Self {
        let StageRecord {
            outcome,
            reasons,
            causes,
            ready,
            start,
            seconds,
            queued,
            log,
            error,
            failure,
            warnings,
            maker,
            ..
        } = stage;
        Self {
            outcome: *outcome,
            reasons: reasons.clone(),
            causes: causes.clone(),
            ready: *ready,
            start: *start,
            seconds: *seconds,
            queued: *queued,
            log: log.clone(),
            error: error.clone(),
            failure: failure.clone(),
            warnings: warnings.clone(),
            maker: maker.clone(),
        }
    }

    pub(super) fn apply(self, stage: &mut StageRecord) {
        let Self { outcome, reasons, causes, ready, start, seconds, queued, log, error, failure, warnings, maker } =
            self;
        (stage.outcome, stage.reasons, stage.causes) = (outcome, reasons, causes);
        (stage.log, stage.error, stage.warnings) = (log, error, warnings);
        (stage.failure, stage.maker) = (failure, maker);
        (stage.ready, stage.start, stage.seconds, stage.queued) = (ready, start, seconds, queued);
    }

    fn holds(&self, stage: &StageRecord) -> bool {
        self.outcome == stage.outcome
            && (self.ready, self.start, self.queued) == (stage.ready, stage.start, stage.queued)
            && self.seconds.to_bits() == stage.seconds.to_bits()
            && (&self.reasons, &self.log, &self.error) == (&stage.reasons, &stage.log, &stage.error)
            && (&self.causes, &self.failure, &self.warnings) == (&stage.causes, &stage.failure, &stage.warnings)
            && self.maker == stage.maker
    }
}

impl Store {
    /// A record as JSON on a line. The stages of one with many are stored as pages, which are returned.
    pub(super) fn record_line(&self, record: &RunRecord) -> Result<(Vec<u8>, Vec<Digest>)> {
        let failed = |source| StoreError::Encode { path: self.root().join("runs"), source };
        if record.stages.len() <= PAGE {
            return Ok((serde_json::to_vec(record).map_err(failed)?, vec![]));
        }
        let digests: Result<Vec<Digest>> =
            record.stages.par_chunks(PAGE).map(|stages| self.keep_page(&page::encode(stages))).collect();
        let digests = digests?;
        let usual = record.stages.iter().find(|stage| stage.outcome == Outcome::UpToDate).unwrap_or(&record.stages[0]);
        let line = self.paged_line(record, &digests, &PerRunFields::of(usual), || record.stages.iter().enumerate())?;
        Ok((line, digests))
    }

    /// The fields of a run record, with [`Pages`] in place of the stages. What is otherwise in those that are given is written one by
    /// one: there may be a hundred thousand.
    fn paged_line<'r, S: Iterator<Item = (usize, &'r StageRecord)>>(
        &self,
        record: &RunRecord,
        pages: &[Digest],
        usual: &PerRunFields,
        stages: impl Fn() -> S,
    ) -> Result<Vec<u8>> {
        let head = RunRecord { params: record.params.clone(), ..head_of(record) };
        let line = || -> serde_json::Result<Vec<u8>> {
            let Value::Object(mut head) = serde_json::to_value(&head)? else { unreachable!("a struct is an object") };
            head.remove("stages");
            let mut line = Vec::new();
            let mut writer = serde_json::Serializer::new(&mut line);
            let mut map = writer.serialize_map(None)?;
            head.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
            map.serialize_entry("pages", pages)?;
            map.serialize_entry("usual", usual)?;
            let unusual = || {
                let others = stages().filter(|(_, stage)| !usual.holds(stage));
                others.map(|(position, stage)| (position, PerRunFields::of(stage)))
            };
            map.serialize_entry("unusual", &OneByOne(unusual))?;
            map.end()?;
            Ok(line)
        };
        line().map_err(|source| StoreError::Encode { path: self.root().join("runs"), source })
    }

    /// Reads those of some pages, by number, that stages at these positions are in.
    ///
    /// # Errors
    /// If a page cannot be had, or is not what was written.
    pub(crate) fn open_pages(
        &self,
        pages: &[Digest],
        positions: &[usize],
    ) -> Result<BTreeMap<usize, Vec<StageRecord>>> {
        let wanted: BTreeSet<usize> = positions.iter().map(|position| position / PAGE).collect();
        if wanted.is_empty() {
            // A pool of threads would be started for nothing.
            return Ok(BTreeMap::new());
        }
        let wanted = wanted.into_par_iter().filter_map(|page| Some((page, pages.get(page)?)));
        wanted.map(|(page, digest)| Ok((page, self.read_page(digest, &usual())?))).collect()
    }

    /// The pages of a run that looked at some stages only: those of an earlier one, of which the opened ones get what lasts of these
    /// stages. Where nothing is different, a page stays the same.
    ///
    /// # Errors
    /// If one cannot be written.
    pub(crate) fn patch_pages(
        &self,
        pages: &[Digest],
        mut opened: BTreeMap<usize, Vec<StageRecord>>,
        positions: &[usize],
        stages: &[StageRecord],
    ) -> Result<Vec<Digest>> {
        for (position, stage) in positions.iter().zip(stages) {
            let place = opened.get_mut(&(position / PAGE)).and_then(|page| page.get_mut(position % PAGE));
            if let Some(place) = place {
                place.clone_from(stage);
            }
        }
        let patched = opened.into_par_iter().map(|(page, stages)| Ok((page, self.keep_page(&page::encode(&stages))?)));
        let patched: Result<Vec<(usize, Digest)>> = patched.collect();
        let mut pages = pages.to_vec();
        patched?.into_iter().for_each(|(page, digest)| pages[page] = digest);
        Ok(pages)
    }

    /// Keeps the record of a run that looked at some of `count` stages only. Its record has those, which are at these positions of
    /// the whole; of the others, which were up to date, the pages say what there is to say. Returns the record, which has
    /// only the number of these.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write_partial_run(
        &self,
        mut record: RunRecord,
        positions: &[usize],
        count: usize,
        pages: &[Digest],
    ) -> Result<RunRecord> {
        let usual = usual();
        let line = self.paged_line(&record, pages, &usual, || positions.iter().copied().zip(&record.stages))?;
        record.untouched = count - positions.len();
        self.write_record(&record, &line)?;
        Ok(record)
    }

    /// Makes sure that a page is in the store, and tells its digest. One whose stamp says that it is there is not written.
    fn keep_page(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest(blake3::hash(bytes).into());
        if self.verify_blob(&digest).is_err() {
            self.insert_bytes(bytes)?;
        }
        Ok(digest)
    }

    /// What [`Self::record_line`] wrote of a run with many stages, its stages still in pages; `None` if this is none.
    pub(super) fn head(line: &[u8]) -> Option<(RunRecord, Pages)> {
        let mut object: Map<String, Value> = serde_json::from_slice(line).ok()?;
        if !object.contains_key("pages") {
            return None;
        }
        // They are most of it.
        let pages = ["pages", "usual", "unusual"].into_iter().filter_map(|name| object.remove_entry(name)).collect();
        let pages: Pages = serde_json::from_value(Value::Object(pages)).ok()?;
        object.insert("stages".into(), Value::Array(vec![]));
        let record = serde_json::from_value(Value::Object(object)).ok()?;
        Some((record, pages))
    }

    /// Reads the record of a run with many stages; `None` if this is none.
    ///
    /// # Errors
    /// If a page cannot be had, or is not what was written.
    pub(super) fn paged_record(&self, line: &[u8]) -> Option<Result<RunRecord>> {
        let (record, pages) = Self::head(line)?;
        Some(self.turn_pages(record, &pages))
    }

    /// Reads the stages of a page; what passes is filled in.
    pub(super) fn read_page(&self, digest: &Digest, per_run: &PerRunFields) -> Result<Vec<StageRecord>> {
        let bytes = self.read(digest)?;
        let stages = page::entries(&bytes).and_then(|entries| {
            let records = entries.iter().map(|entry| {
                let mut record = entry.record()?;
                per_run.clone().apply(&mut record);
                Some(record)
            });
            records.collect::<Option<Vec<_>>>()
        });
        stages.ok_or(StoreError::Damaged { digest: *digest })
    }

    fn turn_pages(&self, mut record: RunRecord, pages: &Pages) -> Result<RunRecord> {
        let read: Result<Vec<Vec<StageRecord>>> =
            pages.pages.par_iter().map(|digest| self.read_page(digest, &pages.usual)).collect();
        record.stages = read?.into_iter().flatten().collect();
        for (position, per_run) in &pages.unusual {
            if let Some(stage) = record.stages.get_mut(*position) {
                per_run.clone().apply(stage);
            }
        }
        Ok(record)
    }
}

/// Entries of a map that are made as they are written.
struct OneByOne<F>(F);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)>, F: Fn() -> I> Serialize for OneByOne<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

/// What passes of a stage that was up to date and not looked at.
fn usual() -> PerRunFields {
    PerRunFields {
        outcome: Outcome::UpToDate,
        reasons: vec![],
        causes: vec![],
        ready: Some(0.0),
        start: Some(0.0),
        seconds: 0.0,
        queued: None,
        log: None,
        error: None,
        failure: None,
        warnings: vec![],
        maker: None,
    }
}

/// A record without its stages and parameters.
fn head_of(record: &RunRecord) -> RunRecord {
    RunRecord {
        version: record.version,
        id: record.id.clone(),
        status: record.status,
        started: record.started,
        seconds: record.seconds,
        origin: record.origin.clone(),
        set: record.set.clone(),
        params: Value::Null,
        host: record.host.clone(),
        git: record.git.clone(),
        remote: record.remote.clone(),
        stages: vec![],
        untouched: 0,
    }
}
