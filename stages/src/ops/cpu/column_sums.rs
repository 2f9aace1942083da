//! Sums over the rows of matrices `[rows, channels]`, channel by channel.

use std::array;

use pulp::Simd;

use crate::ops::simd::load;

/// Rows summed in f32 before the sum goes into f64: precise, and still vectorised.
const ROWS: usize = 64;

/// `K` sums of each channel, to which rows are added. They have the same bits however many rows are added at a time.
pub(super) struct ColumnSums<const K: usize> {
    channels: usize,
    totals: [Vec<f64>; K],
    /// The sums over the rows of the last block, which is not whole yet.
    block: [Vec<f32>; K],
    /// How many rows those are.
    rows: usize,
}

impl<const K: usize> ColumnSums<K> {
    pub(super) fn new(channels: usize) -> Self {
        let totals = array::from_fn(|_| vec![0.0; channels]);
        Self { channels, totals, block: array::from_fn(|_| vec![0.0; channels]), rows: 0 }
    }

    /// Adds the terms of each element of some rows of `A` matrices and the `P` parameters of its channel.
    #[inline(always)]
    pub(super) fn add<S: Simd, const A: usize, const P: usize>(
        &mut self,
        simd: S,
        (matrices, parameters): ([&[f32]; A], [&[f32]; P]),
        term: impl Fn([S::f32s; A], [S::f32s; P]) -> [S::f32s; K] + Copy,
    ) {
        let (channels, elements) = (self.channels, matrices[0].len());
        assert!(
            matrices.iter().all(|matrix| matrix.len() == elements) && elements.is_multiple_of(channels),
            "matrices"
        );
        assert!(parameters.iter().all(|values| values.len() == channels), "a parameter for each channel");
        let mut first = 0;
        while first < elements {
            let last = (first + (ROWS - self.rows) * channels).min(elements);
            let rows = Rows { matrices: matrices.map(|matrix| &matrix[first..last]), parameters, channels };
            let mut channel = 0;
            while channel + 4 * S::F32_LANES <= channels {
                rows.add::<S, K, 4>(simd, channel, 4 * S::F32_LANES, term, &mut self.block);
                channel += 4 * S::F32_LANES;
            }
            while channel + 2 * S::F32_LANES <= channels {
                rows.add::<S, K, 2>(simd, channel, 2 * S::F32_LANES, term, &mut self.block);
                channel += 2 * S::F32_LANES;
            }
            while channel < channels {
                rows.add::<S, K, 1>(simd, channel, S::F32_LANES.min(channels - channel), term, &mut self.block);
                channel += S::F32_LANES;
            }
            self.rows += (last - first) / channels;
            if self.rows == ROWS {
                self.end_block();
            }
            first = last;
        }
    }

    /// The sums over all rows that were added.
    pub(super) fn totals(mut self) -> [Vec<f64>; K] {
        self.end_block();
        self.totals
    }

    fn end_block(&mut self) {
        self.rows = 0;
        for (totals, sums) in self.totals.iter_mut().zip(&mut self.block) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += f64::from(*sum);
                *sum = 0.0;
            }
        }
    }
}

impl ColumnSums<1> {
    /// Adds the elements of some rows.
    #[inline(always)]
    pub(super) fn add_elements<S: Simd>(&mut self, simd: S, rows: &[f32]) {
        self.add(
            simd,
            ([rows], []),
            #[inline(always)]
            |x, []| x,
        );
    }
}

/// Rows of one block.
struct Rows<'a, const A: usize, const P: usize> {
    matrices: [&'a [f32]; A],
    parameters: [&'a [f32]; P],
    channels: usize,
}

impl<const A: usize, const P: usize> Rows<'_, A, P> {
    /// Adds the terms of `kept` channels from `channel` on, which `V` vectors hold: they stay in registers over all rows.
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
        to: &mut [Vec<f32>; K],
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
        for k in 0..K {
            sums[k] = read(simd, &to[k][channel..channel + kept]);
        }
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
        for (sums, to) in sums.iter().zip(to) {
            // SAFETY: vectors are made of f32.
            let sums = unsafe { std::slice::from_raw_parts(sums.as_ptr().cast::<f32>(), V * S::F32_LANES) };
            to[channel..channel + kept].copy_from_slice(&sums[..kept]);
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
        *vector = load(simd, from);
    }
    vectors
}
