//! Weights in the order in which tiles read them.

/// Cuts a matrix `[rows, columns]` into panels of `width` columns, each row-major and contiguous; missing columns are 0.
/// `at(row, column)` reads the matrix.
#[inline(always)]
pub(super) fn pack(
    to: &mut Vec<f32>,
    rows: usize,
    columns: usize,
    width: usize,
    mut fill: impl FnMut(usize, usize, &mut [f32]),
) {
    to.clear();
    to.resize(columns.div_ceil(width) * width * rows, 0.0);
    for (panel, chunk) in to.chunks_exact_mut(rows * width).enumerate() {
        let start = panel * width;
        let len = width.min(columns - start);
        for (row, chunk) in chunk.chunks_exact_mut(width).enumerate() {
            fill(row, start, &mut chunk[..len]);
        }
    }
}
