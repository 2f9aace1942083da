//! `kiln run --watch`: run, wait until a source, a model file or the pipeline file changes, run again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln::engine::Interrupt;
use kiln::hash::parts;
use kiln::pipeline::{Body, From, Pipeline};
use kiln::show::number;

use super::run::Run;
use super::select::ProjectArgs;
use super::{EXIT_INTERRUPTED, Stop, project, render, run};

/// How often the files are looked at, and how long they have to be at rest before a run. Looking works on every file
/// system, where notifications do not.
const PAUSE: Duration = Duration::from_millis(200);

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    /// Of a link its own, which another in its place does not have.
    link: Option<u64>,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Every file that was there, by path.
type Stamps = BTreeMap<PathBuf, Stamp>;

pub(crate) fn watch(place: &ProjectArgs, args: &Run) -> Result<u8, Stop> {
    let interrupt = Interrupt::default();
    interrupt.listen()?;
    let (file, _) = project::pipeline_and_targets(&place.file, &args.targets);
    let say = |text: String| {
        if !args.quiet {
            render::talk(&text)
        }
    };
    let mut pipeline = project::load_whole(place, &file, &args.select)?;
    let mut force = true;
    loop {
        // Looked at before the run: what changes while it goes on is seen after it.
        let roots = watched(&pipeline, &file);
        let before = stamps(&roots);
        match run::once(place, args, &interrupt, force) {
            Ok(EXIT_INTERRUPTED) => return Ok(EXIT_INTERRUPTED),
            // A file may have changed since it was loaded here.
            Ok(_) | Err(Stop::Mistakes(_)) => {}
            Err(stop) => return Err(stop),
        }
        force = false;
        say(format!("watching {}; Ctrl-C ends it\n", number::count(before.len(), "file")));
        let Some(now) = changed(&roots, &before, &interrupt) else { return Ok(0) };
        say(format!("\nchanged: {}\n", differing(&before, &now).join(", ")));
        let Some(loaded) = loaded(place, &file, args, &interrupt)? else { return Ok(0) };
        pipeline = loaded;
    }
}

/// The pipeline, as soon as it has no mistakes; `None` if the user asked to stop. A mistake may be mended in a file that is
/// not known yet, so loading is tried again and again.
fn loaded(place: &ProjectArgs, file: &Path, args: &Run, interrupt: &Interrupt) -> Result<Option<Pipeline>, Stop> {
    let mut told = Vec::new();
    while !interrupt.is_set() {
        match project::load_whole(place, file, &args.select) {
            Ok(pipeline) => return Ok(Some(pipeline)),
            Err(Stop::Mistakes(mistakes)) => {
                let messages: Vec<String> = mistakes.iter().map(|mistake| format!("{mistake:?}")).collect();
                if messages != told {
                    render::mistakes(&mistakes);
                    told = messages;
                }
            }
            Err(stop) => return Err(stop),
        }
        std::thread::sleep(PAUSE);
    }
    Ok(None)
}

/// Waits until the files differ from `before` and have come to rest; `None` if the user asked to stop.
fn changed(roots: &BTreeSet<PathBuf>, before: &Stamps, interrupt: &Interrupt) -> Option<Stamps> {
    let mut last = before.clone();
    loop {
        std::thread::sleep(PAUSE);
        if interrupt.is_set() {
            return None;
        }
        let now = stamps(roots);
        if now == last && now != *before {
            return Some(now);
        }
        last = now;
    }
}

/// The files and folders that a run looks at.
fn watched(pipeline: &Pipeline, file: &Path) -> BTreeSet<PathBuf> {
    let mut roots = BTreeSet::from([pipeline.root.join(file.file_name().unwrap_or_default())]);
    roots.extend(pipeline.report.iter().map(|report| pipeline.root.join(&report.file)));
    roots.extend(pipeline.param_files.iter().map(|(file, _)| pipeline.root.join(file)));
    for stage in &pipeline.stages {
        if let Body::Uses { kind, params } = &stage.body {
            roots.extend(kind.beside(params).into_iter().map(|path| pipeline.root.join(path)));
        }
        for (name, items) in &stage.inputs {
            for item in items {
                let From::Source(path) = &item.from else { continue };
                let path = pipeline.root.join(path);
                if let Body::Uses { kind, .. } = &stage.body
                    && let Some(Ok(document)) = kind.document(name, &path)
                {
                    roots.extend(document.sources);
                }
                roots.insert(path);
            }
        }
    }
    roots
}

fn stamps(roots: &BTreeSet<PathBuf>) -> Stamps {
    let mut stamps = Stamps::new();
    roots.iter().for_each(|root| look(root, &mut stamps));
    stamps
}

/// What cannot be read counts as not there: the run tells of it.
fn look(root: &Path, stamps: &mut Stamps) {
    for path in parts(root) {
        let Ok(own) = std::fs::symlink_metadata(&path) else { continue };
        // A link to nothing may be what somebody means.
        let data = std::fs::metadata(&path).unwrap_or_else(|_| own.clone());
        let stamp = Stamp {
            link: own.is_symlink().then(|| own.ino()),
            inode: data.ino(),
            bytes: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        };
        stamps.insert(path, stamp);
    }
}

/// The names of a few files that are not the same.
fn differing(before: &Stamps, now: &Stamps) -> Vec<String> {
    let all: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let mut names: Vec<String> = all
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path))
        .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
        .collect();
    const SHOWN: usize = 5;
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("...".into());
    }
    names
}
