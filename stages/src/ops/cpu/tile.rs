//! Register-blocked inner products: the loops in which a network spends its time.
//!
//! A tile is up to [`ROWS`] rows by two vectors of outputs, kept in registers over the whole sum: twelve accumulators, which
//! hide the latency of two multiply-adds a cycle and leave registers for the operands on a 16-register machine.

use pulp::Simd;

/// Rows of a full tile.
pub(super) const ROWS: usize = 6;

/// The columns of a tile: two vectors.
pub(super) const fn columns<S: Simd>() -> usize {
    2 * S::F32_LANES
}

/// Cuts `len` rows into the fewest tiles, as even as can be: a small last tile would not hide the latency.
pub(super) fn split(len: usize) -> impl Iterator<Item = (usize, usize)> {
    split_by(len, ROWS)
}

/// The same with at most so many rows in a tile.
pub(super) fn split_by(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = len.div_ceil(most);
    (0..tiles).map(move |t| {
        let (start, end) = (len * t / tiles, len * (t + 1) / tiles);
        (start, end - start)
    })
}

/// Runs `$body` with the constant `$m` equal to `$rows`, which is in `1..=ROWS`.
macro_rules! with_rows {
    ($rows:expr, $m:ident => $body:expr) => {
        match $rows {
            1 => {
                const $m: usize = 1;
                $body
            }
            2 => {
                const $m: usize = 2;
                $body
            }
            3 => {
                const $m: usize = 3;
                $body
            }
            4 => {
                const $m: usize = 4;
                $body
            }
            5 => {
                const $m: usize = 5;
                $body
            }
            6 => {
                const $m: usize = 6;
                $body
            }
            other => unreachable!("a tile of {other} rows"),
        }
    };
}
pub(super) use with_rows;

/// The operand that is read as runs of consecutive elements: for each output row a start, and the same `runs` runs of
/// `len` elements, `stride` apart, from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    pub(super) runs: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
}

/// The sums over all runs: `acc[i] += sum over k of starts[i][k] * panel[k]`.
///
/// # Safety
/// Each of `starts` must be readable over all runs, `panel` over `runs.runs * runs.len * columns::<S>()` elements.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd, const M: usize>(
    simd: S,
    starts: [*const f32; M],
    runs: Runs,
    panel: *const f32,
    mut acc: [[S::f32s; 2]; M],
) -> [[S::f32s; 2]; M] {
    let mut panel = panel.cast::<S::f32s>();
    for run in 0..runs.runs {
        let offset = run * runs.stride;
        for k in offset..offset + runs.len {
            // SAFETY: the caller's promise; vectors are read unaligned.
            unsafe {
                let (b0, b1) = (panel.read_unaligned(), panel.add(1).read_unaligned());
                panel = panel.add(2);
                for i in 0..M {
                    let a = simd.splat_f32s(*starts[i].add(k));
                    acc[i][0] = simd.mul_add_e_f32s(a, b0, acc[i][0]);
                    acc[i][1] = simd.mul_add_e_f32s(a, b1, acc[i][1]);
                }
            }
        }
    }
    acc
}

/// A grid of positions, `rows` by `columns`, and how far apart they lie in each of two operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Elements from a row, and from a column, to the next: of the operand that gives the tile's rows.
    pub(super) a: (usize, usize),
    /// The same of the operand that gives the tile's columns.
    pub(super) b: (usize, usize),
}

