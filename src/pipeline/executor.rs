//! Who runs stages: `executor:` of the file, of a profile and of a stage, and `--executor`. Nothing of it decides an output.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration;
use super::form::{fields, get, wrong};
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node};
use super::size;
use super::suggest;
use crate::diagnostic::Span;

/// Who runs the stages of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExecutorSpec {
    /// This machine.
    Local,
    /// A cluster.
    Cluster(Box<Cluster>),
}

/// A cluster, and how Kiln deals with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Who runs its jobs.
    pub scheduler: Scheduler,
    /// What every job asks for unless its stage says otherwise.
    pub wishes: Wishes,
    /// The folder on a node that jobs work in which do not see the project, as a shell reads it.
    pub scratch: Option<String>,
    /// How many jobs may be there at a time.
    pub jobs: usize,
    /// How long it may take until what a job wrote is seen here.
    pub latency: Duration,
    /// How long a cluster may give no answer before jobs that could not be submitted are failures.
    pub patience: Duration,
    /// Where `executor:` stands, if it is written in the file.
    #[serde(default)]
    pub span: Span,
}

/// Who runs the jobs of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scheduler {
    /// Slurm.
    Slurm,
    /// One that commands of the user's speak to.
    Command(Commands),
}

/// The commands that speak to a scheduler: a program and its arguments each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    /// Submits a script and prints the name of the job.
    pub submit: Vec<String>,
    /// Prints the states of jobs.
    pub poll: Vec<String>,
    /// Cancels jobs.
    pub cancel: Vec<String>,
}

/// What a job asks a cluster for, beside processors and GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// How long the job may take.
    pub time: Option<Duration>,
    /// The part of the cluster.
    pub partition: Option<String>,
    /// Who pays.
    pub account: Option<String>,
    /// The quality of service.
    pub qos: Option<String>,
    /// What its node has to have.
    pub constraint: Option<String>,
    /// Options of the scheduler's own.
    pub options: Vec<String>,
}

/// What a stage says of where it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Elsewhere {
    /// Whether it runs on this machine whoever runs the others; `None` if it does not say.
    pub local: Option<bool>,
    /// What its job asks for.
    pub wishes: Wishes,
    /// Where `resources:` stands.
    pub span: Span,
}

/// The keys of `executor:`.
pub(super) const EXECUTOR: &[&str] = &["slurm", "command"];
/// The wishes that `resources:` and the options of an executor may name.
pub(super) const WISHES: &[&str] = &["memory", "time", "partition", "account", "qos", "constraint", "options"];
/// The options of a cluster.
pub(super) const CLUSTER: &[&str] = &[
    "memory",
    "time",
    "partition",
    "account",
    "qos",
    "constraint",
    "options",
    "scratch",
    "jobs",
    "latency",
    "patience",
];
/// The keys of `command:`.
pub(super) const COMMAND: &[&str] = &["submit", "poll", "cancel", "scratch", "jobs", "latency", "patience"];
/// What a stage may say.
pub(super) const OF_STAGE: &[&str] = &["local", "cluster"];

/// How an executor is written on a line.
const FORMS: &str = "write `local`, `slurm`, or `slurm:partition=NAME,time=2h`";

impl Cluster {
    fn of(scheduler: Scheduler) -> Self {
        Self {
            scheduler,
            wishes: Wishes::default(),
            scratch: None,
            jobs: 1000,
            latency: Duration::from_secs(60),
            patience: Duration::from_secs(300),
            span: Span::default(),
        }
    }

    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let time = || duration::parse(text).ok_or_else(|| format!("`{text}` is not a duration such as `90s` or `2h`"));
        match key {
            "latency" => self.latency = time()?,
            "patience" => self.patience = time()?,
            "scratch" => {
                let good = is_scratch(text);
                self.scratch = Some(good.then(|| text.to_owned()).ok_or_else(|| {
                    format!("`{text}` is no folder on a node\nwrite an absolute path, or a variable that nodes have: `/local/scratch`, `$TMPDIR`, `${{TMPDIR:-/tmp}}`")
                })?);
            }
            "jobs" => {
                let jobs = text.parse().ok().filter(|jobs| (1..=100_000).contains(jobs));
                self.jobs = jobs.ok_or_else(|| format!("`jobs` is a whole number from 1 to 100000, not `{text}`"))?;
            }
            _ => self.wishes.set(key, text)?,
        }
        Ok(())
    }
}

