//! Between images and planes: the tiles of images at the points, and outputs back from the points.

use std::ops::Range;

use pulp::Simd;

use super::room;
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

/// Images `[images, rows, columns, channels]` that tiles are taken from. Around them there are zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Images<'a> {
    pub(super) pixels: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) channels: usize,
}

impl<'a> Images<'a> {
    /// How many there are.
    fn count(&self) -> usize {
        self.pixels.len() / self.len()
    }

    /// Elements of an image.
    fn len(&self) -> usize {
        self.rows * self.columns * self.channels
    }

    /// The image of a number.
    fn image(&self, number: usize) -> &'a [f32] {
        &self.pixels[number * self.len()..][..self.len()]
    }

    /// Where the N x N pixels of an image from (`row`, `column`) on are, which are counted from `before` rows and columns before its
    /// first pixel. `rows` and `columns` of them lie inside; the others are `zeros`.
    #[inline(always)]
    fn find<const N: usize>(
        &self,
        image: &[f32],
        (row, column): (usize, usize),
        before: (usize, usize),
        (rows, columns): (Range<usize>, Range<usize>),
        zeros: &[f32],
    ) -> [[*const f32; N]; N] {
        assert!(zeros.len() >= self.channels, "zeros");
        let mut pixels = [[zeros.as_ptr(); N]; N];
        let width = columns.len() * self.channels;
        for (i, found) in pixels.iter_mut().enumerate() {
            if rows.contains(&i) && width > 0 {
                let first = (row + i - before.0) * self.columns + column + columns.start - before.1;
                let line = image[first * self.channels..][..width].chunks_exact(self.channels);
                found[columns.clone()].iter_mut().zip(line).for_each(|(found, pixel)| *found = pixel.as_ptr());
            }
        }
        pixels
    }
}