/// The sum over all positions of the outer product of `M` elements of `a` and two vectors of `b`.
///
/// # Safety
/// `a` must be readable for `M`, and `b` for `columns::<S>()` elements at every position of the grid.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd, const M: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    grid: Grid,
) -> [[S::f32s; 2]; M] {
    let mut acc = [[simd.splat_f32s(0.0); 2]; M];
    for row in 0..grid.rows {
        // SAFETY: the caller's promise.
        unsafe {
            let (mut a, mut b) = (a.add(row * grid.a.0), b.add(row * grid.b.0));
            for _ in 0..grid.columns {
                let vectors = b.cast::<S::f32s>();
                let (b0, b1) = (vectors.read_unaligned(), vectors.add(1).read_unaligned());
                for (i, acc) in acc.iter_mut().enumerate() {
                    let a = simd.splat_f32s(*a.add(i));
                    *acc = [simd.mul_add_e_f32s(a, b0, acc[0]), simd.mul_add_e_f32s(a, b1, acc[1])];
                }
                a = a.wrapping_add(grid.a.1);
                b = b.wrapping_add(grid.b.1);
            }
        }
    }
    acc
}

/// The ReLU of a tile.
#[inline(always)]
pub(super) fn relu<S: Simd, const M: usize>(simd: S, tile: &mut [[S::f32s; 2]; M]) {
    let zero = simd.splat_f32s(0.0);
    for row in tile {
        *row = [simd.max_f32s(row[0], zero), simd.max_f32s(row[1], zero)];
    }
}

/// Reads the first `width` columns of a tile from rows `stride` apart; the others are 0.
///
/// # Safety
/// `from` must be readable for `width` elements in each of the `M` rows; `width` is at most `columns::<S>()`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const M: usize>(
    simd: S,
    from: *const f32,
    stride: usize,
    width: usize,
) -> [[S::f32s; 2]; M] {
    let mut tile = [[simd.splat_f32s(0.0); 2]; M];
    for (i, row) in tile.iter_mut().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `columns::<S>()` elements.
        unsafe {
            let from = from.add(i * stride);
            if width == columns::<S>() {
                *row = from.cast::<[S::f32s; 2]>().read_unaligned();
            } else {
                std::ptr::copy_nonoverlapping(from, row.as_mut_ptr().cast::<f32>(), width);
            }
        }
    }
    tile
}

/// Writes the first `width` columns of a tile to rows `stride` apart.
///
/// # Safety
/// `to` must be writable for `width` elements in each of the `M` rows; `width` is at most `columns::<S>()`.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const M: usize>(
    tile: [[S::f32s; 2]; M],
    to: *mut f32,
    stride: usize,
    width: usize,
) {
    for (i, row) in tile.iter().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `columns::<S>()` elements.
        unsafe {
            let to = to.add(i * stride);
            if width == columns::<S>() {
                to.cast::<[S::f32s; 2]>().write_unaligned(*row);
            } else {
                std::ptr::copy_nonoverlapping(row.as_ptr().cast::<f32>(), to, width);
            }
        }
    }
}

/// Adds the first `width` columns of a tile to rows `stride` apart.
///
/// # Safety
/// As [`store`], and the rows must be initialised.
#[inline(always)]
pub(super) unsafe fn add<S: Simd, const M: usize>(
    simd: S,
    tile: [[S::f32s; 2]; M],
    to: *mut f32,
    stride: usize,
    width: usize,
) {
    for (i, row) in tile.iter().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `columns::<S>()` elements.
        unsafe {
            let to = to.add(i * stride);
            if width == columns::<S>() {
                let to = to.cast::<[S::f32s; 2]>();
                let [old0, old1] = to.read_unaligned();
                to.write_unaligned([simd.add_f32s(old0, row[0]), simd.add_f32s(old1, row[1])]);
            } else {
                let from = row.as_ptr().cast::<f32>();
                for j in 0..width {
                    *to.add(j) += *from.add(j);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_even_and_complete() {
        for len in 0..100 {
            let tiles: Vec<_> = split(len).collect();
            assert_eq!(tiles.iter().map(|(_, rows)| rows).sum::<usize>(), len);
            assert!(tiles.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0));
            let (least, most) = tiles.iter().fold((ROWS, 0), |(a, b), (_, rows)| (a.min(*rows), b.max(*rows)));
            assert!(most <= ROWS && (tiles.is_empty() || most - least <= 1));
        }
    }
}
