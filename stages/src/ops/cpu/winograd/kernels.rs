//! Kernels at the points, and the gradients of kernels back from them.

use pulp::Simd;

use super::super::tile;
use super::LANES;
use super::tiles::Planes;
use super::transform::{POINTS, TILE, both, kernel, weight};

/// Elements of kernels `[3, 3, channels, outputs]` at all points, and from a point to the next.
pub(super) fn packed<S: Simd>(channels: usize, outputs: usize) -> (usize, usize) {
    let width = tile::columns::<S>();
    // The odd lines keep a kernel's points apart in the cache.
    let stride = outputs.div_ceil(width) * channels * width + 48;
    (POINTS * stride, stride)
}

/// Brings kernels `[3, 3, channels, outputs]` to the points, at each cut into panels as products read them.
#[inline(always)]
pub(super) fn pack<S: Simd>(simd: S, w: &[f32], (channels, outputs): (usize, usize), to: &mut Vec<f32>) {
    let width = tile::columns::<S>();
    let (len, stride) = packed::<S>(channels, outputs);
    to.resize(len.max(to.len()), 0.0);
    assert_eq!((w.len(), outputs % S::F32_LANES), (9 * channels * outputs, 0), "kernels");
    // Panel by panel, so that each point is written from its first element to its last.
    for first in (0..outputs).step_by(width) {
        for channel in 0..channels {
            for column in (0..width.min(outputs - first)).step_by(S::F32_LANES) {
                // SAFETY: nine kernels' elements were found in `w`, and the panels made to have room.
                unsafe {
                    let from = w.as_ptr().add(channel * outputs + first + column);
                    let to = to.as_mut_ptr().add(first * channels + channel * width + column);
                    both(
                        simd.splat_f32s(0.0),
                        #[inline(always)]
                        |i, j| from.add((i * 3 + j) * channels * outputs).cast::<S::f32s>().read_unaligned(),
                        #[inline(always)]
                        |g| kernel(simd, g),
                        #[inline(always)]
                        |i, j, value| to.add((i * TILE + j) * stride).cast::<S::f32s>().write_unaligned(value),
                    );
                }
            }
        }
    }
}

/// The kernels turned by half a turn, with inputs and outputs exchanged: `[3, 3, outputs, channels]`. Blocks of 16 by 16 are transposed at a time.
#[inline(always)]
pub(super) fn flip(w: &[f32], (channels, outputs): (usize, usize), to: &mut Vec<f32>) {
    to.resize(w.len().max(to.len()), 0.0);
    assert_eq!((channels % LANES, outputs % LANES), (0, 0), "whole blocks");
    let size = channels * outputs;
    let mut block = [[0.0; LANES]; LANES];
    for (from, to) in w.chunks_exact(size).zip(to[..w.len()].chunks_exact_mut(size).rev()) {
        for channel in (0..channels).step_by(LANES) {
            for output in (0..outputs).step_by(LANES) {
                for (i, row) in block.iter_mut().enumerate() {
                    row.copy_from_slice(&from[(channel + i) * outputs + output..][..LANES]);
                }
                for j in 0..LANES {
                    let to = &mut to[(output + j) * channels + channel..][..LANES];
                    for i in 0..LANES {
                        to[i] = block[i][j];
                    }
                }
            }
        }
    }
}

/// Adds to the kernels' gradient `[3, 3, channels, outputs]` what its planes (a row a channel) stand for.
#[inline(always)]
pub(super) fn unpack<S: Simd>(simd: S, from: &[f32], planes: Planes, to: &mut [f32]) {
    let (channels, outputs, stride) = (planes.tiles, planes.channels, planes.stride());
    assert!(from.len() >= planes.len() && to.len() == 9 * channels * outputs, "gradients");
    assert_eq!(outputs % S::F32_LANES, 0, "whole vectors of outputs");
    for channel in 0..channels {
        for output in (0..outputs).step_by(S::F32_LANES) {
            let place = channel * outputs + output;
            // SAFETY: the planes and the gradient were found to have these elements.
            unsafe {
                let (from, to) = (from.as_ptr().add(place), to.as_mut_ptr().add(place));
                both(
                    simd.splat_f32s(0.0),
                    #[inline(always)]
                    |i, j| from.add((i * TILE + j) * stride).cast::<S::f32s>().read_unaligned(),
                    #[inline(always)]
                    |u| weight(simd, u),
                    #[inline(always)]
                    |i, j, value| {
                        let to = to.add((i * 3 + j) * channels * outputs).cast::<S::f32s>();
                        to.write_unaligned(simd.add_f32s(to.read_unaligned(), value));
                    },
                );
            }
        }
    }
}
