//! The DAG as a drawing: variants of a stage folded into one node, nodes in layers, producers above consumers.

mod draw;
mod layout;

use std::collections::{BTreeMap, HashMap};

use super::subject::words;
use crate::record::{Outcome, RunRecord, StageRecord};
use crate::show::names::{base, collapsed};
use crate::show::number::duration;

pub use draw::document;
pub(super) use draw::element;

/// A box to draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub label: String,
    /// All of its name, where the label is short; may be empty.
    pub whole: String,
    /// What else stands in it; may be empty.
    pub detail: String,
    /// What became of it, as a class for the style sheet; may be empty.
    pub class: String,
}

/// Nodes, and edges from producers to consumers by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Producers before consumers.
    pub nodes: Vec<Node>,
    /// From a producer to a consumer.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// The stages of a pipeline: names, producers first, each with what it needs; folded unless `whole`.
    pub fn of_stages(pairs: &[(String, Vec<String>)], whole: bool) -> Self {
        let items = pairs.iter().map(|(name, needs)| (name.as_str(), needs.as_slice()));
        let (members, edges) = fold(items, whole);
        let label = |names: &Vec<usize>| collapsed(&names.iter().map(|&i| pairs[i].0.as_str()).collect::<Vec<_>>());
        let nodes = members.iter().map(|m| Node { label: label(m), ..Node::default() }).collect();
        Self { nodes, edges }
    }

    /// The stages of a run, folded, each with what became of it and how long it took to make its outputs.
    pub(super) fn of_run(run: &RunRecord) -> Self {
        let items = run.stages.iter().map(|stage| (stage.name.as_str(), stage.needs.as_slice()));
        let (members, edges) = fold(items, false);
        let node = |places: &Vec<usize>| {
            let stages: Vec<&StageRecord> = places.iter().map(|&i| &run.stages[i]).collect();
            let whole = collapsed(&stages.iter().map(|s| s.name.as_str()).collect::<Vec<_>>());
            let label = match stages.len() {
                1 => whole.clone(),
                n => format!("{} \u{d7} {n}", stages[0].stage),
            };
            Node { label, whole, detail: detail(&stages), class: class(&stages).to_owned() }
        };
        Self { nodes: members.iter().map(node).collect(), edges }
    }
}

/// The members of each node, by place, and the edges between nodes.
fn fold<'a>(
    items: impl Iterator<Item = (&'a str, &'a [String])>,
    whole: bool,
) -> (Vec<Vec<usize>>, Vec<(usize, usize)>) {
    let items: Vec<(&str, &[String])> = items.collect();
    let node_of = |name: &'a str| if whole { name } else { base(name) };
    let (mut places, mut members): (HashMap<&str, usize>, Vec<Vec<usize>>) = (HashMap::new(), Vec::new());
    for (i, (name, _)) in items.iter().enumerate() {
        let place = *places.entry(node_of(name)).or_insert_with(|| {
            members.push(vec![]);
            members.len() - 1
        });
        members[place].push(i);
    }
    let mut edges: Vec<(usize, usize)> = items
        .iter()
        .flat_map(|(name, needs)| needs.iter().map(move |need| (need.as_str(), *name)))
        .filter_map(|(from, to)| Some((*places.get(node_of(from))?, places[node_of(to)])))
        .filter(|(from, to)| from != to)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    (members, edges)
}

/// `executed · 35.2 s`, `6 up to date, 1 failed`.
fn detail(stages: &[&StageRecord]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    stages.iter().for_each(|stage| *counts.entry(words(stage.outcome)).or_default() += 1);
    let fared = match counts.iter().collect::<Vec<_>>()[..] {
        [(outcome, _)] => (*outcome).to_owned(),
        ref several => several.iter().map(|(outcome, n)| format!("{n} {outcome}")).collect::<Vec<_>>().join(", "),
    };
    let seconds: Vec<f64> = stages.iter().filter_map(|stage| stage.total_seconds()).collect();
    if seconds.is_empty() { fared } else { format!("{fared} · {}", duration(seconds.iter().sum())) }
}

/// The outcome that is most worth seeing.
fn class(stages: &[&StageRecord]) -> &'static str {
    let any = |outcome| stages.iter().any(|stage| stage.outcome == outcome);
    let order = [
        (Outcome::Failed, "failed"),
        (Outcome::Skipped, "skipped"),
        (Outcome::Executed, "executed"),
        (Outcome::Restored, "restored"),
    ];
    order.into_iter().find(|(outcome, _)| any(*outcome)).map_or("up-to-date", |(_, class)| class)
}
