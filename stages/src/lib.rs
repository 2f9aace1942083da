//! The built-in stage kinds of Kiln: plain functions over files and typed parameters.
//!
//! Nothing here knows the engine, reads a clock or the environment, or draws unseeded randomness. `kind.rs` says what
//! a stage kind is; `artifact/` the files that pass between them; the rest is one module a concern, in the order of a
//! study: `data/` (fetch, import, describe, normalise, split), `ops/`, `model/`, `train/`, `evaluate`, `embed` and `onnx`
//! (networks), `analysis/` (clusters, projections), `visualise/` (figures). `fit` knows
//! before anything runs which parameters of a stage do not fit the stages before it.

pub mod analysis;
pub mod artifact;
pub mod data;
pub mod embed;
pub mod evaluate;
pub mod fingerprint;
pub mod fit;
pub mod kind;
pub mod model;
pub mod onnx;
pub mod ops;
pub mod rng;
pub mod train;
pub mod visualise;

/// Every built-in kind.
pub fn kinds() -> impl Iterator<Item = &'static kind::Kind> {
    let all =
        [data::KINDS, train::KINDS, evaluate::KINDS, embed::KINDS, onnx::KINDS, analysis::KINDS, visualise::KINDS];
    all.into_iter().flatten().copied()
}
