//! Images with room around them, so that a window never has to ask whether it is inside.

/// The size of a frame `[height, width, channels]`; frames of several images follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// Where the pixels of an image come to lie in a frame: pixel (i, j) at (top + i * stride.0, left + j * stride.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) stride: (usize, usize),
}

impl Frame {
    /// Elements from a row to the next.
    pub(super) fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Elements from an image to the next.
    pub(super) fn image(&self) -> usize {
        self.height * self.row()
    }

    /// Copies an image `[rows, columns, channels]` to (top, left) of its frame; what does not fit is cut.
    #[inline(always)]
    pub(super) fn copy<T: Copy + Default>(
        &self,
        image: &[T],
        (top, left): (usize, usize),
        (rows, columns): (usize, usize),
        to: &mut [T],
    ) {
        let (rows, kept) = (rows.min(self.height - top), columns.min(self.width - left));
        let (left, len) = (left * self.channels, kept * self.channels);
        let (above, rest) = to.split_at_mut(top * self.row());
        above.fill(T::default());
        let (middle, below) = rest.split_at_mut(rows * self.row());
        for (from, to) in image.chunks_exact(columns * self.channels).zip(middle.chunks_exact_mut(self.row())) {
            to[..left].fill(T::default());
            to[left..left + len].copy_from_slice(&from[..len]);
            to[left + len..].fill(T::default());
        }
        below.fill(T::default());
    }

    /// Fills the frame of one image: `write(pixel, to)` writes the channels of pixel number `pixel` of an image
    /// `[rows, columns]`, in order.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        to: &mut [f32],
        place: Place,
        (rows, columns): (usize, usize),
        mut write: impl FnMut(usize, &mut [f32]),
    ) {
        if (rows, columns) != (self.height, self.width) {
            to.fill(0.0);
        }
        for i in 0..rows {
            let row = &mut to[(place.top + i * place.stride.0) * self.row()..][..self.row()];
            let pixels = row.chunks_exact_mut(self.channels).skip(place.left).step_by(place.stride.1);
            for (j, pixel) in pixels.take(columns).enumerate() {
                write(i * columns + j, pixel);
            }
        }
    }
}
