//! Windows slid over framed images: every output position's sum.

use std::array;

use pulp::Simd;

use super::frame::Frame;
use super::tile::{self, Runs, multiply, split_for, store, store_sum, with_tile};

/// A convolution of framed images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sliding {
    pub(super) frame: Frame,
    /// Rows and columns of the window.
    pub(super) window: (usize, usize),
    /// Rows and columns of the output.
    pub(super) output: (usize, usize),
    pub(super) stride: (usize, usize),
    pub(super) outputs: usize,
    pub(super) relu: bool,
}

impl Sliding {
    /// Where in `images` frames each output position's window starts.
    pub(super) fn starts(&self, images: usize, to: &mut Vec<usize>) {
        let Self { frame, output, stride, .. } = *self;
        to.clear();
        for image in 0..images {
            for i in 0..output.0 {
                let row = image * frame.image() + i * stride.0 * frame.row();
                to.extend((0..output.1).map(|j| row + j * stride.1 * frame.channels));
            }
        }
    }

    /// Writes `[starts.len(), outputs]`: the window's sum at each start, plus the bias, through the ReLU if there is one; then what is to be
    /// added, if it is not empty.
    ///
    /// # Safety
    /// `to` must be writable for `starts.len() * outputs` elements.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(
        &self,
        simd: S,
        x: &[f32],
        starts: &[usize],
        (panels, biases): (&[f32], &[f32]),
        addend: &[f32],
        to: *mut f32,
    ) {
        let width = tile::columns::<S>();
        let runs = Runs { runs: self.window.0, len: self.window.1 * self.frame.channels, stride: self.frame.row() };
        let depth = runs.runs * runs.len;
        let panel_count = self.outputs.div_ceil(width);
        assert_eq!((panels.len(), biases.len()), (panel_count * depth * width, panel_count * width), "panels");
        // Starts ascend, so the last window reaches furthest.
        let reach = starts.last().map_or(0, |last| last + (runs.runs - 1) * runs.stride + runs.len);
        assert!(reach <= x.len(), "the last window reaches {reach} of {}", x.len());
        assert!(addend.is_empty() || addend.len() == starts.len() * self.outputs, "what is added");
        for panel in 0..panel_count {
            let first = panel * width;
            let kept = width.min(self.outputs - first);
            let weights = &panels[panel * depth * width..][..depth * width];
            let bias = simd_pair(simd, &biases[first..first + width]);
            let vectors = tile::vectors::<S>(kept);
            for (start, rows) in split_for(vectors, starts.len()) {
                with_tile!(rows, vectors, (M, V) => {
                    // SAFETY: every start is at most the last, whose window was found to lie in `x`; the panel has
                    // `depth` rows; and the caller promises room for all positions' outputs, as many as are added, if any.
                    unsafe {
                        let at: [*const f32; M] = array::from_fn(|i| x.as_ptr().add(starts[start + i]));
                        let mut sums = multiply::<S, M, V>(simd, at, runs, weights.as_ptr(), [array::from_fn(|j| bias[j]); M]);
                        if self.relu {
                            tile::relu::<S, M, V>(simd, &mut sums);
                        }
                        let at = start * self.outputs + first;
                        if addend.is_empty() {
                            store::<S, M, V>(sums, to.add(at), self.outputs, kept);
                        } else {
                            store_sum::<S, M, V>(simd, sums, addend.as_ptr().add(at), to.add(at), self.outputs, kept);
                        }
                    }
                });
            }
        }
    }
}

#[inline(always)]
fn simd_pair<S: Simd>(simd: S, values: &[f32]) -> [S::f32s; 2] {
    [simd.partial_load_f32s(&values[..S::F32_LANES]), simd.partial_load_f32s(&values[S::F32_LANES..])]
}
