//! Garbage: what nobody needs any more, found by following what is kept, and deleted in an order that a crash cannot spoil.
//!
//! Kept are the results that the last runs of each pipeline file reached, those of runs that are named or tagged, those whose outputs lie in
//! place in a project, the last state of each and those that a rule names, and young ones that no run record names. All they lead to is kept with them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rayon::prelude::*;

use super::files::QUARANTINE;
use super::garbage::{Garbage, Keep, KeptFor, amount};
use super::inventory::{BLOBS, OnDisk, TREES};
use super::recorded::{Recorded, RecordedRun};
use super::{Alone, Result, Store, StoreError, names, salvage};
use crate::hash::tree::Node;
use crate::hash::{ActionKey, Digest};
use crate::record::RunId;

/// A thing that is deleted before another may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Results,
    Trees,
    Blobs,
    Logs,
    Quarantine,
    Salvaged,
    Records,
}

/// Results go before what they name, so that no crash leaves a result without its content; records go last, because
/// a result that no record names is kept for a while.
const ORDER: [Step; 7] =
    [Step::Results, Step::Trees, Step::Blobs, Step::Logs, Step::Quarantine, Step::Salvaged, Step::Records];

impl Store {
    /// Finds what nobody needs. Deletes nothing.
    ///
    /// # Errors
    /// If the store cannot be listed.
    pub fn garbage(&self, keep: &Keep) -> Result<Garbage> {
        let recorded = self.recorded()?;
        let tagged = self.tags()?.into_iter().map(|tag| tag.run);
        let chosen = chosen(&recorded, keep, &tagged.collect());
        let blobs = self.objects(BLOBS)?;
        let trees = self.objects(TREES)?;
        let sizes: HashMap<Digest, u64> = blobs.iter().chain(&trees).copied().collect();

        let (kept, needed) = self.kept(&recorded, &chosen, keep, &sizes);
        let keys: HashSet<ActionKey> = needed.iter().map(|made| recorded.made[*made].key).collect();
        // Those of records that are dropped now go with the next collection: a record never lacks them.
        let mut live = recorded.pages.clone();
        self.follow_digests(needed.iter().flat_map(|made| &recorded.made[*made].outputs).map(|o| o.1), &mut live);

        // What they were made of is kept where it is no output: documents, and what source folders held.
        let outputs: HashSet<Digest> =
            recorded.made.iter().flat_map(|made| &made.outputs).map(|(_, digest)| *digest).collect();
        let inputs = needed.iter().flat_map(|made| &recorded.made[*made].inputs);
        live.extend(inputs.filter(|digest| !outputs.contains(digest)));

        let named: HashSet<ActionKey> = recorded.made.iter().map(|made| made.key).collect();
        let mut garbage = Garbage { kept, ..Garbage::default() };
        let results = self.all_results();
        let steps = self.kept_states(&keys, results.iter().filter(|(key, _)| !named.contains(key)));
        for (key, result) in results {
            let unrecorded = !named.contains(&key) && is_young(result.created, keep.unrecorded);
            if keys.contains(&key) || steps.contains(&key) || unrecorded {
                garbage.unrecorded += usize::from(unrecorded);
                self.follow_digests(result.outputs.values().map(|artifact| artifact.digest), &mut live);
            } else {
                garbage.results.insert(key);
            }
        }
        garbage.dead_bytes = self.dead_bytes() + self.bytes_of(&garbage.results);
        garbage.blobs = blobs.into_iter().filter(|(digest, _)| !live.contains(digest)).collect();
        garbage.trees = trees.into_iter().filter(|(digest, _)| !live.contains(digest)).collect();
        self.find_old_files(&recorded, &chosen, &needed, keep, &mut garbage)?;
        Ok(garbage)
    }

