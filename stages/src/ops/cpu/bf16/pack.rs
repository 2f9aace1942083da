//! The operands of a product, laid out as its unit reads them.

use super::round::{Element, Range};
use super::unit::{Compute, Sizes};

/// The greatest width of a panel.
pub(super) const MOST: usize = 64;

/// The left operand: rows one after the other, filled up with zeros to what the unit takes at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Left<E> {
    data: Vec<E>,
    stride: usize,
    range: Range,
}

impl<E: Element> Left<E> {
    /// Takes `rows` rows of `depth` elements: `fill(row, to)` writes one.
    #[inline(always)]
    pub(super) fn fill<U: Compute<Element = E>>(
        &mut self,
        rows: usize,
        depth: usize,
        mut fill: impl FnMut(usize, &mut [E]),
    ) {
        self.stride = depth.next_multiple_of(U::DEPTH);
        // A unit that takes several rows at a time may read, and ignore, some after the last.
        self.data.resize((rows + U::ROWS) * self.stride, E::default());
        for (row, to) in self.data.chunks_exact_mut(self.stride).take(rows).enumerate() {
            let (values, rest) = to.split_at_mut(depth);
            fill(row, values);
            rest.fill(E::default());
        }
        let filled = &mut self.data[..rows * self.stride];
        self.range = E::range(filled);
        U::arrange(filled);
    }
}

/// The right operand: panels of the unit's width, each with all of the depth.
#[derive(Clone, Debug, Default)]
pub(super) struct Right<E> {
    data: Vec<E>,
    depth: usize,
    panels: usize,
    range: Range,
}

impl<E: Element> Right<E> {
    /// Takes `[depth, columns]`: `fill(k, start, to)` writes some elements of row k, from column `start` on.
    #[inline(always)]
    pub(super) fn fill<U: Compute<Element = E>>(
        &mut self,
        depth: usize,
        columns: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
    ) {
        let padded = depth.next_multiple_of(U::DEPTH);
        self.depth = padded;
        self.panels = columns.div_ceil(U::WIDTH);
        self.data.resize(self.panels * padded * U::WIDTH, E::default());
        for (panel, to) in self.data.chunks_exact_mut(padded * U::WIDTH).enumerate() {
            let start = panel * U::WIDTH;
            let len = U::WIDTH.min(columns - start);
            for (four, to) in to.chunks_exact_mut(4 * U::WIDTH).enumerate() {
                let mut lines = [[0.0; MOST]; 4];
                for (k, line) in (four * 4..depth).zip(&mut lines) {
                    fill(k, start, &mut line[..len]);
                }
                U::lay(&lines, to);
            }
        }
        self.range = E::range(&self.data);
    }
}

/// Both operands of a product.
pub(super) type Pair<E> = (Left<E>, Right<E>);

/// Sums `[rows, columns]`, filled up to whole panels and to as many rows as the unit takes at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    data: Vec<f32>,
    stride: usize,
    /// Whether all products so far were plain. What is added to others may be below the least normal number.
    plain: bool,
}

impl Sums {
    /// All 0.
    #[inline(always)]
    pub(super) fn clear<U: Compute>(&mut self, rows: usize, columns: usize) {
        self.stride = columns.next_multiple_of(U::WIDTH);
        self.plain = true;
        self.data.clear();
        self.data.resize(rows.next_multiple_of(U::ROWS) * self.stride, 0.0);
    }

    /// Adds the product of `rows` rows of `a`, from the first on, and `b`.
    #[inline(always)]
    pub(super) fn add<U: Compute>(
        &mut self,
        unit: U,
        a: &Left<U::Element>,
        (first, rows): (usize, usize),
        b: &Right<U::Element>,
    ) {
        let rows = rows.next_multiple_of(U::ROWS);
        assert!((first + rows) * a.stride <= a.data.len(), "rows of the left operand");
        assert_eq!(a.stride, b.depth, "the operands' depth");
        let sizes = Sizes { rows, depth: b.depth, panels: b.panels };
        assert_eq!(b.data.len(), b.panels * b.depth * U::WIDTH, "the right operand");
        assert!(b.panels * U::WIDTH == self.stride && rows * self.stride <= self.data.len(), "room for the sums");
        self.plain &= a.range.is_plain(b.range);
        // SAFETY: the operands and the sums were found to have these sizes, and the unit is one that this processor has.
        unsafe {
            let (a, c) = (a.data.as_ptr().add(first * a.stride), self.data.as_mut_ptr());
            unit.add(a, b.data.as_ptr(), c, sizes, self.plain);
        }
    }

    /// One row; what is behind its columns is not to be looked at.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.stride..][..self.stride]
    }
}

/// What a thread needs for one product after the other.
#[derive(Default)]
pub(super) struct Buffers<E> {
    pub(super) left: Left<E>,
    pub(super) right: Right<E>,
    pub(super) sums: Sums,
    /// Rounded images.
    pub(super) images: Vec<E>,
    /// The same in another order.
    pub(super) ordered: Vec<E>,
    /// Gradients that are not rounded.
    pub(super) gradients: Vec<f32>,
}
