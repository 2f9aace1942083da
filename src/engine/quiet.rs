//! A run that finds nothing to do, found out by looking at files alone.
//!
//! After a run that left many command stages up to date, what `stat` says of each of their files is kept beside the pipeline.
//! As long as all of it is still so, and the pipeline, this program and the results in the store are what they were, every decision
//! would come out as it did, and none is made. In any doubt there is an ordinary run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, statx};
use serde_json::Value;

use super::event::Reporter;
use super::records::is_good;
use super::sources::Sources;
use crate::hash::{Digest, Stamp};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::kind::Role;
use crate::pipeline::{Body, Identity, Pipeline};
use crate::record::{RunRecord, RunStatus};
use crate::store::{PAGE, Store, StoreError};

/// So many files are looked at by a thread at a time.
const AT_ONCE: usize = 512;

/// Keeps what a run that brought everything up to date left, for [`run_quietly`]. What cannot be told by `stat` is not kept: folders,
/// links, files changed a moment ago, and built-in kinds, whose documents may lead to other files.
pub(super) fn keep(
    pipeline: &Pipeline,
    store: &Store,
    sources: &Sources,
    record: &RunRecord,
    pages: &[Digest],
    identity: &Identity,
) {
    let all = record.stages.len() == pipeline.stages.len() && record.stages.len() > PAGE;
    let good = record.stages.iter().all(is_good);
    let commands = pipeline.stages.iter().all(|stage| matches!(stage.body, Body::Run(_)));
    // What else there is to show of a run is not known here.
    let plain = pipeline.stages.iter().flat_map(|stage| stage.outputs.values()).all(|output| output.role == Role::Data);
    if !all || !good || !commands || !plain || pipeline.report.is_some() {
        return;
    }
    let Some(bytes) = encode(pipeline, store, sources, record, pages) else { return };
    if let Err(error) = identity.keep_beside(&bytes) {
        tracing::debug!("cannot keep what was seen: {error}");
    }
}

fn encode(
    pipeline: &Pipeline,
    store: &Store,
    sources: &Sources,
    record: &RunRecord,
    pages: &[Digest],
) -> Option<Vec<u8>> {
    let outputs = record.stages.iter().flat_map(|stage| stage.outputs.values());
    let mut wanted: Vec<(&Path, Digest)> = outputs.map(|output| (output.path.as_path(), output.digest)).collect();
    for (path, artifact) in sources.all() {
        wanted.push((path, artifact.ok()?.digest));
    }
    let stamps: Option<Vec<Stamp>> = wanted
        .par_iter()
        .with_min_len(AT_ONCE)
        .map(|(path, digest)| {
            let (stamp, artifact) = store.memo().stamped(&pipeline.root.join(path))?;
            (artifact.digest == *digest).then_some(stamp)
        })
        .collect();
    let folders: BTreeSet<&Path> =
        wanted.iter().filter_map(|(path, _)| path.parent()).flat_map(Path::ancestors).collect();
    let mut out = Vec::with_capacity(wanted.len() * 64);
    put_text(&mut out, &store.state()?);
    put_text(&mut out, &record.params.to_string());
    put_count(&mut out, record.stages.len());
    put_count(&mut out, pages.len());
    pages.iter().for_each(|page| out.extend_from_slice(&page.0));
    let folders: Vec<&Path> = folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()).collect();
    put_count(&mut out, folders.len());
    for folder in folders {
        put_text(&mut out, folder.to_str()?);
    }
    put_count(&mut out, wanted.len());
    for ((path, _), stamp) in wanted.iter().zip(stamps?) {
        put_text(&mut out, path.to_str()?);
        for number in [stamp.id.0, stamp.id.1, stamp.size, stamp.mtime.cast_unsigned(), stamp.ctime.cast_unsigned()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    Some(out)
}

/// Does a run that has nothing to do, if that is known from the last one and all its files are still as they were; records
/// it. `None` if it takes an ordinary run to tell.
///
/// # Errors
/// If the record cannot be written.
pub fn run_quietly(
    identity: &Identity,
    cache: &Path,
    set: &[String],
    reporter: &mut dyn Reporter,
) -> Result<Option<RunRecord>, StoreError> {
    let (began, started) = (Instant::now(), Timestamp::now());
    let Some(bytes) = identity.kept_beside() else { return Ok(None) };
    let store = Store::unread(cache)?;
    let Some(_hold) = store.try_hold_unread()? else { return Ok(None) };
    let Some((params, stages, pages)) = holds(&bytes, &identity.root, &store) else { return Ok(None) };
    reporter.run_started(stages);
    let record = RunRecord {
        version: 1,
        id: store.new_run_id(),
        status: RunStatus::Ok,
        started,
        seconds: began.elapsed().as_secs_f64(),
        project: identity.root.clone(),
        pipeline: identity.file.clone(),
        profile: identity.profile.clone(),
        set: set.to_vec(),
        params,
        host: super::host(),
        stages: vec![],
    };
    let record = store.write_idle_run(record, stages, pages)?;
    reporter.run_finished(&record);
    Ok(Some(record))
}

/// What is to be recorded, if everything is as it was.
fn holds(bytes: &[u8], root: &Path, store: &Store) -> Option<(Value, usize, Vec<Digest>)> {
    let from = &mut Reader(bytes);
    if from.str()? != store.state()? {
        return None;
    }
    let params = serde_json::from_str(from.str()?).ok()?;
    let stages = from.number()?;
    let pages = (0..from.count()?).map(|_| from.array().map(Digest)).collect::<Option<Vec<_>>>()?;
    if !pages.iter().all(|page| store.blob_path(page).is_file()) {
        return None;
    }
    for _ in 0..from.count()? {
        // A link on the way would make it another project.
        let folder = fs::symlink_metadata(root.join(from.str()?)).ok()?;
        if !folder.is_dir() {
            return None;
        }
    }
    let count = from.count()?;
    let mut files = Vec::with_capacity(count);
    for _ in 0..count {
        let path = from.str()?;
        let id = (from.u64()?, from.u64()?);
        files.push((path, Stamp { id, size: from.u64()?, mtime: from.i64()?, ctime: from.i64()? }));
    }
    let folder =
        openat(rustix::fs::CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let same = |(path, stamp): &(&str, Stamp)| {
        let found = statx(&folder, *path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        found.is_ok_and(|found| Stamp::of_statx(&found) == *stamp)
    };
    let same = from.0.is_empty() && files.par_iter().with_min_len(AT_ONCE).all(same);
    same.then_some((params, stages, pages))
}
