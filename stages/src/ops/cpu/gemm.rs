//! Matrix products on the calling thread.

use gemm::Parallelism;

/// A matrix in a slice: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// If the slice has another length.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows} by {columns}");
        Self { values, rows, columns, row: columns, column: 1 }
    }

    /// The same elements, transposed.
    pub(super) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row: self.column, column: self.row, ..self }
    }
}

/// `to = a b`, or `to += a b` if `accumulate`; `to` is row-major.
///
/// # Panics
/// If the sizes do not match.
pub(super) fn multiply(a: Matrix, b: Matrix, to: &mut [f32], accumulate: bool) {
    assert_eq!(to.len(), a.rows * b.columns, "the product's size");
    // SAFETY: `to` has the product's size and is initialised.
    unsafe { multiply_to(a, b, to.as_mut_ptr(), accumulate) }
}

/// [`multiply`] through a pointer; without `accumulate` the memory need not be initialised.
///
/// # Safety
/// `to` must be writable for `a.rows * b.columns` elements, and initialised if `accumulate`.
pub(super) unsafe fn multiply_to(a: Matrix, b: Matrix, to: *mut f32, accumulate: bool) {
    assert_eq!(a.columns, b.rows, "the inner sizes");
    // SAFETY: matrices hold all their elements (checked when made), and `to` the product's by the caller's promise; it
    // is only read if `accumulate`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            to,
            1,
            b.columns as isize,
            accumulate,
            a.values.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.values.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
