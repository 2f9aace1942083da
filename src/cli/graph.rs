//! `kiln graph`.

use std::collections::BTreeSet;

use clap::Args;
use kiln::pipeline::StageId;
use kiln::report::graph as drawing;
use petgraph::Direction;
use serde_json::json;

use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) select: Select,
    /// How to draw it.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
    /// As JSON: every variant, and what it needs.
    #[arg(long, conflicts_with_all = ["format", "whole"])]
    pub(crate) json: bool,
    /// A node for every variant, where they would be folded into one.
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// Lines of text, variants folded together.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// A drawing.
    Svg,
}

pub(crate) fn graph(place: &ProjectArgs, args: &Graph) -> Result<u8, Stop> {
    let pipeline = project::load(place, &place.file, &args.select)?;
    let name = |id: StageId| pipeline.stages[id.0].name.to_string();
    let pairs: Vec<(String, Vec<String>)> = pipeline
        .graph
        .node_indices()
        .map(|node| {
            let producers = pipeline.graph.neighbors_directed(node, Direction::Incoming);
            let producers: BTreeSet<StageId> = producers.map(|p| pipeline.graph[p]).collect();
            (name(pipeline.graph[node]), producers.into_iter().map(name).collect())
        })
        .collect();
    if args.json {
        let stages: Vec<_> = pairs.iter().map(|(name, needs)| json!({ "name": name, "needs": needs })).collect();
        render::json(&json!({ "version": 1, "stages": stages }))?;
        return Ok(0);
    }
    render::data(&match args.format {
        GraphFormat::Text => render::graph::text(&pairs),
        GraphFormat::Dot => render::graph::dot(&pairs, args.whole),
        GraphFormat::Svg => drawing::document(&drawing::Graph::of_stages(&pairs, args.whole)),
        GraphFormat::Mermaid => render::graph::mermaid(&pairs, args.whole),
    })?;
    Ok(0)
}