/// Whether a text is a folder as a shell may be handed it in double quotes: an absolute path, or one that begins with a variable.
fn is_scratch(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@=${} ".contains(c);
    text.starts_with(['/', '$']) && text.len() > 1 && text.chars().all(plain)
}

impl Wishes {
    /// These, and of others what these do not say.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        let either = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            memory: self.memory.or(others.memory),
            time: self.time.or(others.time),
            partition: either(&self.partition, &others.partition),
            account: either(&self.account, &others.account),
            qos: either(&self.qos, &others.qos),
            constraint: either(&self.constraint, &others.constraint),
            options: others.options.iter().chain(&self.options).cloned().collect(),
        }
    }

    /// Sets one of them by its name.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let word = || {
            let good = !text.is_empty() && !text.contains(char::is_control);
            good.then(|| text.to_owned()).ok_or_else(|| format!("`{key}` is empty, or no text"))
        };
        match key {
            "memory" => {
                let bytes = size::parse(text).filter(|bytes| *bytes >= 1 << 20);
                self.memory = Some(bytes.ok_or_else(|| format!("`{text}` is not an amount of memory such as `8GB`"))?);
            }
            "time" => {
                let time = duration::parse(text);
                self.time = Some(time.ok_or_else(|| format!("`{text}` is not a duration such as `90s` or `2h`"))?);
            }
            "partition" => self.partition = Some(word()?),
            "account" => self.account = Some(word()?),
            "qos" => self.qos = Some(word()?),
            "constraint" => self.constraint = Some(word()?),
            "options" => self.options.push(word()?),
            _ => return Err(format!("unknown option `{key}`; known here: {}", suggest::list_all(CLUSTER))),
        }
        Ok(())
    }
}

impl ExecutorSpec {
    /// Reads what `--executor` says: `local`, `slurm`, `slurm:partition=gpu,time=2h`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, options) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "local" if options.is_empty() => Ok(Self::Local),
            "slurm" => {
                let mut cluster = Cluster::of(Scheduler::Slurm);
                for option in options.split(',').filter(|option| !option.is_empty()) {
                    let (key, value) =
                        option.split_once('=').ok_or_else(|| format!("`{option}` lacks a value\n{FORMS}"))?;
                    cluster.set(key, value)?;
                }
                Ok(Self::Cluster(Box::new(cluster)))
            }
            "command" => Err("the commands of a scheduler are written in the pipeline file\n`executor: {command: {submit: ..., poll: ..., cancel: ...}}`".into()),
            _ => Err(format!("there is no executor `{name}`\n{FORMS}")),
        }
    }
}

/// Reads `executor:` of a file or a profile.
pub(super) fn read(entry: &Entry, mistakes: &mut Mistakes<'_>) -> Option<ExecutorSpec> {
    let mut spec = read_spec(entry, mistakes);
    if let Some(ExecutorSpec::Cluster(cluster)) = &mut spec {
        cluster.span = span(entry);
    }
    spec
}

/// Where a key stands.
pub(super) fn span(entry: &Entry) -> Span {
    Span { start: entry.place.start as usize, end: entry.place.end as usize }
}

