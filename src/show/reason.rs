//! Reasons in words: the only place where a sentence is made of one.

use std::path::PathBuf;

use super::difference;
use crate::reason::{Differing, Reason};

/// Why a stage is not left alone: one line, but for an error's.
pub fn words(reason: &Reason) -> String {
    match reason {
        Reason::NeverRun => "never run before".into(),
        Reason::Forced => "forced".into(),
        Reason::Changed(changed) => difference::words(changed),
        Reason::MoreChanges { count } => format!("and {count} more changes"),
        Reason::NoResult => "its last execution gave no result".into(),
        Reason::ResultGone => "its last result is no longer in the cache".into(),
        Reason::OutputGone { output } => format!("output `{output}` is no longer in the cache"),
        Reason::ResultDamaged { finding } => finding.clone(),
        Reason::NotInPlace { paths } => format!("not in place: {}", listed(paths)),
        Reason::NotDeterministic { outputs, replaced } => {
            let what = if *replaced { "damaged, so this one counts" } else { "kept" };
            format!("not deterministic: {}; the first result is {what}", differing(outputs))
        }
        Reason::GoesOn { unit, step, last: false } => format!("goes on from {unit} {step}"),
        Reason::GoesOn { unit, step, last: true } => format!("{unit} {step} is in the cache already"),
        Reason::StartsOver { why } => format!("starts over: {why}"),
        Reason::DependsOn { stages } => format!("depends on {}", stages.join(", ")),
        Reason::Needs { stage } => format!("needs {stage}"),
        Reason::AnotherFailed => "another stage failed".into(),
        Reason::Interrupted => "interrupted".into(),
        Reason::UnderWay => "under way".into(),
        Reason::Killed => "under way when the run was killed".into(),
        Reason::Unreadable { why } | Reason::LeadsIntoStore { why } => why.clone(),
        Reason::Failed { error, .. } => error.clone(),
        Reason::Adopted { from } => format!("adopted from {from}, not executed here"),
        Reason::Told { text } => text.clone(),
    }
}

/// Why a stage was not left alone in a run that is over.
pub fn past(reason: &Reason) -> String {
    match reason {
        Reason::NeverRun => "no run had it before".into(),
        Reason::Forced => "it was forced".into(),
        Reason::NoResult => "its execution before gave no result".into(),
        Reason::ResultGone => "its result was no longer in the cache".into(),
        Reason::OutputGone { output } => format!("output `{output}` was no longer in the cache"),
        Reason::NotInPlace { paths } => format!("not in place before: {}", listed(paths)),
        Reason::GoesOn { unit, step, last: false } => format!("it went on from {unit} {step}"),
        Reason::GoesOn { unit, step, last: true } => format!("{unit} {step} was in the cache already"),
        Reason::StartsOver { why } => format!("it started over: {why}"),
        Reason::Needs { stage } => format!("it needs {stage}"),
        Reason::AnotherFailed => "another stage failed before".into(),
        Reason::Interrupted => "the run was interrupted".into(),
        other => words(other),
    }
}

/// The first few on one line, and how many more there are.
pub fn brief(reasons: &[Reason]) -> String {
    const SHOWN: usize = 3;
    let mut all: Vec<String> = reasons.iter().map(words).collect();
    if all.len() > SHOWN {
        let hidden = reasons[SHOWN - 1..].iter().map(|reason| match reason {
            Reason::MoreChanges { count } => *count,
            _ => 1,
        });
        let more = format!("and {} more", hidden.sum::<usize>());
        all.truncate(SHOWN - 1);
        all.push(more);
    }
    all.join("; ")
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn differing(outputs: &[Differing]) -> String {
    let line = |differing: &Differing| {
        let kept = differing.kept.map_or_else(|| "nothing".into(), |digest| digest.to_string());
        format!("output `{}` was {kept} and is now {}", differing.output, differing.found)
    };
    outputs.iter().map(line).collect::<Vec<_>>().join("; ")
}