/// Which of the `n` positions from `first` on lie inside, where position `before` is the first of `len` that do.
fn inside(first: usize, before: usize, len: usize, n: usize) -> Range<usize> {
    let end = (before + len).saturating_sub(first).min(n);
    before.saturating_sub(first).min(end)..end
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

    /// Every tile of so many images: its number, the image, and its row and column in outputs.
    fn each(self, images: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        (0..images * self.tiles()).map(move |t| {
            let (image, place) = (t / self.tiles(), t % self.tiles());
            (t, image, place / self.columns * STEP, place % self.columns * STEP)
        })
    }

    /// Brings the N x N pixels of every tile to the points. The first tile of an image begins `before` its first pixel, by so many
    /// rows and columns. Pixels of a tile that lie beyond its image are read from `zeros`, where a pixel is put.
    #[inline(always)]
    pub(super) fn gather<S: Simd, const N: usize>(
        &self,
        simd: S,
        (images, before): (Images, (usize, usize)),
        map: impl Fn([S::f32s; N]) -> [S::f32s; TILE] + Copy,
        zeros: &mut Vec<f32>,
        to: &mut [f32],
    ) {
        let Images { rows, columns, channels, .. } = images;
        let planes = Planes { tiles: images.count() * self.tiles(), channels };
        let stride = planes.stride();
        assert!(to.len() >= planes.len(), "planes");
        assert_eq!(channels % S::F32_LANES, 0, "whole vectors of channels");
        let zeros = &*room(zeros, channels);
        for (t, image, row, column) in self.each(images.count()) {
            let image = images.image(image);
            let to = &mut to[t * channels..];
            let lies = (inside(row, before.0, rows, N), inside(column, before.1, columns, N));
            if lies == (0..N, 0..N) {
                let line = columns * channels;
                let tile = &image[((row - before.0) * columns + column - before.1) * channels..];
                assert!(tile.len() >= (N - 1) * line + N * channels, "a tile");
                let tile = tile.as_ptr();
                // SAFETY: the tile was found to hold N lines of N pixels, the planes to have room for it, and the channels to be
                // whole vectors.
                unsafe {
                    bring(
                        simd,
                        #[inline(always)]
                        |i, j| tile.add(i * line + j * channels),
                        map,
                        (channels, stride),
                        to,
                    );
                }
            } else {
                let pixels = images.find::<N>(image, (row, column), before, lies, zeros);
                // SAFETY: each pixel was found to be there, the planes to have room for the tile, and the channels to be whole
                // vectors.
                unsafe {
                    bring(
                        simd,
                        #[inline(always)]
                        |i, j| pixels[i][j],
                        map,
                        (channels, stride),
                        to,
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

/// Brings the pixels of a tile to the points: `channels` of them from where `pixel` says, to planes that lie `stride` apart.
///
/// # Safety
/// So many elements must be there to read at each pixel, and to write in each plane; channels must be whole vectors.
#[inline(always)]
unsafe fn bring<S: Simd, const N: usize>(
    simd: S,
    pixel: impl Fn(usize, usize) -> *const f32,
    map: impl Fn([S::f32s; N]) -> [S::f32s; TILE] + Copy,
    (channels, stride): (usize, usize),
    to: &mut [f32],
) {
    for channel in (0..channels).step_by(S::F32_LANES) {
        // SAFETY: see above.
        unsafe {
            let to = to.as_mut_ptr().add(channel);
            both(
                simd.splat_f32s(0.0),
                #[inline(always)]
                |i, j| pixel(i, j).add(channel).cast::<S::f32s>().read_unaligned(),
                map,
                #[inline(always)]
                |i, j, value| to.add((i * TILE + j) * stride).cast::<S::f32s>().write_unaligned(value),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pixel of a padded image, read one by one.
    fn pixel(images: Images, image: usize, row: isize, column: isize, channel: usize) -> f32 {
        let outside = |at: isize, len: usize| at < 0 || at >= len as isize;
        if outside(row, images.rows) || outside(column, images.columns) {
            return 0.0;
        }
        let at = (image * images.rows + row as usize) * images.columns + column as usize;
        images.pixels[at * images.channels + channel]
    }

    fn tiles_are_those_of_a_padded_image<const N: usize>(before: usize, lost: usize) {
        let (count, channels) = (2, 3);
        for (rows, columns) in (1..15).flat_map(|rows| (1..15).map(move |columns| (rows, columns))) {
            let outputs = |side: usize| (side + 2 * before).saturating_sub(lost);
            let tiling = Tiling::new(outputs(rows), outputs(columns));
            let pixels: Vec<f32> = (1..=count * rows * columns * channels).map(|i| i as f32).collect();
            let images = Images { pixels: &pixels, rows, columns, channels };
            let planes = Planes { tiles: count * tiling.tiles(), channels };
            let mut to = vec![f32::NAN; planes.len()];
            let mut zeros = Vec::new();
            let points = |values: [f32; N]| std::array::from_fn(|i| if i < N { values[i] } else { 0.0 });
            tiling.gather(pulp::Scalar, (images, (before, before)), points, &mut zeros, &mut to);
            for (t, image, row, column) in tiling.each(count) {
                for (i, j, channel) in (0..N * N * channels).map(|k| (k / channels / N, k / channels % N, k % channels))
                {
                    let at = |from: usize, step: usize| (from + step) as isize - before as isize;
                    let expected = pixel(images, image, at(row, i), at(column, j), channel);
                    let found = to[(i * TILE + j) * planes.stride() + t * channels + channel];
                    assert_eq!(found, expected, "{rows} x {columns}, tile {t}, pixel {i} {j}, channel {channel}");
                }
            }
        }
    }

    #[test]
    fn tiles_of_inputs_have_zeros_around_the_image() {
        for before in 0..3 {
            tiles_are_those_of_a_padded_image::<6>(before, 2);
        }
        tiles_are_those_of_a_padded_image::<4>(0, 0);
    }
}
