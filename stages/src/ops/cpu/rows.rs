//! Rows of a matrix that may lie among those of a wider one.

use candle_core::Layout;

/// Rows of elements, each contiguous, `pitch` from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) pitch: usize,
}

impl<'a> Rows<'a> {
    /// Where a tensor's rows along its last axis begin, and their pitch, if they have one.
    pub(super) fn of(layout: &Layout) -> Option<(usize, usize)> {
        let (dims, strides) = (layout.dims(), layout.stride());
        let (last, outer) = (dims.len().checked_sub(1)?, dims.len().checked_sub(2)?);
        let is_even = (0..outer).all(|axis| strides[axis] == strides[axis + 1] * dims[axis + 1]);
        (strides[last] == 1 && is_even).then(|| (layout.start_offset(), strides[outer]))
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
