//! What a report is about: a run, what it left, and the run before it.

use std::collections::HashMap;

use super::format::{self, Format};
use super::reference::{Fault, Reference, nearest, target};
use crate::compare::Evidence;
use crate::hash::Digest;
use crate::record::{Outcome, OutputRecord, RunRecord, StageRecord};
use crate::suggest;

/// The bytes of an output, or why they cannot be had.
pub type Artifacts<'a> = dyn Fn(&RunRecord, &OutputRecord) -> Result<Vec<u8>, String> + 'a;

/// A run, what it left, and the run before it.
pub struct Subject<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// The run before it in the project, if there is one.
    pub previous: Option<&'a RunRecord>,
    /// Supplies the bytes of outputs.
    pub artifacts: &'a Artifacts<'a>,
    /// Tells what of two runs differs.
    pub evidence: &'a dyn Evidence,
}

/// An output of a stage.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) stage: &'a StageRecord,
    pub(super) name: &'a str,
    pub(super) output: &'a OutputRecord,
}

impl<'a> Subject<'a> {
    /// The value of a reference as text.
    ///
    /// # Errors
    /// Why the run has none, in words for the place where it would stand.
    pub(super) fn value(&self, reference: &Reference<'_>, format: Option<Format>) -> Result<String, Fault> {
        let number = |value: f64| format.map_or_else(|| format::plain(value), |format| format.number(value));
        match reference {
            Reference::Param(name) => Ok(match self.param(name)? {
                serde_json::Value::Number(n) => match (format, n.as_f64()) {
                    (Some(format), Some(value)) => format.number(value),
                    _ => n.to_string(),
                },
                other => scalar(other),
            }),
            Reference::Metric(text) => {
                let (stage, part) = self.stage(text)?;
                match stage.metrics.get(part) {
                    Some(value) => Ok(number(*value)),
                    None => Err(no_metric(stage, part)),
                }
            }
            Reference::Stage(text) => {
                let (stage, part) = self.stage(text)?;
                let seconds = |s: f64| format.unwrap_or(Format::Duration).number(s);
                Ok(match part {
                    "outcome" => words(stage.outcome).to_owned(),
                    "seconds" => seconds(stage.seconds),
                    "executed_seconds" => seconds(
                        stage.total_seconds().ok_or_else(|| without(format!("`{}` was never executed", stage.name)))?,
                    ),
                    "uses" => stage.uses.clone().unwrap_or_else(|| "a command".to_owned()),
                    _ => stage.key.map_or_else(|| "none".to_owned(), |key| key.short()),
                })
            }
            Reference::Output(text) => Ok(self.made(text)?.output.path.display().to_string()),
            Reference::Run(name) => Ok(self.fact(name, format)),
            Reference::Graph | Reference::Table(..) => Err(without("this is a block of its own")),
        }
    }

    /// The number that a reference stands for, before any format.
    ///
    /// # Errors
    /// Why the run has none.
    pub(super) fn number(&self, reference: &Reference<'_>) -> Result<f64, Fault> {
        let run = self.run;
        let found = match reference {
            Reference::Param(name) => self.param(name)?.as_f64(),
            Reference::Metric(text) => {
                let (stage, part) = self.stage(text)?;
                Some(*stage.metrics.get(part).ok_or_else(|| no_metric(stage, part))?)
            }
            Reference::Stage(text) => match self.stage(text)? {
                (stage, "seconds") => Some(stage.seconds),
                (stage, "executed_seconds") => stage.total_seconds(),
                _ => None,
            },
            Reference::Run("seconds") => Some(run.seconds),
            Reference::Run("cpus") => Some(run.host.cpus as f64),
            Reference::Run("stages") => Some(run.stages.len() as f64),
            Reference::Run("executed") => Some(executed(run) as f64),
            Reference::Run(_) | Reference::Output(_) | Reference::Graph | Reference::Table(..) => None,
        };
        found.ok_or_else(|| without("a condition compares numbers, and one of these is none"))
    }

