//! A run of a commit that has none: its files in a folder of their own, with the cache of the project. The project, its index and its
//! repository stay as they are.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kiln::engine::{self, Interrupt, Options, RecordedKeys};
use kiln::git::Commit;
use kiln::record::{Git, RunRecord, RunStatus};
use kiln::store::Access;

use super::past::{NoRun, Past, of_git};
use super::select::{ProjectArgs, Select};
use super::{Stop, claim, project, render};

/// How often it is looked whether the user asked to stop while files are written.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs a commit, with the profile and the parameters set of the last run.
pub(crate) fn run(past: &Past, place: &ProjectArgs, none: &NoRun) -> Result<RunRecord, Stop> {
    let NoRun { name, commit } = none;
    let repository = past.in_repository()?;
    let Some(file) = repository.path_of(&past.root().join(&past.project.pipeline)) else {
        return Err(Stop::Usage(format!("the pipeline file is in no working tree, so `{name}` cannot be run")));
    };
    let interrupt = Interrupt::default();
    interrupt.listen()?;
    render::talk(&format!("{name} is commit {} ({}): no run yet; it is run now\n", commit.short(), commit.subject));
    let folder = folder(past.root())?;
    let checkout = stoppable(&interrupt, |stop| repository.check_out(commit, &folder, stop)).map_err(of_git)?;
    if interrupt.is_set() {
        return Err(Stop::Interrupted);
    }
    let last = past.store.find_run("latest", Some(&past.project)).ok();
    let select = Select {
        profile: last.as_ref().and_then(|run| run.origin.profile.clone()),
        set: last.map(|run| run.set).unwrap_or_default(),
    };
    let git = Git {
        commit: Some(commit.id.clone()),
        tree: Some(commit.tree.clone()),
        branch: None,
        dirty: Some(false),
        difference: None,
        pipeline: Some(file.clone()),
    };
    let cache = place.cache.clone().unwrap_or_else(|| past.store.root().to_owned());
    let cache = std::path::absolute(&cache)?;
    let result = execute(
        &ProjectArgs { file: checkout.root().join(&file), cache: Some(cache) },
        &select,
        git,
        &interrupt,
        commit,
    );
    // What was put in place goes with the files; it is in the cache as well.
    drop(checkout);
    result
}

fn execute(
    place: &ProjectArgs,
    select: &Select,
    git: Git,
    interrupt: &Interrupt,
    commit: &Commit,
) -> Result<RunRecord, Stop> {
    if !place.file.is_file() {
        return Err(Stop::Usage(format!("commit {} has no {}", commit.short(), git.pipeline.unwrap_or_default())));
    }
    let (identity, cache) = project::identity(place, &place.file, select)?;
    let (pipeline, store) = project::open(place, &identity, &cache, select, Access::Write)?;
    let mut reporter = render::reporter(false);
    let mut say = |text: &str| render::talk(&format!("{text}\n"));
    let Some(_claim) = claim::wait(&store, &pipeline.root, Some(interrupt), &mut say)? else {
        return Err(Stop::Interrupted);
    };
    let options = Options {
        stages: project::selected(&pipeline, &[])?,
        force: BTreeSet::new(),
        keep: BTreeSet::new(),
        jobs: thread::available_parallelism().map_or(1, usize::from),
        keep_going: false,
        executor: None,
        leave_jobs: false,
        verbose: false,
        overwrite: false,
        worker: env::current_exe()?,
        set: select.set.clone(),
        git: Some(git),
        absent: RecordedKeys::new(),
        identity: None,
        remote: None,
    };
    let record = engine::run(&pipeline, &store, &options, interrupt, reporter.as_mut())?;
    drop(reporter);
    match record.status {
        RunStatus::Ok => Ok(record),
        RunStatus::Interrupted => Err(Stop::Interrupted),
        _ => Err(Stop::Error(anyhow::anyhow!("the run {} of commit {} failed", record.id, commit.short()))),
    }
}

/// Does what takes a flag to stop at, which is set when the user asks to.
fn stoppable<T: Send>(interrupt: &Interrupt, work: impl FnOnce(&AtomicBool) -> T) -> T {
    let (stop, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let watch = {
        let (stop, over, interrupt) = (Arc::clone(&stop), Arc::clone(&over), interrupt.clone());
        move || {
            while !over.load(Ordering::Relaxed) {
                if interrupt.is_set() {
                    stop.store(true, Ordering::Relaxed);
                }
                thread::sleep(PAUSE);
            }
        }
    };
    thread::spawn(watch);
    let done = work(&stop);
    over.store(true, Ordering::Relaxed);
    done
}

/// Where files of commits go: a private folder of the project's on a disk, as temporary files may be in memory. It is the same every time, so
/// that the runs are those of one project to `gc`.
fn folder(root: &Path) -> Result<PathBuf, Stop> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from).or(home);
    let uid = rustix::process::geteuid().as_raw();
    let base = base
        .filter(|base| base.is_absolute())
        .map_or_else(|| env::temp_dir().join(format!("kiln-{uid}")), |base| base.join("kiln"));
    let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    let folder = base.join("commits").join(&name[..16]);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let own = made.and_then(|()| fs::symlink_metadata(&base)).map(|found| found.is_dir() && found.uid() == uid);
    match own {
        Ok(true) => Ok(folder),
        Ok(false) => Err(Stop::Usage(format!("{} is not a folder of yours", base.display()))),
        Err(error) => Err(Stop::Usage(format!(
            "cannot make the folder {}: {error}\nhint: `XDG_CACHE_HOME` says where such folders go",
            folder.display()
        ))),
    }
}
