//! The products at the points: 36 small matrix products, of tiles with kernels and of tiles with gradients.

use std::array;

use pulp::Simd;

use super::super::tile::{self, Grid, Runs, add, multiply, outer, split_for, store, with_tile};
use super::kernels::packed;
use super::tiles::Planes;
use super::transform::POINTS;

/// `to[point] = tiles[point] * kernels[point]`: `[tiles, channels]` times `[channels, outputs]`.
#[inline(always)]
pub(super) fn with_kernels<S: Simd>(
    simd: S,
    (tiles, shape): (&[f32], Planes),
    kernels: &[f32],
    outputs: usize,
    to: &mut [f32],
) {
    let width = tile::columns::<S>();
    let channels = shape.channels;
    let result = Planes { tiles: shape.tiles, channels: outputs };
    let (len, stride) = packed::<S>(channels, outputs);
    assert!(tiles.len() >= shape.len() && kernels.len() >= len && to.len() >= result.len(), "planes");
    let runs = Runs { runs: 1, len: channels, stride: 0 };
    let zero = simd.splat_f32s(0.0);
    for point in 0..POINTS {
        let tiles = &tiles[point * shape.stride()..][..shape.stride()];
        let to = &mut to[point * result.stride()..][..result.stride()];
        for first in (0..outputs).step_by(width) {
            let panel = &kernels[point * stride + first * channels..][..channels * width];
            let kept = width.min(outputs - first);
            let vectors = tile::vectors::<S>(kept);
            for (start, rows) in split_for(vectors, shape.tiles) {
                with_tile!(rows, vectors, (M, V) => {
                    // SAFETY: the planes have these tiles, the panel has `channels` rows.
                    unsafe {
                        let at: [*const f32; M] = array::from_fn(|i| tiles.as_ptr().add((start + i) * channels));
                        let sums = multiply::<S, M, V>(simd, at, runs, panel.as_ptr(), [[zero; V]; M]);
                        store::<S, M, V>(sums, to.as_mut_ptr().add(start * outputs + first), outputs, kept);
                    }
                });
            }
        }
    }
}

/// `to[point] = transpose(tiles[point]) * gradients[point]`: `[channels, outputs]` from `[tiles, channels]` and `[tiles, outputs]`;
/// added to what is there if `more`.
#[inline(always)]
pub(super) fn with_gradients<S: Simd>(
    simd: S,
    (tiles, shape): (&[f32], Planes),
    (gradients, results): (&[f32], Planes),
    more: bool,
    to: &mut [f32],
) {
    let width = tile::columns::<S>();
    let (channels, outputs) = (shape.channels, results.channels);
    let weights = Planes { tiles: channels, channels: outputs };
    assert_eq!(shape.tiles, results.tiles, "tiles");
    assert!(tiles.len() >= shape.len() && gradients.len() >= results.len() && to.len() >= weights.len(), "planes");
    assert!(outputs.is_multiple_of(S::F32_LANES), "whole vectors of outputs");
    let grid = Grid { rows: 1, columns: shape.tiles, a: (0, channels), b: (0, outputs) };
    for point in 0..POINTS {
        let tiles = &tiles[point * shape.stride()..][..shape.stride()];
        let gradients = &gradients[point * results.stride()..][..results.stride()];
        let to = &mut to[point * weights.stride()..][..weights.stride()];
        for output in (0..outputs).step_by(width) {
            let kept = width.min(outputs - output);
            let vectors = tile::vectors::<S>(kept);
            for (start, rows) in split_for(vectors, channels) {
                with_tile!(rows, vectors, (M, V) => {
                    // SAFETY: the planes have all tiles, of whole vectors of outputs.
                    unsafe {
                        let (a, b) = (tiles.as_ptr().add(start), gradients.as_ptr().add(output));
                        let sums = outer::<S, M, V>(simd, a, b, grid);
                        let to = to.as_mut_ptr().add(start * outputs + output);
                        if more {
                            add::<S, M, V>(simd, sums, to, outputs, kept);
                        } else {
                            store::<S, M, V>(sums, to, outputs, kept);
                        }
                    }
                });
            }
        }
    }
}
