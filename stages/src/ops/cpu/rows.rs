//! Rows of a matrix that may lie among those of a wider one.

use candle_core::Layout;

/// Rows of elements, each contiguous, `pitch` from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) pitch: usize,
}

impl<'a> Rows<'a> {
    /// Where a tensor's rows along its last axis begin, and their pitch, if they have one. Strides of axes of size 1 say nothing.
    pub(super) fn of(layout: &Layout) -> Option<(usize, usize)> {
        let (&len, outer) = layout.dims().split_last()?;
        if layout.is_contiguous() {
            return Some((layout.start_offset(), len));
        }
        let (&step, strides) = layout.stride().split_last()?;
        let mut axes = outer.iter().zip(strides).rev().filter(|(size, _)| **size != 1);
        let (&size, &pitch) = axes.next()?;
        let mut next = size * pitch;
        let is_even = axes.all(|(&size, &stride)| {
            let fits = stride == next;
            next = stride * size;
            fits
        });
        (is_even && pitch >= len && (step == 1 || len == 1)).then(|| (layout.start_offset(), pitch))
    }

    /// Whether there are rows `[count, len]`.
    pub(super) fn has(&self, count: usize, len: usize) -> bool {
        count == 0 || len <= self.pitch && (count - 1) * self.pitch + len <= self.values.len()
    }

    /// The first `len` elements of a row.
    #[inline(always)]
    pub(super) fn row(&self, number: usize, len: usize) -> &'a [f32] {
        &self.values[number * self.pitch..][..len]
    }

    /// The rows from one on.
    #[inline(always)]
    pub(super) fn from(self, first: usize) -> Self {
        Self { values: &self.values[first * self.pitch..], ..self }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::Rows;

    #[test]
    fn rows_of_a_part_of_the_channels_are_a_whole_row_apart() {
        let whole = Tensor::zeros((2, 3, 4, 8), DType::F32, &Device::Cpu).unwrap();
        let rows = |tensor: &Tensor| Rows::of(tensor.layout());
        assert_eq!(rows(&whole), Some((0, 8)));
        assert_eq!(rows(&whole.narrow(3, 5, 2).unwrap()), Some((5, 8)));
        assert_eq!(rows(&whole.narrow(3, 7, 1).unwrap()), Some((7, 8)));
        let one = whole.narrow(0, 1, 1).unwrap();
        assert_eq!(rows(&one), Some((96, 8)));
        assert_eq!(rows(&one.narrow(3, 5, 2).unwrap()), Some((101, 8)));
        // Rows of an image's part are not all as far apart, and those of a transposed or an expanded one are none.
        assert_eq!(rows(&whole.narrow(2, 0, 2).unwrap()), None);
        assert_eq!(rows(&whole.transpose(2, 3).unwrap()), None);
        assert_eq!(rows(&whole.narrow(2, 0, 1).unwrap().expand((2, 3, 4, 8)).unwrap()), None);
    }
}
