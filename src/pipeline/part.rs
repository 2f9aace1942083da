//! Part of a kept pipeline: the stages that some changes can reach, with those whose outputs they take, and no others.

use std::collections::BTreeSet;

use super::stage::{Pipeline, StageId};
use super::wire::{self, KeptPipeline};
use crate::kind::Catalog;

/// Part of a pipeline, and a pipeline itself, but for what the producers at its edge take.
pub(crate) struct Part {
    /// The stages that changes can reach, and those whose outputs they take; in topological order.
    pub(crate) pipeline: Pipeline,
    /// The stages that changes can reach.
    pub(crate) reached: BTreeSet<StageId>,
    /// By stage: its position in the whole pipeline.
    pub(crate) positions: Vec<usize>,
}

impl Part {
    /// The part that changes of some stages can reach, put into a pipeline that has no stages yet. `None` if more than `most`
    /// stages are reached, or what is kept makes no sense.
    pub(super) fn of(
        kept: &KeptPipeline<'_>,
        empty: Pipeline,
        changed: &[usize],
        most: usize,
        catalog: &Catalog,
    ) -> Option<Self> {
        let count = kept.stages.len();
        let mut reached = vec![false; count];
        for &stage in changed {
            *reached.get_mut(stage)? = true;
        }
        // Ordered by producer, so that what reaches a stage is known before it is gone on from.
        let mut edges = kept.edges.clone();
        edges.sort_unstable();
        for &(producer, consumer) in &edges {
            reached[consumer] |= reached[producer];
        }
        edges.retain(|(_, consumer)| reached[*consumer]);
        if reached.iter().filter(|reached| **reached).count() > most {
            return None;
        }
        let mut number = vec![None; count];
        let mut positions: Vec<usize> = (0..count).filter(|stage| reached[*stage]).collect();
        positions.extend(edges.iter().map(|(producer, _)| *producer));
        positions.sort_unstable();
        positions.dedup();
        for (id, &position) in positions.iter().enumerate() {
            number[position] = Some(StageId(id));
        }
        let mut stages = Vec::with_capacity(positions.len());
        for &position in &positions {
            // What a producer at the edge takes is not asked for, and need not be here.
            let numbered = |producer: usize| {
                let known = *number.get(producer)?;
                if reached[position] { known } else { Some(StageId(0)) }
            };
            let mut stage = wire::stage(kept.stages[position], &numbered, catalog)?;
            if !reached[position] {
                stage.inputs.clear();
            }
            stages.push(stage);
        }
        let edges = edges.iter().filter_map(|(producer, consumer)| Some((number[*producer]?.0, number[*consumer]?.0)));
        let edges: Vec<(usize, usize)> = edges.collect();
        let graph = wire::graph(positions.len(), edges.into_iter());
        let ids = positions.iter().enumerate().filter(|(_, position)| reached[**position]);
        let reached = ids.map(|(id, _)| StageId(id)).collect();
        Some(Self { pipeline: Pipeline { stages, graph, ..empty }, reached, positions })
    }
}
