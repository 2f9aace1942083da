//! Executing a user's command: in a folder where its declared inputs, and nothing else of the project, lie at their project paths.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::capture::Left;
use super::execution::{Execution, Failure, cannot_start, on_full_disk};
use super::handed;
use super::hint::{self, Scene};
use super::log;
use crate::engine::decide::decision::input_path;
use crate::engine::local::process::{self, Ending, Waited};
use crate::engine::local::script;
use crate::engine::local::sealed::Sealed;
use crate::engine::local::slot::{HOME, Slot};
use crate::engine::local::spawn::{self, Started};
use crate::engine::local::surroundings;
use crate::engine::local::toolchain;
use crate::engine::local::watchdog::Entry;
use crate::pipeline;
use crate::store::ActionResult;

/// So many lines at the end of a log are looked through for what a failure may come from.
const EVIDENCE: usize = 200;

/// The folder of a scratch directory where the command is started.
pub(crate) const WORK: &str = "project";

impl Execution<'_> {
    pub(crate) fn attempt_command(&self, body: &pipeline::Command, began: Instant) -> Result<ActionResult, Failure> {
        let slot = self.slots.take(self.folders().iter().map(PathBuf::as_path))?;
        self.say_where(slot.path());
        let names = self.names(slot.path());
        // An earlier attempt may have said something.
        let said = fs::metadata(self.log).map_or(0, |log| log.len());
        let produced = self.run_command(body, &slot).map_err(|failure| on_full_disk(failure, slot.path()));
        let folder = slot.path().join(WORK);
        let result = produced.and_then(|outputs| self.capture(&Left { outputs, folder }, began.elapsed(), None));
        let mut result = result.map_err(|failure| names.failure(failure));
        if let Ok(result) = &mut result {
            let complaint = self.complaint(said, &slot);
            result.complaints.extend(complaint.map(|complaint| names.put_into(complaint)));
            self.tell_of_changes();
        }
        self.slots.give_back(slot);
        result
    }

    /// The folders that the command finds, relative to the scratch directory.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let items = self.stage.inputs.values().flatten();
        let inputs: HashSet<&Path> = items.map(|item| input_path(self.pipeline, item)).collect();
        let outputs = self.stage.outputs.values().map(|output| output.path.as_path());
        // What is in a folder that is an input comes with it.
        let apart = |path: &&Path| !path.ancestors().skip(1).any(|above| inputs.contains(above));
        let paths = inputs.iter().copied().chain(outputs).filter(apart);
        let work = self.work();
        let parents: Vec<PathBuf> = paths.filter_map(|path| laid(&work, path).parent().map(Path::to_owned)).collect();
        parents.into_iter().chain([work, HOME.into()]).collect()
    }

    /// The folder that the command is started in, relative to the scratch directory: deep enough that inputs beside the project have
    /// their places in the scratch directory, too.
    fn work(&self) -> PathBuf {
        let up = |path: &Path| path.components().take_while(|part| *part == Component::ParentDir).count();
        let items = self.stage.inputs.values().flatten();
        let depth = items.map(|item| up(input_path(self.pipeline, item))).max().unwrap_or(0);
        std::iter::once(WORK).chain(std::iter::repeat_n(pipeline::PROJECT, depth)).collect()
    }

    /// Runs a command in a slot and returns what it wrote.
    fn run_command(&self, body: &pipeline::Command, slot: &Slot) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let (home, work) = (slot.home(), slot.path().join(self.work()));
        let inputs = self.lay_out(&work)?;
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.stage.outputs {
            let path = work.join(&output.path);
            // There already, unless it is to be in a folder that is an input.
            if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
                fs::create_dir_all(folder)?;
            }
            outputs.insert(name.clone(), path);
        }
        let mut sealed = Sealed::default();
        for path in &inputs {
            sealed.add(path)?;
        }
        let mut command = match body {
            pipeline::Command::Shell(script) => match script::shell(self.stage) {
                Some(shell) => shell.command(script, slot.path())?,
                None => return Err(Failure::Failed("the command is no script".into())),
            },
            pipeline::Command::Argv(argv) => {
                let (program, arguments) =
                    argv.split_first().ok_or_else(|| Failure::Failed("the command is empty".into()))?;
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
        };
        command.current_dir(&work);
        let guarded = self.slots.guard().is_there();
        let gpus = self.slots.gpus().lend(self.stage.resources.gpu);
        command.envs(gpus.variables());
        command.envs(surroundings::variables(self.stage, self.threads, guarded, &home));
        command.envs(handed::variables(self.pipeline, self.stage, slot.path())?);
        let tools = self.open_tools(body, &work)?;
        let ending = self.wait_for(&command, slot, &tools);
        drop(gpus);
        for tool in &tools {
            // Nobody is to take it for something that the command left.
            let _ = fs::remove_file(work.join(tool));
        }
        let status = match ending {
            Ok(Ending::Exited(status)) => Some(status),
            _ => None,
        };
        let ended = ending.and_then(|ending| self.judge(ending));
        ended.map_err(|failure| self.explained(failure, status, slot, &work))?;
        if let Some(path) = sealed.broken() {
            let path = path.strip_prefix(&work).unwrap_or(path).display();
            let text =
                format!("the command changed its input {path}\nhint: inputs are read-only; write a copy elsewhere");
            return Err(self.salvaged(Failure::Failed(text), &work));
        }
        Ok(outputs)
    }

    /// Shows a command the environments of the project that it names by their paths.
    fn open_tools(&self, body: &pipeline::Command, work: &Path) -> io::Result<Vec<PathBuf>> {
        let mut tools = toolchain::named(body, &self.pipeline.root);
        // One that is an input is copied as it is.
        tools.retain(|tool| fs::symlink_metadata(work.join(tool)).is_err());
        for tool in &tools {
            let place = work.join(tool);
            fs::create_dir_all(place.parent().unwrap_or(work))?;
            symlink(self.pipeline.root.join(tool), place)?;
        }
        Ok(tools)
    }

    /// Puts every input at its project path in a folder, and returns the paths.
    fn lay_out(&self, work: &Path) -> Result<Vec<PathBuf>, Failure> {
        let mut inputs = Vec::new();
        for (name, items) in &self.stage.inputs {
            for (position, item) in items.iter().enumerate() {
                inputs.push((laid(work, input_path(self.pipeline, item)), name, position, item));
            }
        }
        // A folder comes before what is named in it, which then is there already.
        inputs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut placed: HashSet<&Path> = HashSet::new();
        for (path, name, position, item) in &inputs {
            let there = path.ancestors().any(|path| placed.contains(path)) && fs::symlink_metadata(path).is_ok();
            if !there {
                self.copy(name, *position, item, path)?;
            }
            placed.insert(path);
        }
        Ok(inputs.into_iter().map(|(path, ..)| path).collect())
    }

    /// Starts a command, which may read some environments of the project, and waits until it ends.
    fn wait_for(&self, command: &Command, slot: &Slot, tools: &[PathBuf]) -> Result<Ending, Failure> {
        let log = slot.log()?;
        let own;
        let limits = if tools.is_empty() {
            self.slots.limits(slot).map_err(cannot_guard)?
        } else {
            let tools = tools.iter().filter_map(|tool| self.pipeline.root.join(tool).canonicalize().ok());
            own = self.slots.limits_reading(slot, tools.collect()).map_err(cannot_guard)?;
            own.as_ref()
        };
        let (kiln, entry) = (rustix::process::getpid(), self.slots.entry(slot));
        let mut enter = || {
            entry.map_or(Ok(()), |entry| entry.enter())?;
            process::bind(kiln, limits)
        };
        let started = spawn::spawn(command, log, &mut enter);
        let started = started.map_err(|e| cannot_start(command.get_program(), &e))?;
        let mut child = Watched { started, entry };
        let linked = Cell::new(false);
        let spoken = || log.metadata().is_ok_and(|log| log.len() > 0);
        let tick = || {
            // What goes on for longer can be read meanwhile.
            linked.set(linked.get() || (spoken() && self.link_log(log)));
            if linked.get() {
                log::keep_short(self.log);
            } else {
                log::keep_short(&slot.log_path());
            }
            true
        };
        let ending = process::wait(&mut child, self.stage.timeout, self.stage.grace, self.interrupt, &tick)?;
        if spoken() && !linked.get() && !self.link_log(log) {
            // An earlier attempt said something, the command took the log away, or the file system has no links.
            let mut log = log;
            log.rewind()?;
            io::copy(&mut log, &mut self.open_log()?)?;
        }
        Ok(ending)
    }

    /// Gives the log of a slot, and nothing that the command may have put in its place, its other name; tells whether it has it now.
    fn link_log(&self, log: &File) -> bool {
        let log = format!("/proc/self/fd/{}", log.as_raw_fd());
        let link = || linkat(CWD, log.as_str(), CWD, self.log, AtFlags::SYMLINK_FOLLOW);
        match link() {
            Err(Errno::NOENT) => {
                self.log.parent().is_some_and(|folder| self.store.make_folder(folder).is_ok() && link().is_ok())
            }
            linked => linked.is_ok(),
        }
    }

    /// Adds to a failure what it may come from.
    fn explained(&self, failure: Failure, status: Option<ExitStatus>, slot: &Slot, work: &Path) -> Failure {
        let Failure::Failed(mut text) = failure else { return failure };
        let lines = super::tail::last_lines(self.log, EVIDENCE);
        // What could not be started is told by Kiln itself.
        let lines: Vec<&str> =
            lines.iter().map(String::as_str).chain(status.is_none().then_some(text.as_str())).collect();
        if let Some(hint) = hint::hint(&lines, &self.scene(status, slot, work)) {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        Failure::Failed(text)
    }

    /// What the log of a command that ended well, from a place on, says of what it does not see: perhaps it went on without.
    fn complaint(&self, from: u64, slot: &Slot) -> Option<String> {
        let text = log::excerpt(self.log, from)?;
        let lines: Vec<&str> = text.lines().collect();
        let hint = hint::undeclared(&lines, &self.scene(None, slot, &slot.path().join(WORK)))?;
        Some(format!("it ended well, and its log complains: {hint}"))
    }

    fn scene<'s>(&'s self, status: Option<ExitStatus>, slot: &'s Slot, work: &'s Path) -> Scene<'s> {
        Scene {
            pipeline: self.pipeline,
            stage: self.stage,
            cache: self.store.root(),
            scratch: slot.path(),
            work,
            guarded: self.slots.guard().is_there(),
            status,
        }
    }
}

/// Where a path of the project is while the project is at `work`; `..` leads to the folders around that.
fn laid(work: &Path, path: &Path) -> PathBuf {
    let mut at = work.to_owned();
    for part in path.components() {
        if part == Component::ParentDir {
            at.pop();
        } else {
            at.push(part);
        }
    }
    at
}

/// A command that the watchdog knows of.
struct Watched<'a> {
    started: Started,
    entry: Option<Entry<'a>>,
}

impl Waited for Watched<'_> {
    fn pid(&self) -> Pid {
        self.started.pid()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(entry) = &self.entry {
            entry.leave();
        }
        self.started.reap()
    }
}

fn cannot_guard(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot guard the stage: {error}"))
}
