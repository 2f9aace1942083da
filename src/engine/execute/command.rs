//! Executing a user's command: in a folder where its declared inputs, and nothing else of the project, lie at their project paths.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;
use std::time::Instant;

use super::capture::WorkerOutputs;
use super::execution::{Execution, on_full_disk};
use super::handed;
use super::hint::{self, CommandEnd};
use super::in_place::InPlace;
use super::input_copies::InputCopies;
use super::steps::{STATES, Steps};
use crate::engine::decide::decision::input_path;
use crate::engine::executor::failure::{Failed, NoResult};
use crate::engine::executor::tail::last_lines;
use crate::engine::executor::{
    Attempt, End, HOME, Listener, Ports, Prepared, Program, Reach, Shown, Work, log, script, surroundings, toolchain,
};
use crate::failure::Failure;
use crate::pipeline;
use crate::record::Resumed;
use crate::store::ActionResult;

/// So many lines at the end of a log are looked through for what a failure may come from.
const EVIDENCE: usize = 200;

/// What is told beside that an input was changed that was no copy.
const IN_PLACE: &str = "hint: a large input is read where it lies; leave it alone until the stage has ended, or have inputs copied with KILN_IN_PLACE=off";

/// The folder of an attempt where the command is started.
pub(crate) const WORK: &str = "project";

/// The inputs of a command, laid out.
#[derive(Default)]
pub(super) struct Laid {
    /// The copies.
    copies: Vec<PathBuf>,
    /// What it is shown where it lies.
    shown: Vec<Shown>,
    /// What of that has to stay as it is.
    in_place: InPlace,
    /// What of the rest of the project it is shown by links.
    links: BTreeSet<PathBuf>,
    /// Whether it is observed what it reads.
    observed: bool,
}

/// A command that is laid out.
pub(super) struct LaidOut<'l> {
    /// The folder that it is started in.
    pub(super) work: PathBuf,
    /// The command.
    pub(super) program: Program,
    /// Where it writes its outputs.
    outputs: BTreeMap<String, PathBuf>,
    copies: InputCopies,
    /// Its steps, if it is made of some.
    steps: Option<Steps<'l>>,
    /// The environments of the project that it is shown.
    pub(super) tools: Vec<PathBuf>,
    /// Its inputs.
    pub(super) inputs: Laid,
}

/// What a command that succeeded has left.
struct Produced {
    /// Where its outputs lie.
    outputs: BTreeMap<String, PathBuf>,
    /// What it went on from.
    resumed: Option<Resumed>,
    /// What it read where it lies, which is still what it was.
    in_place: InPlace,
}

