//! Sums over the rows of matrices `[rows, channels]`, channel by channel.

use std::array;

use pulp::Simd;

/// Rows summed in f32 before the sum goes into f64: precise, and still vectorised.
const ROWS: usize = 64;

/// The sums over the rows of `K` terms of each element of `A` matrices and the `P` parameters of its channel.
#[inline(always)]
pub(super) fn sums<S: Simd, const A: usize, const P: usize, const K: usize>(
    simd: S,
    (matrices, parameters, channels): ([&[f32]; A], [&[f32]; P], usize),
    term: impl Fn([S::f32s; A], [S::f32s; P]) -> [S::f32s; K] + Copy,
) -> [Vec<f64>; K] {
    let elements = matrices[0].len();
    assert!(matrices.iter().all(|matrix| matrix.len() == elements) && elements.is_multiple_of(channels), "matrices");
    assert!(parameters.iter().all(|values| values.len() == channels), "a parameter for each channel");
    let mut totals = array::from_fn(|_| vec![0.0; channels]);
    for first in (0..elements).step_by(ROWS * channels) {
        let last = (first + ROWS * channels).min(elements);
        let block = Block { matrices: matrices.map(|matrix| &matrix[first..last]), parameters, channels };
        let mut channel = 0;
        while channel + 4 * S::F32_LANES <= channels {
            block.add::<S, K, 4>(simd, channel, 4 * S::F32_LANES, term, &mut totals);
            channel += 4 * S::F32_LANES;
        }
        while channel + 2 * S::F32_LANES <= channels {
            block.add::<S, K, 2>(simd, channel, 2 * S::F32_LANES, term, &mut totals);
            channel += 2 * S::F32_LANES;
        }
        while channel < channels {
            block.add::<S, K, 1>(simd, channel, S::F32_LANES.min(channels - channel), term, &mut totals);
            channel += S::F32_LANES;
        }
    }
    totals
}

/// A block of rows.
struct Block<'a, const A: usize, const P: usize> {
    matrices: [&'a [f32]; A],
    parameters: [&'a [f32]; P],
    channels: usize,
}

impl<const A: usize, const P: usize> Block<'_, A, P> {
    /// Adds the sums of `kept` channels from `channel` on, which `V` vectors hold: they stay in registers over all rows.
    #[inline(always)]
    #[allow(
        clippy::needless_range_loop,
        reason = "what iterators are given may end up outside of what is compiled for these vectors"
    )]
    fn add<S: Simd, const K: usize, const V: usize>(
        &self,
        simd: S,
        channel: usize,
        kept: usize,
        term: impl Fn([S::f32s; A], [S::f32s; P]) -> [S::f32s; K],
        totals: &mut [Vec<f64>; K],
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut parameters = [[zero; P]; V];
        for p in 0..P {
            let vectors: [S::f32s; V] = read(simd, &self.parameters[p][channel..channel + kept]);
            for v in 0..V {
                parameters[v][p] = vectors[v];
            }
        }
        let mut sums = [[zero; V]; K];
        for row in (0..self.matrices[0].len()).step_by(self.channels) {
            let mut elements = [[zero; A]; V];
            for a in 0..A {
                let vectors: [S::f32s; V] = read(simd, &self.matrices[a][row + channel..row + channel + kept]);
                for v in 0..V {
                    elements[v][a] = vectors[v];
                }
            }
            for v in 0..V {
                let terms = term(elements[v], parameters[v]);
                for k in 0..K {
                    sums[k][v] = simd.add_f32s(sums[k][v], terms[k]);
                }
            }
        }
        for (sums, totals) in sums.iter().zip(totals) {
            // SAFETY: vectors are made of f32.
            let sums = unsafe { std::slice::from_raw_parts(sums.as_ptr().cast::<f32>(), V * S::F32_LANES) };
            totals[channel..channel + kept].iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(*sum));
        }
    }
}

/// Vectors of consecutive elements; elements that the last one lacks are 0.
#[inline(always)]
fn read<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [S::f32s; V] {
    if from.len() == V * S::F32_LANES {
        // SAFETY: so many elements are there.
        return unsafe { from.as_ptr().cast::<[S::f32s; V]>().read_unaligned() };
    }
    let mut vectors = [simd.splat_f32s(0.0); V];
    for (vector, from) in vectors.iter_mut().zip(from.chunks(S::F32_LANES)) {
        *vector = simd.partial_load_f32s(from);
    }
    vectors
}
