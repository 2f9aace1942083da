//! Targets of the command line: `train`, `train[model=5]`, `eval*` to stages and all they need.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::algo::has_path_connecting;
use petgraph::graph::NodeIndex;

use crate::diagnostic::Diagnostic;
use crate::stage_name::{fits, matches, parse};

use super::stage::{Pipeline, StageId, StageName};
use super::suggest;

impl Pipeline {
    /// Whether a stage depends on another, however far.
    pub(crate) fn comes_after(&self, stage: StageId, other: StageId) -> bool {
        has_path_connecting(&self.graph, NodeIndex::new(other.0), NodeIndex::new(stage.0), None)
    }
}

/// The stages that targets name, with their ancestors; all stages if there are no targets.
///
/// A target is a stage's name, or a pattern with `*` and `?`; in brackets it may fix axes: `train[model=5]`,
/// `train[model=1*,seed=*]`. An axis that is not fixed may have any value.
///
/// # Errors
/// A diagnostic for each target that names nothing.
pub fn select(pipeline: &Pipeline, targets: &[String]) -> Result<BTreeSet<StageId>, Vec<Diagnostic>> {
    if targets.is_empty() {
        return Ok((0..pipeline.stages.len()).map(StageId).collect());
    }
    let mut chosen = matching(pipeline, targets)?;
    let mut open: Vec<StageId> = chosen.iter().copied().collect();
    while let Some(stage) = open.pop() {
        for producer in pipeline.graph.neighbors_directed(NodeIndex::new(stage.0), Direction::Incoming) {
            if chosen.insert(StageId(producer.index())) {
                open.push(StageId(producer.index()));
            }
        }
    }
    Ok(chosen)
}

/// The stages that targets name, without their ancestors.
///
/// # Errors
/// A diagnostic for each target that names nothing.
pub fn matching(pipeline: &Pipeline, targets: &[String]) -> Result<BTreeSet<StageId>, Vec<Diagnostic>> {
    let names: Vec<&StageName> = pipeline.stages.iter().map(|stage| &stage.name).collect();
    Ok(matching_names(&names, targets)?.into_iter().map(StageId).collect())
}

/// As [`matching`], among any names, such as those of a past run: the places of those that fit.
///
/// # Errors
/// A diagnostic for each target that names nothing.
pub fn matching_names<N: Borrow<StageName>>(
    names: &[N],
    targets: &[String],
) -> Result<BTreeSet<usize>, Vec<Diagnostic>> {
    let mut chosen = BTreeSet::new();
    let mut faults = Vec::new();
    for target in targets {
        match named(names, target) {
            Ok(found) => chosen.extend(found),
            Err(diagnostic) => faults.push(diagnostic),
        }
    }
    if faults.is_empty() { Ok(chosen) } else { Err(faults) }
}

fn named<N: Borrow<StageName>>(names: &[N], target: &str) -> Result<Vec<usize>, Diagnostic> {
    let target = target.trim();
    let (name, coordinates) = parse(target).ok_or_else(|| {
        Diagnostic::error(format!("`{target}` is no target")).hint("write `stage`, `stage[axis=value]` or `eval*`")
    })?;
    let names = || names.iter().map(Borrow::borrow);
    let stages = || names().enumerate().filter(|(_, s)| matches(name, &s.stage));
    let found: Vec<usize> = stages().filter(|(_, s)| fits(&coordinates, s)).map(|(i, _)| i).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let fault = Diagnostic::error(format!("no stage `{target}`"));
    let variants: Vec<String> = stages().map(|(_, s)| s.to_string()).collect();
    Err(match variants.is_empty() {
        true => {
            let names: BTreeSet<&str> = names().map(|s| s.stage.as_str()).collect();
            match suggest::nearest(name, names.iter().copied()) {
                Some(near) => fault.hint(suggest::did_you_mean(name, near)),
                None => fault.hint(format!("the stages: {}", suggest::list(names))),
            }
        }
        false => match suggest::nearest(target, variants.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("its variants: {}", suggest::list(variants.iter().map(String::as_str)))),
        },
    })
}