fn read_spec(entry: &Entry, mistakes: &mut Mistakes<'_>) -> Option<ExecutorSpec> {
    let node = &entry.node;
    match &node.content {
        Content::Text(text) => ExecutorSpec::parse(text).map_err(|why| refuse(node, &why, mistakes)).ok(),
        Content::Map(_) => {
            let entries = fields(node, "`executor`", EXECUTOR, mistakes);
            match (get(entries, "slurm"), get(entries, "command")) {
                (Some(slurm), None) => {
                    let mut cluster = Cluster::of(Scheduler::Slurm);
                    if !matches!(slurm.node.content, Content::Null) {
                        let options = fields(&slurm.node, "`slurm`", CLUSTER, mistakes);
                        set(options, &mut |key, text| cluster.set(key, text), mistakes);
                    }
                    Some(ExecutorSpec::Cluster(Box::new(cluster)))
                }
                (None, Some(command)) => commands(command, mistakes),
                _ => {
                    let mistake = Mistake::new("`executor` names one of `slurm` and `command`").at(entry.place, "");
                    mistakes.add(mistake.hint(FORMS));
                    None
                }
            }
        }
        _ => wrong(node, "`executor`", "`local`, `slurm` or a mapping", mistakes),
    }
}

fn refuse(node: &Node, why: &str, mistakes: &mut Mistakes<'_>) {
    let (why, hint) = why.split_once('\n').map_or((why, None), |(why, hint)| (why, Some(hint.to_owned())));
    mistakes.add(Mistake::new(why).at(node.place, "").maybe_hint(hint));
}

/// Sets options, each a scalar or a list of scalars.
fn set(options: &[Entry], set: &mut dyn FnMut(&str, &str) -> Result<(), String>, mistakes: &mut Mistakes<'_>) {
    for option in options.iter().filter(|option| CLUSTER.contains(&option.key.as_str())) {
        let values = match &option.node.content {
            Content::List(items) if option.key == "options" => items.iter().collect(),
            _ => vec![&option.node],
        };
        for node in values {
            let text = match node.json() {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => {
                    let _: Option<()> = wrong(node, &format!("`{}`", option.key), "a text", mistakes);
                    continue;
                }
            };
            if let Err(why) = set(&option.key, &text) {
                refuse(node, &why, mistakes);
            }
        }
    }
}

fn commands(entry: &Entry, mistakes: &mut Mistakes<'_>) -> Option<ExecutorSpec> {
    let entries = fields(&entry.node, "`command`", COMMAND, mistakes);
    let mut words = |key: &str| {
        let Some(entry) = get(entries, key) else {
            let mistake = Mistake::new(format!("`command` lacks `{key}`")).at(entry.place, "");
            mistakes.add(
                mistake.hint("a scheduler needs `submit`, `poll` and `cancel`; docs/cluster.md says what each does"),
            );
            return None;
        };
        let texts: Option<Vec<String>> = match &entry.node.content {
            Content::Text(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Content::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => None,
        };
        match texts {
            Some(words) if !words.is_empty() => Some(words),
            _ => wrong(&entry.node, &format!("`{key}`"), "a program and its arguments", mistakes),
        }
    };
    let (submit, poll, cancel) = (words("submit"), words("poll"), words("cancel"));
    let commands = Commands { submit: submit?, poll: poll?, cancel: cancel? };
    let mut cluster = Cluster::of(Scheduler::Command(commands));
    let rest: Vec<Entry> = entries.iter().filter(|entry| COMMAND[3..].contains(&entry.key.as_str())).cloned().collect();
    set(&rest, &mut |key, text| cluster.set(key, text), mistakes);
    Some(ExecutorSpec::Cluster(Box::new(cluster)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_the_name() {
        let Ok(ExecutorSpec::Cluster(cluster)) = ExecutorSpec::parse("slurm:partition=gpu,time=2h,memory=8GB,jobs=20")
        else {
            panic!("it is a cluster")
        };
        assert_eq!((cluster.wishes.partition.as_deref(), cluster.jobs), (Some("gpu"), 20));
        assert_eq!(cluster.wishes.time, Some(Duration::from_secs(7200)));
        assert_eq!(cluster.wishes.memory, Some(8_000_000_000));
        for wrong in [
            "pbs",
            "slurm:time",
            "slurm:time=soon",
            "slurm:nodes=2",
            "slurm:scratch=tmp",
            "slurm:scratch=/$(x)",
            "local:x",
            "slurm:jobs=0",
            "command",
        ] {
            assert!(ExecutorSpec::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(ExecutorSpec::parse("local"), Ok(ExecutorSpec::Local));
    }
}
