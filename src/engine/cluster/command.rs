//! A scheduler that commands of the user's speak to: one submits a script, one says what has become of jobs, one cancels them.
//! docs/cluster.md says what each is handed and prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::scheduler::{Answer, Batch, Job, Known, Over, Scheduler, State, ask, is_there};
use crate::pipeline::Commands;

/// So long a command may take.
const ANSWER: Duration = Duration::from_secs(60);

/// The code of a `submit` that says that there is no room now.
const BUSY: i32 = 75;

/// The commands of a user.
pub(super) struct UserCommands {
    commands: Commands,
    /// Where they are started: the project.
    folder: PathBuf,
}

impl UserCommands {
    pub(super) fn new(commands: Commands, folder: &Path) -> Self {
        Self { commands, folder: folder.to_owned() }
    }

    fn command(&self, words: &[String]) -> Command {
        let program = words.first().map(String::as_str).unwrap_or_default();
        let program = if program.contains('/') { self.folder.join(program) } else { program.into() };
        let mut command = Command::new(program);
        command.args(words.iter().skip(1)).current_dir(&self.folder);
        command
    }
}

impl Scheduler for UserCommands {
    fn name(&self) -> &'static str {
        "the scheduler"
    }

    fn missing(&self) -> Option<String> {
        let Commands { submit, poll, cancel } = &self.commands;
        let programs = [("submit", submit), ("poll", poll), ("cancel", cancel)];
        programs.into_iter().filter_map(|(name, words)| Some((name, words.first()?))).find_map(|(name, program)| {
            let lacks = if is_there(program, &self.folder) {
                return None;
            } else if program.contains('/') && self.folder.join(program).is_file() {
                "may not be executed\nhint: chmod +x makes a script a program"
            } else {
                "is not found\nhint: it is looked for in the project, or without a slash in `PATH`"
            };
            Some(format!("`{name}` of the executor cannot be started: `{program}` {lacks}"))
        })
    }

    fn most(&mut self) -> usize {
        1
    }

    fn index_variable(&self) -> Option<&'static str> {
        None
    }

    fn name_of(&self, batch: &str, _index: usize) -> String {
        batch.to_owned()
    }

    fn submit(&mut self, batch: &Batch<'_>) -> Answer {
        let mut submit = self.command(&self.commands.submit);
        let wishes = &batch.wants.wishes;
        let mut variables: Vec<(&str, String)> = vec![
            ("KILN_JOB_NAME", batch.name.to_owned()),
            ("KILN_JOB_STAGES", batch.comment.to_owned()),
            ("KILN_JOB_FOLDER", batch.folder.to_string_lossy().into_owned()),
            ("KILN_JOB_OUTPUT", batch.folder.join("0.out").to_string_lossy().into_owned()),
            ("KILN_CPUS", batch.wants.cpus.to_string()),
            ("KILN_GPUS", batch.wants.gpus.to_string()),
            ("KILN_MEMORY_MB", batch.wants.megabytes().map_or_else(String::new, |megabytes| megabytes.to_string())),
            ("KILN_MINUTES", wishes.time.map_or_else(String::new, |time| time.as_secs().div_ceil(60).to_string())),
        ];
        let named = [
            ("KILN_PARTITION", &wishes.partition),
            ("KILN_ACCOUNT", &wishes.account),
            ("KILN_QOS", &wishes.qos),
            ("KILN_CONSTRAINT", &wishes.constraint),
        ];
        variables.extend(named.map(|(name, value)| (name, value.clone().unwrap_or_default())));
        submit.envs(variables).args(&wishes.options).arg(batch.script);
        match ask(&mut submit, ANSWER) {
            Ok(said) if said.code == Some(0) => {
                match said.stdout.lines().rev().find_map(|line| line.split_whitespace().next()) {
                    Some(id) => Answer::Accepted(id.to_owned()),
                    None => Answer::Refused("`submit` printed no name of a job".into()),
                }
            }
            Ok(said) if said.code == Some(BUSY) => Answer::Busy(said.why()),
            Ok(said) => Answer::Refused(said.why()),
            Err(error) => Answer::Refused(format!("cannot start `submit`: {error}")),
        }
    }

    fn poll(&mut self, batches: &[Known]) -> Result<Vec<Job>, String> {
        let names: BTreeMap<&str, &str> =
            batches.iter().filter_map(|batch| Some((batch.id.as_deref()?, batch.name.as_str()))).collect();
        if names.is_empty() {
            return Ok(vec![]);
        }
        let mut poll = self.command(&self.commands.poll);
        poll.args(names.keys());
        let said = ask(&mut poll, ANSWER).map_err(|error| format!("cannot start `poll`: {error}"))?;
        if said.code != Some(0) {
            return Err(said.why());
        }
        let job = |line: &str| {
            let mut words = line.split_whitespace();
            let (id, word) = (words.next()?, words.next()?);
            let (id, batch) = names.get_key_value(id)?;
            let rest = words.collect::<Vec<_>>().join(" ");
            // A job of which nothing is understood is not one that is forgotten.
            let state =
                of(word, rest).ok_or_else(|| format!("`poll` says `{id} {word}`, and the words for that are {WORDS}"));
            Some(state.map(|state| Job { batch: (*batch).to_owned(), index: 0, id: (*id).to_owned(), state }))
        };
        said.stdout.lines().filter_map(job).collect()
    }

    fn cancel(&mut self, jobs: &[String]) -> Result<(), String> {
        let mut cancel = self.command(&self.commands.cancel);
        cancel.args(jobs);
        let said = ask(&mut cancel, ANSWER).map_err(|error| format!("cannot start `cancel`: {error}"))?;
        if said.code == Some(0) { Ok(()) } else { Err(said.why()) }
    }
}

const WORDS: &str = "`queued`, `running`, `stuck`, `done`, `timeout`, `memory`, `cancelled` and `lost`";

/// What a word of `poll` means; nothing for one that is not known.
fn of(word: &str, rest: String) -> Option<State> {
    Some(match word {
        "queued" => State::Queued(rest),
        "stuck" => State::Stuck(rest),
        "running" => State::Running,
        "done" => State::Over(Over::Itself(rest)),
        "timeout" => State::Over(Over::OutOfTime),
        "memory" => State::Over(Over::OutOfMemory),
        "cancelled" => State::Over(Over::Cancelled),
        "lost" => State::Over(Over::Lost(if rest.is_empty() { "its machine was lost".into() } else { rest })),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_no_word_of_a_job_that_is_forgotten() {
        let polls = |says: &str| {
            let poll = vec!["sh".to_owned(), "-c".to_owned(), format!("echo '{says}'")];
            let commands = Commands { poll, ..Commands::default() };
            let known = Known { name: "kiln-1".into(), id: Some("7".into()) };
            UserCommands::new(commands, Path::new("/")).poll(&[known])
        };
        assert_eq!(polls("7 running").unwrap()[0].state, State::Running);
        assert_eq!(polls("7 memory").unwrap()[0].state, State::Over(Over::OutOfMemory));
        assert!(polls("8 whatever").unwrap().is_empty());
        let why = polls("7 RUNNING").unwrap_err();
        assert!(why.contains("`7 RUNNING`") && why.contains("`queued`"), "{why}");
    }
}