    fn param(&self, name: &str) -> Result<&'a serde_json::Value, Fault> {
        let mut value = &self.run.params;
        for segment in name.split('.') {
            let next = match segment.parse::<usize>() {
                Ok(i) if value.is_array() => value.get(i),
                _ => value.get(segment),
            };
            value = next.ok_or_else(|| without(format!("the run has no parameter `{name}`")))?;
        }
        Ok(value)
    }

    fn fact(&self, name: &str, format: Option<Format>) -> String {
        let run = self.run;
        let number = |value: f64| format.map_or_else(|| format::plain(value), |format| format.number(value));
        match name {
            "id" => run.id.clone(),
            "status" => run.status.to_string(),
            "started" if format == Some(Format::Date) => format::day(run.started),
            "started" => format::moment(run.started),
            "seconds" => format.unwrap_or(Format::Duration).number(run.seconds),
            "pipeline" => run.origin.pipeline.display().to_string(),
            "profile" => run.origin.profile.clone().unwrap_or_else(|| "none".to_owned()),
            "host" => run.host.name.clone(),
            "cpus" => number(run.host.cpus as f64),
            "kiln" => run.host.kiln.clone(),
            "stages" => number(run.stages.len() as f64),
            _ => number(executed(run) as f64),
        }
    }

    /// The stage of a reference, and the rest of it.
    pub(super) fn stage<'t>(&self, text: &'t str) -> Result<(&'a StageRecord, &'t str), Fault> {
        let known = |name: &str| self.run.stages.iter().any(|s| s.stage == name);
        let target = target(text, &known).map_err(without)?;
        let fits = |s: &&StageRecord| {
            s.stage == target.stage
                && target.axes.iter().all(|(axis, label)| s.variant.get(*axis).is_some_and(|l| l == label))
        };
        let mut found = self.run.stages.iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(stage), None) => Ok((stage, target.part)),
            (None, _) => {
                let axes: Vec<String> = target.axes.iter().map(|(a, l)| format!("{a}={l}")).collect();
                let name = if axes.is_empty() {
                    target.stage.to_owned()
                } else {
                    format!("{}[{}]", target.stage, axes.join(","))
                };
                Err(without(format!("the run has no stage `{name}`")))
            }
            _ => Err(without(format!("the run has several variants of `{}`", target.stage))),
        }
    }

    /// The output of a reference.
    pub(super) fn made(&self, text: &str) -> Result<Made<'a>, Fault> {
        let (stage, part) = self.stage(text)?;
        match stage.outputs.get_key_value(part) {
            Some((name, output)) => Ok(Made { stage, name, output }),
            None => Err(without(match stage.outcome {
                Outcome::Failed | Outcome::Skipped => format!("`{}` {}", stage.name, words(stage.outcome)),
                _ => format!("`{}` has no output `{part}`", stage.name),
            })),
        }
    }

    /// The bytes of an output.
    pub(super) fn bytes(&self, made: Made<'_>) -> Result<Vec<u8>, Fault> {
        (self.artifacts)(self.run, made.output).map_err(without)
    }

    /// The outputs of this run by digest: who made what.
    pub(super) fn makers(&self) -> HashMap<Digest, Vec<Made<'a>>> {
        let mut makers: HashMap<_, Vec<Made<'a>>> = HashMap::new();
        for stage in &self.run.stages {
            for (name, output) in &stage.outputs {
                makers.entry(output.digest).or_default().push(Made { stage, name, output });
            }
        }
        makers
    }
}

fn executed(run: &RunRecord) -> usize {
    run.stages.iter().filter(|s| s.outcome == Outcome::Executed).count()
}

fn no_metric(stage: &StageRecord, part: &str) -> Fault {
    match stage.outcome {
        Outcome::Failed | Outcome::Skipped => without(format!("`{}` {}", stage.name, words(stage.outcome))),
        _ if !stage.warnings.is_empty() => {
            Fault::new(format!("`{}` has no metric `{part}`", stage.name), stage.warnings.join("; "))
        }
        _ => {
            let names = || stage.metrics.keys().map(String::as_str);
            let hint = nearest(part, names()).unwrap_or_else(|| format!("its metrics: {}", suggest::list(names())));
            Fault::new(format!("`{}` has no metric `{part}`", stage.name), hint)
        }
    }
}

pub(super) fn without(message: impl Into<String>) -> Fault {
    Fault { message: message.into(), hint: None }
}

/// An outcome in a sentence.
pub(super) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Executed => "executed",
        Outcome::UpToDate => "up to date",
        Outcome::Restored => "restored",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
    }
}

/// A parameter's value as text: lists in one line.
pub(super) fn scalar(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::Array(items) if items.iter().all(|i| !i.is_array() && !i.is_object()) => {
            items.iter().map(scalar).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
