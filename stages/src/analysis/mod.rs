//! Analysis of embeddings: clusters, projections to the plane, and the scores that say how good they are.
//!
//! `embeddings.rs` reads what the `embed` kind wrote, `points.rs` and `nearest.rs` find neighbours by blocked matrix
//! products, `cluster/`, `subclusters.rs` and `project/` hold the kinds, `score/` the figures in their metrics. Every result is a
//! function of the input and the parameters: it is bit-identical for any number of threads, because each value is
//! computed by one thread and sums over values are taken in a fixed order.

pub mod cluster;
pub mod embeddings;
pub mod nearest;
pub mod points;
pub mod project;
pub mod score;
pub mod subclusters;
mod tagged;

use anyhow::Context as _;

use crate::kind::Kind;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&cluster::KIND, &subclusters::KIND, &project::KIND];

/// Runs `work` on a pool of the threads that a stage was given.
fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .with_context(|| format!("cannot start {threads} threads"))?;
    pool.install(work)
}
