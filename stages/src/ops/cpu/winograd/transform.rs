//! The small linear maps of Winograd's F(4x4, 3x3), each on vectors of channels.
//!
//! Four outputs of a three-tap filter are a product of two polynomials, evaluated at the points 0, 1, -1, 2, -2 and
//! infinity, multiplied there, and interpolated: six multiplications instead of twelve (Winograd 1980; Lavin and Gray,
//! "Fast Algorithms for Convolutional Neural Networks", 2016, section 4). In two dimensions each map is applied to the columns of a
//! tile, then to its rows. The maps of the backward pass are the transposes.

use pulp::Simd;

/// Side of a tile of inputs: also the points along an axis.
pub(super) const TILE: usize = 6;

/// Side of a tile of outputs.
pub(super) const STEP: usize = 4;

/// Points of a tile: the products that are made one by one.
pub(super) const POINTS: usize = TILE * TILE;

/// Applies a map to the columns of an N x N tile, then to the rows: `store(row, column, value)` takes the M x M results.
#[inline(always)]
pub(super) fn both<V: Copy, const N: usize, const M: usize>(
    zero: V,
    load: impl Fn(usize, usize) -> V,
    map: impl Fn([V; N]) -> [V; M],
    mut store: impl FnMut(usize, usize, V),
) {
    let mut rows = [[zero; N]; M];
    // Loops over indices, all unrolled: an iterator's adaptors may end up outside of what is compiled for these vectors.
    #[allow(clippy::needless_range_loop, reason = "see above")]
    for j in 0..N {
        let mut column = [zero; N];
        for i in 0..N {
            column[i] = load(i, j);
        }
        let mapped = map(column);
        for i in 0..M {
            rows[i][j] = mapped[i];
        }
    }
    for (i, row) in rows.into_iter().enumerate() {
        for (j, value) in map(row).into_iter().enumerate() {
            store(i, j, value);
        }
    }
}

/// `a + k * b`.
#[inline(always)]
fn add_mul<S: Simd>(simd: S, a: S::f32s, k: f32, b: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(k), b, a)
}

#[inline(always)]
fn times<S: Simd>(simd: S, k: f32, a: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(k), a)
}

/// The sum and the difference: the values of a polynomial at two opposite points from its even and its odd part.
#[inline(always)]
fn opposite<S: Simd>(simd: S, even: S::f32s, odd: S::f32s) -> (S::f32s, S::f32s) {
    (simd.add_f32s(even, odd), simd.sub_f32s(even, odd))
}

/// Six inputs at the six points.
#[inline(always)]
pub(super) fn input<S: Simd>(simd: S, d: [S::f32s; TILE]) -> [S::f32s; TILE] {
    let (one, minus_one) = opposite(simd, add_mul(simd, d[4], -4.0, d[2]), add_mul(simd, d[3], -4.0, d[1]));
    let odd = times(simd, 2.0, simd.sub_f32s(d[3], d[1]));
    let (two, minus_two) = opposite(simd, simd.sub_f32s(d[4], d[2]), odd);
    let ends = |d: [S::f32s; 3]| add_mul(simd, add_mul(simd, d[2], -5.0, d[1]), 4.0, d[0]);
    [ends([d[0], d[2], d[4]]), one, minus_one, two, minus_two, ends([d[1], d[3], d[5]])]
}

/// A filter's three taps at the six points.
#[inline(always)]
pub(super) fn kernel<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; TILE] {
    let ends = times(simd, -1.0 / 6.0, simd.add_f32s(g[0], g[2]));
    let (one, minus_one) = opposite(simd, ends, times(simd, -1.0 / 6.0, g[1]));
    let ends = add_mul(simd, times(simd, 1.0 / 6.0, g[2]), 1.0 / 24.0, g[0]);
    let (two, minus_two) = opposite(simd, ends, times(simd, 1.0 / 12.0, g[1]));
    [times(simd, 0.25, g[0]), one, minus_one, two, minus_two, g[2]]
}

/// Four outputs from the products at the six points.
#[inline(always)]
pub(super) fn output<S: Simd>(simd: S, m: [S::f32s; TILE]) -> [S::f32s; STEP] {
    let (sum, difference) = opposite(simd, m[1], m[2]);
    let (sum_2, difference_2) = opposite(simd, m[3], m[4]);
    [
        simd.add_f32s(m[0], simd.add_f32s(sum, sum_2)),
        add_mul(simd, difference, 2.0, difference_2),
        add_mul(simd, sum, 4.0, sum_2),
        simd.add_f32s(m[5], add_mul(simd, difference, 8.0, difference_2)),
    ]
}

/// The transpose of [`output`]: four gradients of outputs at the six points.
#[inline(always)]
pub(super) fn gradient<S: Simd>(simd: S, y: [S::f32s; STEP]) -> [S::f32s; TILE] {
    let (one, minus_one) = opposite(simd, simd.add_f32s(y[0], y[2]), simd.add_f32s(y[1], y[3]));
    let odd = times(simd, 2.0, add_mul(simd, y[1], 4.0, y[3]));
    let (two, minus_two) = opposite(simd, add_mul(simd, y[0], 4.0, y[2]), odd);
    [y[0], one, minus_one, two, minus_two, y[3]]
}

/// The transpose of [`kernel`]: the gradients of three taps from those at the six points.
#[inline(always)]
pub(super) fn weight<S: Simd>(simd: S, u: [S::f32s; TILE]) -> [S::f32s; 3] {
    let (sum, difference) = opposite(simd, u[1], u[2]);
    let (sum_2, difference_2) = opposite(simd, u[3], u[4]);
    [
        add_mul(simd, add_mul(simd, times(simd, 0.25, u[0]), -1.0 / 6.0, sum), 1.0 / 24.0, sum_2),
        add_mul(simd, times(simd, 1.0 / 12.0, difference_2), -1.0 / 6.0, difference),
        add_mul(simd, add_mul(simd, u[5], -1.0 / 6.0, sum), 1.0 / 6.0, sum_2),
    ]
}