    /// Deletes garbage that was found under the same hold. Killing this at any moment leaves a sound store; what is left of the
    /// garbage is found again.
    ///
    /// # Errors
    /// What the system refuses; the rest of the garbage stays.
    pub fn delete(&self, _alone: &Alone, garbage: &Garbage) -> Result<()> {
        // What is needed of it is asked for again.
        self.forget_promises()?;
        for step in ORDER {
            self.delete_step(garbage, step)?;
        }
        self.sweep();
        self.sweep_claims();
        Ok(())
    }

    fn delete_step(&self, garbage: &Garbage, step: Step) -> Result<()> {
        let objects = |objects: &[(Digest, u64)], path: &(dyn Fn(&Digest) -> PathBuf + Sync)| {
            objects.par_iter().try_for_each(|(digest, _)| remove(&path(digest)))
        };
        let files = |files: &[(PathBuf, u64)]| files.iter().try_for_each(|(path, _)| remove(path));
        match step {
            Step::Results if garbage.dead_bytes == 0 => Ok(()),
            Step::Results => self.retain_results(&|key| !garbage.results.contains(key)),
            Step::Trees => objects(&garbage.trees, &|digest| self.tree_path(digest)),
            Step::Blobs => objects(&garbage.blobs, &|digest| self.blob_path(digest)),
            Step::Logs => {
                files(&garbage.logs)?;
                for folder in garbage.logs.iter().filter_map(|(path, _)| path.parent()) {
                    // Refused as long as something is in it.
                    let _ = fs::remove_dir(folder);
                }
                Ok(())
            }
            Step::Quarantine => files(&garbage.quarantine),
            Step::Salvaged => garbage.salvaged.iter().try_for_each(|(folder, _)| salvage::discard(folder)),
            Step::Records => files(&garbage.records),
        }
    }

    /// What is kept for each project, and all of that together: positions in `recorded.made`.
    fn kept(
        &self,
        recorded: &Recorded,
        chosen: &[bool],
        keep: &Keep,
        sizes: &HashMap<Digest, u64>,
    ) -> (Vec<KeptFor>, HashSet<usize>) {
        let mut projects: BTreeMap<&Path, Vec<(&RecordedRun, bool)>> = BTreeMap::new();
        for (run, chosen) in recorded.runs.iter().zip(chosen) {
            projects.entry(&run.project).or_default().push((run, *chosen));
        }
        let here: BTreeSet<&Path> = projects
            .keys()
            .copied()
            .filter(|project| project.is_dir() && !keep.forget.iter().any(|f| f == project))
            .collect();
        let mut in_place: BTreeMap<&Path, HashSet<usize>> = BTreeMap::new();
        for found in self.in_place(recorded, &here) {
            for made in found.made {
                in_place.entry(&recorded.made[made].project).or_default().insert(made);
            }
        }
        let (mut kept, mut needed) = (Vec::new(), HashSet::new());
        for (project, runs) in projects {
            let lying = in_place.remove(project).unwrap_or_default();
            let reached = runs.iter().filter(|(_, chosen)| *chosen).flat_map(|(run, _)| &run.reached);
            let all: HashSet<usize> = reached.chain(&lying).copied().collect();
            let mut live = HashSet::new();
            self.follow_digests(all.iter().flat_map(|made| &recorded.made[*made].outputs).map(|o| o.1), &mut live);
            kept.push(KeptFor {
                project: project.to_owned(),
                here: project.is_dir(),
                runs: runs.iter().filter(|(_, chosen)| *chosen).map(|(run, _)| run.id.clone()).collect(),
                recorded: runs.len(),
                in_place: lying.len(),
                artifacts: amount(live.iter().filter_map(|digest| sizes.get(digest)).copied()),
            });
            needed.extend(all);
        }
        (kept, needed)
    }