impl Execution<'_> {
    /// Executes a command. `last` says that there is no attempt after this one.
    pub(crate) fn attempt_command(
        &self,
        body: &pipeline::Command,
        began: Instant,
        last: bool,
    ) -> Result<ActionResult, NoResult> {
        let attempt = self.executor.attempt(self.stage, &self.folders())?;
        let folder = attempt.folder();
        self.say_where(folder);
        // Few commands end with something to tell.
        let names = LazyCell::new(|| self.names(folder));
        // An earlier attempt may have said something.
        let said = self.log.length();
        let produced = self.run_command(body, attempt.as_ref(), began).map_err(|why| on_full_disk(why, folder));
        let work = folder.join(WORK);
        let result = produced.and_then(|Produced { outputs, resumed, in_place }| {
            let result = self.capture(&WorkerOutputs { outputs, folder: work }, began.elapsed(), resumed)?;
            Ok((result, in_place))
        });
        let mut result = result.map_err(|why| names.no_result(why));
        if let Ok((result, in_place)) = &mut result {
            let complaint = self.complaint(said, attempt.as_ref());
            let told = self.stage.warns.then(|| self.found.lock().unwrap_or_else(PoisonError::into_inner).text());
            result.complaints.extend(told.flatten());
            result.complaints.extend(complaint.map(|complaint| names.put_into(complaint)));
            self.tell_of_changes(in_place);
        }
        let result =
            result.map(|(result, _)| result).map_err(|why| self.left(why, attempt.as_ref(), last, began.elapsed()));
        attempt.end();
        result
    }

    /// The folders that the command finds, relative to the scratch directory.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let items = self.stage.inputs.values().flatten();
        let inputs: HashSet<&Path> = items.map(|item| input_path(self.pipeline, item)).collect();
        let outputs = self.stage.outputs.values().map(|output| output.path.as_path());
        // What is in a folder that is an input comes with it.
        let apart = |path: &&Path| !path.ancestors().skip(1).any(|above| inputs.contains(above));
        let paths = inputs.iter().copied().chain(outputs).filter(apart);
        let work = self.work();
        let parents: Vec<PathBuf> = paths.filter_map(|path| laid(&work, path).parent().map(Path::to_owned)).collect();
        let states = self.stage.steps.as_ref().map(|_| STATES.into());
        parents.into_iter().chain([work, HOME.into()]).chain(states).collect()
    }

    /// The folder that the command is started in, relative to the scratch directory: deep enough that inputs beside the project have
    /// their places in the scratch directory, too.
    fn work(&self) -> PathBuf {
        let up = |path: &Path| path.components().take_while(|part| *part == Component::ParentDir).count();
        let items = self.stage.inputs.values().flatten();
        let depth = items.map(|item| up(input_path(self.pipeline, item))).max().unwrap_or(0);
        std::iter::once(WORK).chain(std::iter::repeat_n(pipeline::PROJECT, depth)).collect()
    }

    /// Lays a command out: its inputs, what it finds in its environment, and what of its steps is in the cache.
    pub(super) fn laid_out<'l>(
        &'l self,
        body: &pipeline::Command,
        attempt: &dyn Attempt,
        began: Instant,
    ) -> Result<LaidOut<'l>, NoResult> {
        let folder = attempt.folder();
        let work = folder.join(self.work());
        let mut inputs = self.lay_out(&work, attempt)?;
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.stage.outputs {
            let path = work.join(&output.path);
            // There already, unless it is to be in a folder that is an input.
            if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
                fs::create_dir_all(folder)?;
            }
            outputs.insert(name.clone(), path);
        }
        inputs.links = self.open_rest(&work, attempt)?;
        inputs.observed = self.is_open() && attempt.can_observe();
        let mut copies = InputCopies::default();
        for path in &inputs.copies {
            copies.add(path)?;
        }
        let mut program = self.program(body, folder)?;
        program.folder.clone_from(&work);
        let home = folder.join(HOME);
        // Of two with the same name the later counts.
        program.variables.extend(surroundings::variables(self.stage, self.threads, attempt.is_guarded(), &home));
        let handed = handed::variables(self.pipeline, self.stage, folder)?;
        program.variables.extend(handed.into_iter().map(|(name, value)| (name.into(), value.into())));
        let steps = Steps::begin(self, folder, &work, began)?;
        let found = steps.iter().flat_map(Steps::variables);
        program.variables.extend(found.map(|(name, value)| (name.into(), value)));
        let tools = self.open_tools(body, &work)?;
        Ok(LaidOut { work, program, outputs, copies, steps, tools, inputs })
    }

    /// A command that is laid out, as it is started.
    pub(super) fn ready(
        &self,
        program: Program,
        work: &Path,
        tools: &[PathBuf],
        inputs: &Laid,
    ) -> Result<Prepared<'_>, NoResult> {
        let read = tools.iter().filter_map(|tool| self.pipeline.root.join(tool).canonicalize().ok()).collect();
        let write: Vec<PathBuf> = surroundings::caches(self.stage).into_iter().map(|(_, folder)| folder).collect();
        for folder in &write {
            fs::create_dir_all(folder).map_err(|error| Failure::Unreadable {
                why: format!("cannot make {}, which the stage names as a lasting folder: {error}", folder.display()),
            })?;
        }
        let reach = Reach { read, write, everything: self.is_open(), ..Reach::default() };
        let mut prepared = self.prepared(Work::Command(program), reach);
        prepared.shown.clone_from(&inputs.shown);
        if inputs.observed {
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            prepared.observed = vec![real(work), real(&self.pipeline.root)];
        }
        Ok(prepared)
    }

    /// Lays a command out and has it run.
    fn run_command(
        &self,
        body: &pipeline::Command,
        attempt: &dyn Attempt,
        began: Instant,
    ) -> Result<Produced, NoResult> {
        let LaidOut { work, program, outputs, copies, steps, tools, inputs } = self.laid_out(body, attempt, began)?;
        let mut prepared = self.ready(program, &work, &tools, &inputs)?;
        let within = |path: &Path| path.strip_prefix(attempt.folder()).ok().map(Path::to_owned);
        prepared.ports = Ports {
            inputs: inputs.copies.iter().filter_map(|path| within(path)).collect(),
            outputs: outputs.values().filter_map(|path| within(path)).collect(),
            states: steps.as_ref().and_then(|steps| Some((STATES.into(), within(steps.metrics())?))),
        };
        let ran = {
            let stays = self.watching(&inputs.in_place);
            let run = |goes_on: &dyn Fn() -> bool| {
                let goes_on = &|| stays() && goes_on();
                attempt.run(&prepared, &Listener { events: self.events, goes_on }, self.interrupt)
            };
            match &steps {
                Some(steps) => steps.beside(run),
                None => run(&|| true),
            }
        };
        for tool in &tools {
            // Nobody is to take it for something that the command left.
            let _ = fs::remove_file(work.join(tool));
        }
        // What was changed comes before how that ended.
        if !matches!(ran, Err(NoResult::Interrupted)) {
            self.unchanged(&inputs.in_place)
                .map_err(|why| self.salvaged(why.map(|failed| failed.and(IN_PLACE)), &work))?;
        }
        let (end, judged) = match ran {
            Ok(mut exit) => {
                let found = self.undeclared(std::mem::take(&mut exit.seen), &work, &inputs.links);
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
                (Some(exit.end), self.judge(&exit))
            }
            Err(why) => (None, Err(why)),
        };
        judged.map_err(|why| {
            let why = why.map(|failed| self.explained(failed, end, attempt, &work));
            match &steps {
                Some(steps) => steps.explained(why),
                None => why,
            }
        })?;
        if let Some(path) = copies.broken() {
            let path = path.strip_prefix(&work).unwrap_or(path).to_owned();
            return Err(self.salvaged(Failure::InputWritten { path }.into(), &work));
        }
        Ok(Produced { outputs, resumed: steps.and_then(|steps| steps.resumed()), in_place: inputs.in_place })
    }

    /// The program of a command, with its arguments. What a shell has to read before a script is put into a folder.
    fn program(&self, body: &pipeline::Command, folder: &Path) -> Result<Program, NoResult> {
        let nonsense = |why: &str| NoResult::from(Failure::Other { why: why.into() });
        match body {
            pipeline::Command::Shell(script) => {
                let shell = script::shell(self.stage).ok_or_else(|| nonsense("the command is no script"))?;
                Ok(shell.command(script, folder)?)
            }
            pipeline::Command::Argv(argv) => {
                let (program, arguments) = argv.split_first().ok_or_else(|| nonsense("the command is empty"))?;
                let arguments = arguments.iter().map(Into::into).collect();
                Ok(Program { program: program.into(), arguments, ..Program::default() })
            }
        }
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

    /// Puts every input at its project path in a folder.
    fn lay_out(&self, work: &Path, attempt: &dyn Attempt) -> Result<Laid, NoResult> {
        let mut inputs = Vec::new();
        for (name, items) in &self.stage.inputs {
            for (position, item) in items.iter().enumerate() {
                inputs.push((laid(work, input_path(self.pipeline, item)), name, position, item));
            }
        }
        // A folder comes before what is named in it, which then is there already.
        inputs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut placed: HashSet<&Path> = HashSet::new();
        let mut laid = Laid::default();
        for (path, name, position, item) in &inputs {
            // What is shown is whole, and what is in it is seen by the command alone.
            let in_shown = laid.shown.iter().any(|shown| path.starts_with(&shown.place));
            let there =
                in_shown || (path.ancestors().any(|path| placed.contains(path)) && fs::symlink_metadata(path).is_ok());
            let mut copied = !in_shown;
            if !there {
                match self.shown(name, *position, item, path, attempt, &mut laid.in_place)? {
                    Some(shown) => {
                        laid.shown.push(shown);
                        copied = false;
                    }
                    None => self.copy(name, *position, item, path)?,
                }
            }
            placed.insert(path);
            laid.copies.extend(copied.then(|| path.clone()));
        }
        Ok(laid)
    }

    /// Adds to a failure what it may come from.
    fn explained(&self, failed: Failed, end: Option<End>, attempt: &dyn Attempt, work: &Path) -> Failed {
        let mut lines = last_lines(self.log.path, EVIDENCE);
        // What could not be started is told by Kiln itself.
        lines.extend(end.is_none().then(|| failed.text()));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        match hint::hint(&lines, &self.scene(end, attempt, work)) {
            Some(hint) => failed.and(format!("hint: {hint}")),
            None => failed,
        }
    }

    /// What the log of a command that ended well, from a place on, says of what it does not see: perhaps it went on without.
    fn complaint(&self, from: u64, attempt: &dyn Attempt) -> Option<String> {
        let text = log::excerpt(self.log.path, from)?;
        let lines: Vec<&str> = text.lines().collect();
        let hint = hint::undeclared(&lines, &self.scene(None, attempt, &attempt.folder().join(WORK)))?;
        Some(format!("it ended well, and its log complains: {hint}"))
    }

    fn scene<'s>(&'s self, end: Option<End>, attempt: &'s dyn Attempt, work: &'s Path) -> CommandEnd<'s> {
        CommandEnd {
            pipeline: self.pipeline,
            stage: self.stage,
            cache: self.store.root(),
            scratch: attempt.folder(),
            work,
            guarded: attempt.is_guarded(),
            code: end.and_then(End::code),
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
