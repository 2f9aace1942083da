//! `kiln graph`.

use std::collections::BTreeSet;

use super::args::{Graph, Place};
use super::{Stop, project, render};

pub(crate) fn graph(place: &Place, args: &Graph) -> Result<u8, Stop> {
    let pipeline = project::load(&place.file, &args.select)?;
    let name = |id: kiln::pipeline::StageId| pipeline.stages[id.0].name.clone();
    let nodes = pipeline.graph.node_indices().map(|node| {
        let producers: BTreeSet<_> = pipeline.graph.neighbors_directed(node, petgraph::Direction::Incoming).collect();
        (name(pipeline.graph[node]), producers.into_iter().map(|p| name(pipeline.graph[p])).collect::<Vec<_>>())
    });
    render::graph(&nodes.collect::<Vec<_>>(), args.format);
    Ok(0)
}
