//! The gradient of a convolution's weights: sums of outer products of windows and output gradients.

use pulp::Simd;

use super::frame::{Frame, Place};
use super::tile::{self, Grid, add, outer, split_for, with_tile};
use crate::ops::window::Window;

/// Output positions over which a tile stays in registers, about: enough to pay for adding it to memory, few enough
/// for the rows of both operands to stay in the first-level cache.
const POSITIONS: usize = 56;

/// Channels of either operand that are combined before others are touched, for the same reason.
const CHANNELS: usize = 64;

/// The weight gradient of a convolution of framed images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighing {
    pub(super) images: Frame,
    pub(super) gradients: Frame,
    /// Where in its frame the output's gradient lies.
    pub(super) place: Place,
    pub(super) window: Window,
    pub(super) outputs: usize,
}

impl Weighing {
    /// Adds one image's share to the gradient `to` `[window rows, window columns, channels, outputs]`. `gradient` goes on
    /// for the width of a tile after the image's frame.
    #[inline(always)]
    pub(super) fn run<S: Simd>(&self, simd: S, image: &[f32], gradient: &[f32], to: &mut [f32]) {
        let Self { images, gradients, place, window, outputs } = *self;
        let Window { rows, columns } = window;
        let channels = images.channels;
        assert_eq!(to.len(), rows.window * columns.window * channels * outputs, "the gradient's size");
        assert!(image.len() >= images.image(), "an image");
        assert!(gradient.len() >= gradients.image() + tile::columns::<S>(), "a gradient and the width of a tile");
        assert!(rows.span() <= images.height && columns.span() <= images.width, "windows inside the frame");
        let block = (POSITIONS / columns.output).clamp(1, rows.output);
        for first in (0..rows.output).step_by(block) {
            let a = &image[first * rows.stride * images.row()..];
            let b = (place.top + first * place.stride.0) * gradients.row() + place.left * gradients.channels;
            let grid = Grid {
                rows: block.min(rows.output - first),
                columns: columns.output,
                a: (rows.stride * images.row(), columns.stride * channels),
                b: (place.stride.0 * gradients.row(), place.stride.1 * gradients.channels),
            };
            self.block(simd, a, &gradient[b..], grid, to);
        }
    }

    /// A block of rows: all weights, some channels and some outputs at a time.
    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, a: &[f32], b: &[f32], grid: Grid, to: &mut [f32]) {
        let (channels, outputs) = (self.images.channels, self.outputs);
        let taps = self.window.columns.window;
        // Runs of a window's row: whole if there are few channels, else a part of one pixel's.
        let (run, steps) = if channels <= CHANNELS { (taps * channels, 1) } else { (CHANNELS, taps) };
        for channel in (0..channels).step_by(CHANNELS) {
            let len = if channels <= CHANNELS { run } else { run.min(channels - channel) };
            for output in (0..outputs).step_by(CHANNELS) {
                let last = (output + CHANNELS).min(outputs);
                for row in 0..self.window.rows.window {
                    for step in 0..steps {
                        let offset = step * channels + channel;
                        let weight = (row * taps * channels + offset) * outputs;
                        let a = &a[row * self.images.row() + offset..];
                        panel(simd, a, b, grid, len, output..last, &mut to[weight..], outputs);
                    }
                }
            }
        }
    }
}

/// `len` consecutive weights, for the outputs in `range`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "an inner loop, inlined")]
fn panel<S: Simd>(
    simd: S,
    a: &[f32],
    b: &[f32],
    grid: Grid,
    len: usize,
    range: std::ops::Range<usize>,
    to: &mut [f32],
    outputs: usize,
) {
    let width = tile::columns::<S>();
    let reach = |(row, column): (usize, usize)| (grid.rows - 1) * row + (grid.columns - 1) * column;
    assert!(reach(grid.a) + len <= a.len(), "the images' side");
    assert!(reach(grid.b) + range.end.next_multiple_of(width) <= b.len(), "the gradients' side");
    assert!((len - 1) * outputs + range.end <= to.len(), "the sums");
    for output in range.clone().step_by(width) {
        let kept = width.min(range.end - output);
        let vectors = tile::vectors::<S>(kept);
        for (start, rows) in split_for(vectors, len) {
            with_tile!(rows, vectors, (M, V) => {
                // SAFETY: the furthest position's operands and the last row's sums were found to be inside.
                unsafe {
                    let sums = outer::<S, M, V>(simd, a.as_ptr().add(start), b.as_ptr().add(output), grid);
                    add::<S, M, V>(simd, sums, to.as_mut_ptr().add(start * outputs + output), outputs, kept);
                }
            });
        }
    }
}
