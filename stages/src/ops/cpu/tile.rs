//! Register-blocked inner products: the loops in which a network spends its time.
//!
//! A tile is up to [`ROWS`] rows by two vectors of outputs, kept in registers over the whole sum: twelve accumulators, which
//! hide the latency of two multiply-adds a cycle and leave registers for the operands on a 16-register machine. Where the last
//! outputs fill no more than one vector, a tile is narrow: one vector by twice the rows. An output's sum is the same in both.

use pulp::Simd;

/// Rows of a full tile.
pub(super) const ROWS: usize = 6;

/// The vectors of a tile's row, unless it is narrow.
const VECTORS: usize = 2;

/// The columns of a tile: two vectors.
pub(super) const fn columns<S: Simd>() -> usize {
    VECTORS * S::F32_LANES
}

/// How many vectors so many columns of a tile take: 1 or 2.
pub(super) const fn vectors<S: Simd>(columns: usize) -> usize {
    columns.div_ceil(S::F32_LANES)
}

/// Cuts `len` rows into the fewest tiles, as even as can be: a small last tile would not hide the latency.
pub(super) fn split(len: usize) -> impl Iterator<Item = (usize, usize)> {
    split_by(len, ROWS)
}

/// The same for tiles of so many vectors.
pub(super) fn split_for(vectors: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
    split_by(len, ROWS * VECTORS / vectors)
}

/// The same with at most so many rows in a tile.
pub(super) fn split_by(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = len.div_ceil(most);
    (0..tiles).map(move |t| {
        let (start, end) = (len * t / tiles, len * (t + 1) / tiles);
        (start, end - start)
    })
}

/// Runs `$body` with the constant `$m` equal to `$rows`, which is one of the numbers.
macro_rules! with_one_of {
    ($($number:literal)*, $rows:expr, $m:ident => $body:expr) => {
        match $rows {
            $($number => {
                const $m: usize = $number;
                $body
            })*
            other => unreachable!("a tile of {other} rows"),
        }
    };
}
pub(super) use with_one_of;

/// Runs `$body` with the constant `$m` equal to `$rows`, which is in `1..=ROWS`.
macro_rules! with_rows {
    ($rows:expr, $m:ident => $body:expr) => {
        $crate::ops::cpu::tile::with_one_of!(1 2 3 4 5 6, $rows, $m => $body)
    };
}
pub(super) use with_rows;

/// Runs `$body` with the constants `$m` and `$v`: the rows and the vectors of a tile, as [`split_for`] cut it.
macro_rules! with_tile {
    ($rows:expr, $vectors:expr, ($m:ident, $v:ident) => $body:expr) => {
        if $vectors == 1 {
            const $v: usize = 1;
            $crate::ops::cpu::tile::with_one_of!(1 2 3 4 5 6 7 8 9 10 11 12, $rows, $m => $body)
        } else {
            const $v: usize = 2;
            $crate::ops::cpu::tile::with_one_of!(1 2 3 4 5 6, $rows, $m => $body)
        }
    };
}
pub(super) use with_tile;

/// The operand that is read as runs of consecutive elements: for each output row a start, and the same `runs` runs of
/// `len` elements, `stride` apart, from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    pub(super) runs: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
}

