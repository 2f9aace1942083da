//! Between images and planes: the tiles of images at the points, and outputs back from the points.

use std::ops::Range;

use pulp::Simd;

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
    /// rows and columns. Pixels of a tile that lie beyond its image are 0.
    #[inline(always)]
    pub(super) fn gather<S: Simd, const N: usize>(
        &self,
        simd: S,
        (images, before): (Images, (usize, usize)),
        map: impl Fn([S::f32s; N]) -> [S::f32s; TILE] + Copy,
        to: &mut [f32],
    ) {
        let Images { rows, columns, channels, .. } = images;
        let planes = Planes { tiles: images.count() * self.tiles(), channels };
        let stride = planes.stride();
        assert!(to.len() >= planes.len(), "planes");
        assert_eq!(channels % S::F32_LANES, 0, "whole vectors of channels");
        let zero = simd.splat_f32s(0.0);
        for (t, image, row, column) in self.each(images.count()) {
            let (i_inside, j_inside) = (inside(row, before.0, rows, N), inside(column, before.1, columns, N));
            // Where the tile begins, which may be before the image does.
            let (row, column) = (row.wrapping_sub(before.0), column.wrapping_sub(before.1));
            let first = row.wrapping_mul(columns).wrapping_add(column).wrapping_mul(channels);
            let tile = images.image(image).as_ptr().wrapping_add(first);
            let to = &mut to[t * channels..];
            let is_whole = (&i_inside, &j_inside) == (&(0..N), &(0..N));
            // SAFETY: pixels inside the image are there, the planes were found to have room for the tile, and the channels to be whole
            // vectors.
            unsafe {
                if is_whole {
                    bring(
                        simd,
                        #[inline(always)]
                        |i, j, channel| vector::<S>(tile.wrapping_add((i * columns + j) * channels + channel)),
                        map,
                        (channels, stride),
                        to,
                    );
                } else {
                    bring(
                        simd,
                        #[inline(always)]
                        |i, j, channel| match i_inside.contains(&i) && j_inside.contains(&j) {
                            true => vector::<S>(tile.wrapping_add((i * columns + j) * channels + channel)),
                            false => zero,
                        },
                        map,
                        (channels, stride),
                        to,
                    );
                }
            }
        }
    }

    /// Writes the outputs `[images, rows, columns, channels]` that the planes stand for, plus the biases (none, or one a
    /// channel), through the ReLU if there is one; then what is to be added, if it is not empty.
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
        addend: &[f32],
        to: *mut f32,
    ) {
        let (channels, stride) = (planes.channels, planes.stride());
        let zero = simd.splat_f32s(0.0);
        assert!(from.len() >= planes.len() && planes.tiles == images * self.tiles(), "planes");
        assert!(channels.is_multiple_of(S::F32_LANES) && (biases.is_empty() || biases.len() == channels), "channels");
        assert!(addend.is_empty() || addend.len() == images * rows * columns * channels, "what is added");
        for (t, image, row, column) in self.each(images) {
            let first = ((image * rows + row) * columns + column) * channels;
            let (rows, kept) = (STEP.min(rows - row), STEP.min(columns - column));
            for channel in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: the planes have this tile, and only outputs inside the image are written. What is added is as large, if there is any.
                // Biases, where there are any, are as many as channels, which are whole vectors: so a vector of them begins here.
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
                                let at = (i * columns + j) * channels;
                                let sum = match addend.is_empty() {
                                    true => value,
                                    false => {
                                        simd.add_f32s(vector::<S>(addend.as_ptr().add(first + channel + at)), value)
                                    }
                                };
                                to.add(at).cast::<S::f32s>().write_unaligned(sum);
                            }
                        },
                    );
                }
            }
        }
    }
}

/// The vector there.
///
/// # Safety
/// It must be there.
#[inline(always)]
unsafe fn vector<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: see above.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// Brings the pixels of a tile to the points, which lie in planes `stride` apart. `pixel(i, j, channel)` is a vector of channels from
/// `channel` on. It is called with i and j below N, and channels that begin a whole vector of them.
///
/// # Safety
/// `to` must have room for so many channels in each plane, and they must be whole vectors.
#[inline(always)]
unsafe fn bring<S: Simd, const N: usize>(
    simd: S,
    pixel: impl Fn(usize, usize, usize) -> S::f32s,
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
                |i, j| pixel(i, j, channel),
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
            let points = |values: [f32; N]| std::array::from_fn(|i| if i < N { values[i] } else { 0.0 });
            tiling.gather(pulp::Scalar, (images, (before, before)), points, &mut to);
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
