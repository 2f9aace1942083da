//! Between images and planes: the tiles of framed images at the points, and outputs back from the points.

use pulp::Simd;

use super::super::frame::Frame;
use super::transform::{POINTS, STEP, TILE, both, output};

/// A matrix `[tiles, channels]` a point, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes {
    pub(super) tiles: usize,
    pub(super) channels: usize,
}

/// Elements between planes. A power of two from plane to plane would put a tile's points into the same few lines of the
/// cache.
const GAP: usize = 48;

impl Planes {
    /// Elements from a plane to the next.
    pub(super) fn stride(&self) -> usize {
        self.tiles * self.channels + GAP
    }

    /// Elements of all planes.
    pub(super) fn len(&self) -> usize {
        POINTS * self.stride()
    }
}

/// The tiles that cover the outputs of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    rows: usize,
    columns: usize,
}

impl Tiling {
    /// For outputs `[rows, columns]`.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { rows: rows.div_ceil(STEP), columns: columns.div_ceil(STEP) }
    }

    /// Tiles of an image.
    pub(super) fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    /// The frame that the inputs of all tiles fill.
    pub(super) fn frame(&self, channels: usize) -> Frame {
        let size = |tiles: usize| tiles * STEP + TILE - STEP;
        Frame { height: size(self.rows), width: size(self.columns), channels }
    }

    /// Every tile of so many images: its number, the image, and its row and column in outputs.
    fn each(self, images: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        (0..images * self.tiles()).map(move |t| {
            let (image, place) = (t / self.tiles(), t % self.tiles());
            (t, image, place / self.columns * STEP, place % self.columns * STEP)
        })
    }

    /// Brings the N x N pixels of every tile, from (`margin`, `margin`) of its image's frame on, to the points.
    #[inline(always)]
    pub(super) fn gather<S: Simd, const N: usize>(
        &self,
        simd: S,
        (frames, frame, margin): (&[f32], Frame, (usize, usize)),
        images: usize,
        map: impl Fn([S::f32s; N]) -> [S::f32s; TILE] + Copy,
        to: &mut [f32],
    ) {
        let channels = frame.channels;
        let planes = Planes { tiles: images * self.tiles(), channels };
        let stride = planes.stride();
        let reach = |tiles: usize, margin: usize| margin + (tiles - 1) * STEP + N;
        assert!(reach(self.rows, margin.0) <= frame.height && reach(self.columns, margin.1) <= frame.width, "tiles");
        assert!(frames.len() >= images * frame.image() && to.len() >= planes.len(), "frames and planes");
        assert_eq!(channels % S::F32_LANES, 0, "whole vectors of channels");
        for (t, image, row, column) in self.each(images) {
            let first = image * frame.image() + (margin.0 + row) * frame.row() + (margin.1 + column) * channels;
            for channel in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: the tile was found to lie in its frame, the planes to have room for it, and the channels to be
                // whole vectors.
                unsafe {
                    let (from, to) =
                        (frames.as_ptr().add(first + channel), to.as_mut_ptr().add(t * channels + channel));
                    both(
                        simd.splat_f32s(0.0),
                        #[inline(always)]
                        |i, j| from.add(i * frame.row() + j * channels).cast::<S::f32s>().read_unaligned(),
                        map,
                        #[inline(always)]
                        |i, j, value| to.add((i * TILE + j) * stride).cast::<S::f32s>().write_unaligned(value),
                    );
                }
            }
        }
    }

    /// Writes the outputs `[images, rows, columns, channels]` that the planes stand for, plus the biases (none, or one a
    /// channel), through the ReLU if there is one.
    ///
    /// # Safety
    /// `to` must be writable for all of them, and [`Tiling::new`] have been given the same rows and columns.
    #[inline(always)]
    pub(super) unsafe fn scatter<S: Simd>(
        &self,
        simd: S,
        (from, planes): (&[f32], Planes),
        (images, rows, columns): (usize, usize, usize),
        (biases, relu): (&[f32], bool),
        to: *mut f32,
    ) {
        let (channels, stride) = (planes.channels, planes.stride());
        let zero = simd.splat_f32s(0.0);
        assert!(from.len() >= planes.len() && planes.tiles == images * self.tiles(), "planes");
        assert!(channels.is_multiple_of(S::F32_LANES) && (biases.is_empty() || biases.len() == channels), "channels");
        for (t, image, row, column) in self.each(images) {
            let first = ((image * rows + row) * columns + column) * channels;
            let (rows, kept) = (STEP.min(rows - row), STEP.min(columns - column));
            for channel in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: the planes have this tile, and only outputs inside the image are written. Biases, where there are
                // any, are as many as channels, which are whole vectors: so a vector of them begins here.
                unsafe {
                    let from = from.as_ptr().add(t * channels + channel);
                    let to = to.add(first + channel);
                    let bias = match biases.is_empty() {
                        false => biases.as_ptr().add(channel).cast::<S::f32s>().read_unaligned(),
                        true => zero,
                    };
                    both(
                        zero,
                        #[inline(always)]
                        |i, j| from.add((i * TILE + j) * stride).cast::<S::f32s>().read_unaligned(),
                        #[inline(always)]
                        |m| output(simd, m),
                        #[inline(always)]
                        |i, j, value| {
                            let value = simd.add_f32s(value, bias);
                            let value = if relu { simd.max_f32s(value, zero) } else { value };
                            if i < rows && j < kept {
                                to.add((i * columns + j) * channels).cast::<S::f32s>().write_unaligned(value);
                            }
                        },
                    );
                }
            }
        }
    }
}