/// The sums over all runs: `acc[i] += sum over k of starts[i][k] * panel[k]`, of the first `V` vectors of each row of the panel.
///
/// # Safety
/// Each of `starts` must be readable over all runs, `panel` over `runs.runs * runs.len * columns::<S>()` elements.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd, const M: usize, const V: usize>(
    simd: S,
    starts: [*const f32; M],
    runs: Runs,
    panel: *const f32,
    mut acc: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    let mut panel = panel.cast::<S::f32s>();
    for run in 0..runs.runs {
        let offset = run * runs.stride;
        for k in offset..offset + runs.len {
            // SAFETY: the caller's promise; vectors are read unaligned.
            unsafe {
                let b = panel.cast::<[S::f32s; V]>().read_unaligned();
                panel = panel.add(VECTORS);
                for i in 0..M {
                    let a = simd.splat_f32s(*starts[i].add(k));
                    for j in 0..V {
                        acc[i][j] = simd.mul_add_e_f32s(a, b[j], acc[i][j]);
                    }
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

/// The sum over all positions of the outer product of `M` elements of `a` and `V` vectors of `b`.
///
/// # Safety
/// `a` must be readable for `M`, and `b` for `V` vectors at every position of the grid.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd, const M: usize, const V: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    grid: Grid,
) -> [[S::f32s; V]; M] {
    let mut acc = [[simd.splat_f32s(0.0); V]; M];
    for row in 0..grid.rows {
        // SAFETY: the caller's promise.
        unsafe {
            let (mut a, mut b) = (a.add(row * grid.a.0), b.add(row * grid.b.0));
            for _ in 0..grid.columns {
                let vectors = b.cast::<[S::f32s; V]>().read_unaligned();
                for (i, acc) in acc.iter_mut().enumerate() {
                    let a = simd.splat_f32s(*a.add(i));
                    for j in 0..V {
                        acc[j] = simd.mul_add_e_f32s(a, vectors[j], acc[j]);
                    }
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
pub(super) fn relu<S: Simd, const M: usize, const V: usize>(simd: S, tile: &mut [[S::f32s; V]; M]) {
    let zero = simd.splat_f32s(0.0);
    for value in tile.iter_mut().flatten() {
        *value = simd.max_f32s(*value, zero);
    }
}

/// Reads the first `width` columns of a tile from rows `stride` apart; the others are 0.
///
/// # Safety
/// `from` must be readable for `width` elements in each of the `M` rows; `width` is at most `V` vectors.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const M: usize, const V: usize>(
    simd: S,
    from: *const f32,
    stride: usize,
    width: usize,
) -> [[S::f32s; V]; M] {
    let mut tile = [[simd.splat_f32s(0.0); V]; M];
    for (i, row) in tile.iter_mut().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `V` vectors.
        unsafe {
            let from = from.add(i * stride);
            if width == V * S::F32_LANES {
                *row = from.cast::<[S::f32s; V]>().read_unaligned();
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
/// `to` must be writable for `width` elements in each of the `M` rows; `width` is at most `V` vectors.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const M: usize, const V: usize>(
    tile: [[S::f32s; V]; M],
    to: *mut f32,
    stride: usize,
    width: usize,
) {
    for (i, row) in tile.iter().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `V` vectors.
        unsafe {
            let to = to.add(i * stride);
            if width == V * S::F32_LANES {
                to.cast::<[S::f32s; V]>().write_unaligned(*row);
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
pub(super) unsafe fn add<S: Simd, const M: usize, const V: usize>(
    simd: S,
    tile: [[S::f32s; V]; M],
    to: *mut f32,
    stride: usize,
    width: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { store_sum::<S, M, V>(simd, tile, to, to, stride, width) }
}

/// Writes the sum of the first `width` columns of a tile and rows elsewhere, which are `stride` apart as well.
///
/// # Safety
/// As [`store`], and `from` must be readable where `to` is written. They may be the same.
#[inline(always)]
pub(super) unsafe fn store_sum<S: Simd, const M: usize, const V: usize>(
    simd: S,
    tile: [[S::f32s; V]; M],
    from: *const f32,
    to: *mut f32,
    stride: usize,
    width: usize,
) {
    for (i, row) in tile.iter().enumerate() {
        // SAFETY: the caller's promise; a row of the tile holds `V` vectors.
        unsafe {
            let (from, to) = (from.add(i * stride), to.add(i * stride));
            if width == V * S::F32_LANES {
                let mut sums = from.cast::<[S::f32s; V]>().read_unaligned();
                for j in 0..V {
                    sums[j] = simd.add_f32s(sums[j], row[j]);
                }
                to.cast::<[S::f32s; V]>().write_unaligned(sums);
            } else {
                let row = row.as_ptr().cast::<f32>();
                for j in 0..width {
                    *to.add(j) = *from.add(j) + *row.add(j);
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
