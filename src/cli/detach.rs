//! `kiln run --detach`: the same run in a process of its own, which goes on when the terminal is closed.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use kiln::store::Access;

use super::run::Run;
use super::select::ProjectArgs;
use super::{Stop, project, render};

/// The variable by which that process knows what it is.
const DETACHED: &str = "KILN_DETACHED";

/// Starts the run. What is wrong with the pipeline or the arguments is told first, while somebody reads it.
pub(crate) fn detach(place: &ProjectArgs, args: &Run) -> Result<u8, Stop> {
    let (file, targets) = project::pipeline_and_targets(&place.file, &args.targets);
    let (identity, cache) = project::identity(place, &file, &args.select)?;
    let (pipeline, store) = project::open(place, &identity, &cache, &args.select, Access::Write)?;
    project::selected(&pipeline, &targets)?;
    let folder = store.root().join("logs");
    fs::create_dir_all(&folder)?;
    let path = folder.join("detached.log");
    let log = File::options().create(true).append(true).open(&path)?;
    let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
    let child = Command::new(std::env::current_exe()?)
        .args(words)
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    render::talk(&format!(
        "kiln: the run goes on without this terminal, as process {}\n\
         `kiln status` says how far it is; what it says is in {}\n\
         `kill {}` stops it: jobs on a cluster go on, and the next run takes their results\n",
        child.id(),
        path.display(),
        child.id()
    ));
    Ok(0)
}

/// Leaves the terminal, in the process that [`detach`] started.
pub(crate) fn leave_terminal() {
    if std::env::var_os(DETACHED).is_some() {
        // It fails only for who leads a group, and so has left.
        let _ = rustix::process::setsid();
    }
}
