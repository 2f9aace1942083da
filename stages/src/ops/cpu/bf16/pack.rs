//! The operands of a product, laid out as its unit reads them.

use super::round::{Element, Range};
use super::unit::{Compute, GROUP, Sum, Terms};

/// The greatest width of a panel.
pub(super) const MOST: usize = 64;

/// The left operand: rows, each of whole groups of terms. Rows may share groups, as windows of an image do.
#[derive(Clone, Debug, Default)]
pub(super) struct Left<E> {
    data: Vec<E>,
    /// Where each row starts.
    starts: Vec<usize>,
    /// Where each group of a row lies, from its start on.
    groups: Vec<usize>,
    range: Range,
}

impl<E: Element> Left<E> {
    /// Takes `rows` rows of `depth` terms: `fill(row, to)` writes one. They are filled up with zeros to whole groups.
    #[inline(always)]
    pub(super) fn fill<U: Compute<Element = E>>(
        &mut self,
        rows: usize,
        depth: usize,
        mut fill: impl FnMut(usize, &mut [E]),
    ) {
        let stride = self.follow(rows, depth);
        for (row, to) in self.data.chunks_exact_mut(stride.max(1)).enumerate() {
            let (values, rest) = to.split_at_mut(depth);
            fill(row, values);
            rest.fill(E::default());
        }
        U::arrange(&mut self.data);
        self.range = E::range(&self.data);
    }

    /// Takes `columns` rows from where they lie as columns: `[depth, columns]`, one after the other.
    #[inline(always)]
    pub(super) fn transpose<U: Compute<Element = E>>(
        &mut self,
        unit: U,
        (depth, columns): (usize, usize),
        from: &[f32],
    ) {
        assert_eq!(from.len(), depth * columns, "terms");
        let stride = self.follow(columns, depth);
        let mut lines = [[0.0; MOST]; GROUP];
        for start in (0..columns).step_by(U::WIDTH) {
            let count = U::WIDTH.min(columns - start);
            for k in (0..stride).step_by(GROUP) {
                if k + GROUP > depth {
                    lines = [[0.0; MOST]; GROUP];
                }
                for (k, line) in (k..depth).zip(&mut lines) {
                    let from = &from[k * columns + start..];
                    // A width that the compiler knows.
                    if count == U::WIDTH {
                        line[..U::WIDTH].copy_from_slice(&from[..U::WIDTH]);
                    } else {
                        line[..count].copy_from_slice(&from[..count]);
                    }
                }
                unit.transpose(&lines, count, &mut self.data[start * stride + k..], stride);
            }
        }
        self.range = E::range(&self.data);
    }

    /// Takes an image, and leaves another buffer in its place. Rows are the windows at these starts, and their groups lie as they do in the first window.
    #[inline(always)]
    pub(super) fn slide<U: Compute<Element = E>>(
        &mut self,
        image: &mut Vec<E>,
        starts: impl Iterator<Item = usize>,
        groups: impl Iterator<Item = usize>,
    ) {
        std::mem::swap(&mut self.data, image);
        U::arrange(&mut self.data);
        self.range = E::range(&self.data);
        self.starts.clear();
        self.starts.extend(starts);
        self.groups.clear();
        self.groups.extend(groups);
    }

    /// Makes room for rows that follow one another, and returns how far apart they are.
    #[inline(always)]
    fn follow(&mut self, rows: usize, depth: usize) -> usize {
        let stride = depth.next_multiple_of(GROUP);
        self.data.resize(rows * stride, E::default());
        self.starts.clear();
        self.starts.extend((0..rows).map(|row| row * stride));
        self.groups.clear();
        self.groups.extend((0..stride).step_by(GROUP));
        stride
    }
}

/// The right operand: panels of the unit's width, each with all of the depth.
#[derive(Clone, Debug, Default)]
pub(super) struct Right<E> {
    data: Vec<E>,
    depth: usize,
    columns: usize,
    range: Range,
}

impl<E: Element> Right<E> {
    /// Takes `[depth, columns]`: `fill(k, start, to)` writes some elements of row k, from column `start` on.
    #[inline(always)]
    pub(super) fn fill<U: Compute<Element = E>>(
        &mut self,
        unit: U,
        (depth, columns): (usize, usize),
        mut fill: impl FnMut(usize, usize, &mut [f32]),
    ) {
        let padded = depth.next_multiple_of(U::DEPTH);
        self.depth = padded;
        self.columns = columns;
        let panels = columns.div_ceil(U::WIDTH);
        self.data.resize(panels * padded * U::WIDTH, E::default());
        let mut lines = [[0.0; MOST]; GROUP];
        // All panels of a group, then those of the next, so that an operand whose lines are runs is read in its order.
        for group in (0..padded).step_by(GROUP) {
            for panel in 0..panels {
                let start = panel * U::WIDTH;
                if start + U::WIDTH <= columns && group + GROUP <= depth {
                    // A width that the compiler knows.
                    for (i, line) in lines.iter_mut().enumerate() {
                        fill(group + i, start, &mut line[..U::WIDTH]);
                    }
                } else {
                    lines = [[0.0; MOST]; GROUP];
                    let len = U::WIDTH.min(columns - start);
                    for (k, line) in (group..depth).zip(&mut lines) {
                        fill(k, start, &mut line[..len]);
                    }
                }
                unit.lay(&lines, &mut self.data[(panel * padded + group) * U::WIDTH..][..GROUP * U::WIDTH]);
            }
        }
        self.range = E::range(&self.data);
    }
}

/// Both operands of a product.
pub(super) type Pair<E> = (Left<E>, Right<E>);

/// Sums `[rows, columns]`, filled up to whole panels.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    data: Vec<f32>,
    stride: usize,
    /// Whether there was no product yet.
    begins: bool,
    /// Whether all products so far were plain. What is added to others may be below the least normal number.
    plain: bool,
}

impl Sums {
    /// Begins new sums. The first product replaces what is there.
    #[inline(always)]
    pub(super) fn begin<U: Compute>(&mut self, rows: usize, columns: usize) {
        self.stride = columns.next_multiple_of(U::WIDTH);
        (self.begins, self.plain) = (true, true);
        self.data.resize(rows * self.stride, 0.0);
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
        let starts = &a.starts[first..first + rows];
        let last = starts.iter().max().zip(a.groups.iter().max());
        assert!(last.is_none_or(|(start, group)| start + group + GROUP <= a.data.len()), "rows of the left operand");
        assert_eq!((a.groups.len() * GROUP).next_multiple_of(U::DEPTH), b.depth, "the operands' depth");
        assert_eq!(b.data.len(), self.stride * b.depth, "the right operand");
        assert!(
            b.columns.next_multiple_of(U::WIDTH) == self.stride && rows * self.stride <= self.data.len(),
            "room for the sums"
        );
        if self.begins && b.depth == 0 {
            // Without terms no unit writes anything.
            self.data.fill(0.0);
        }
        self.plain &= a.range.is_plain(b.range);
        let (terms, to) = (Terms { data: a.data.as_ptr(), starts, groups: &a.groups }, self.data.as_mut_ptr());
        // SAFETY: the operands and the sums were found to have these sizes, and the unit is one that this processor has.
        unsafe { unit.add(terms, b.data.as_ptr(), b.columns, to, Sum { begins: self.begins, plain: self.plain }) };
        self.begins = false;
    }

    /// One row; what is behind its columns is not to be looked at.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[f32] {
        debug_assert!(!self.begins, "sums without a product");
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