    /// Adds digests and, where they are those of trees, all that the trees hold.
    fn follow_digests(&self, digests: impl Iterator<Item = Digest>, live: &mut HashSet<Digest>) {
        for digest in digests {
            // A record does not say whether an output is a tree; where there is a listing, it is.
            if live.insert(digest)
                && self.tree_path(&digest).exists()
                && let Ok(listing) = self.listing(&digest)
            {
                live.extend(listing.entries.iter().filter_map(|(_, node)| match node {
                    Node::File { digest, .. } => Some(*digest),
                    Node::Link { .. } | Node::Folder => None,
                }));
            }
        }
    }

    /// Finds logs, quarantined files and records that are not kept.
    fn find_old_files(
        &self,
        recorded: &Recorded,
        chosen: &[bool],
        needed: &HashSet<usize>,
        keep: &Keep,
        garbage: &mut Garbage,
    ) -> Result<()> {
        // A log is kept with its run, and with the outputs of the execution that wrote it.
        let (mut known, mut kept) = (HashSet::new(), HashSet::new());
        for (run, chosen) in recorded.runs.iter().zip(chosen) {
            for (log, made) in &run.logs {
                known.insert(log.parent().map(Path::to_owned));
                if *chosen || made.is_some_and(|made| needed.contains(&made)) {
                    kept.insert(log);
                }
            }
        }
        let old = |file: OnDisk| (file.age > keep.unrecorded).then_some((file.path, file.bytes));
        for folder in self.folders(Path::new("logs"))? {
            if !names::is_run(names::of(&folder)) {
                continue;
            }
            let known = known.contains(&Some(folder.clone()));
            for file in self.files(&folder)?.into_iter().filter(|file| names::is_log(names::of(&file.path))) {
                if !known {
                    garbage.logs.extend(old(file));
                } else if !kept.contains(&file.path) {
                    garbage.logs.push((file.path, file.bytes));
                }
            }
        }
        let aside = self.files(Path::new(QUARANTINE))?.into_iter();
        let aside = aside.filter(|file| names::is_put_aside(names::of(&file.path)));
        garbage.quarantine = aside.filter_map(old).collect();
        // Who writes a file under a temporary name may be killed before it gets its own.
        for folder in ["", "runs"] {
            let files =
                self.files(Path::new(folder))?.into_iter().filter(|file| names::is_unfinished(names::of(&file.path)));
            garbage.quarantine.extend(files.filter_map(old));
        }
        garbage.records = self.old_traces(keep.unrecorded, &keep.forget);
        garbage.salvaged = self.salvaged(keep.unrecorded)?;
        for (run, chosen) in recorded.runs.iter().zip(chosen) {
            // A tag outlives its project.
            if !chosen && (keep.drop_records || keep.forget.contains(&run.project)) {
                let bytes = fs::metadata(&run.path).map_or(0, |metadata| metadata.len());
                garbage.records.push((run.path.clone(), bytes));
            }
        }
        Ok(())
    }
}

/// Which runs are kept, in the order of the records.
fn chosen(recorded: &Recorded, keep: &Keep, tagged: &HashSet<RunId>) -> Vec<bool> {
    let mut files: BTreeMap<(&Path, &Path), (usize, HashSet<usize>, bool)> = BTreeMap::new();
    let mut choices = Vec::with_capacity(recorded.runs.len());
    for run in &recorded.runs {
        let named = keep.runs.contains(&run.id) || tagged.contains(&run.id);
        if named || keep.forget.contains(&run.project) {
            choices.push(named);
            continue;
        }
        let (count, seen, over) = files.entry((&run.project, &run.pipeline)).or_default();
        if run.reached.iter().any(|made| !seen.contains(made)) {
            *over |= *count == keep.last;
            *count += 1;
            seen.extend(&run.reached);
        }
        choices.push(!*over && keep.last > 0);
    }
    choices
}

/// Whether something was made no longer ago than that; something of the future was.
fn is_young(created: Timestamp, limit: Duration) -> bool {
    Duration::try_from(Timestamp::now().duration_since(created)).unwrap_or_default() <= limit
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "gc_tests.rs"]
mod tests;
