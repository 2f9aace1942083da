//! The product on tiles, by the processor or emulated, against that of the unit which every processor has.

use super::super::pack::{Left, Right, Sums};
use super::super::portable::Portable;
use super::super::round::operand;
use super::*;
use crate::rng::Rng;

/// The unit without the rounding by vectors, which not every processor has.
#[derive(Clone, Copy, Debug)]
struct Emulated;

impl Compute for Emulated {
    type Element = u16;

    const WIDTH: usize = WIDTH;
    const DEPTH: usize = BLOCK;

    fn round(self, from: &[f32], to: &mut [u16]) {
        to.iter_mut().zip(from).for_each(|(to, x)| *to = operand(*x));
    }

    fn arrange(_: &mut [u16]) {}

    /// Lines of pairs: those of the first two lines, then those of the others.
    fn lay(self, lines: &[[f32; MOST]; 4], to: &mut [u16]) {
        for (i, to) in to.chunks_exact_mut(2).enumerate() {
            let (pair, column) = (i / WIDTH, i % WIDTH);
            to.copy_from_slice(&[operand(lines[2 * pair][column]), operand(lines[2 * pair + 1][column])]);
        }
    }

    fn transpose(self, lines: &[[f32; MOST]; 4], count: usize, to: &mut [u16], stride: usize) {
        for column in 0..count {
            to[column * stride..][..4].copy_from_slice(&lines.map(|line| operand(line[column])));
        }
    }

    unsafe fn add(self, a: Terms<u16>, b: *const u16, columns: usize, c: *mut f32, sum: Sum) {
        // SAFETY: the caller's promise; the instructions are there or emulated.
        unsafe { product(a, b, columns, c, sum.begins) }
    }
}

/// How the rows of the left operand lie.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// One after the other.
    Follow,
    /// As columns.
    Columns,
    /// As windows of an image, three runs of a third of the terms each.
    Windows,
}

/// The sums of two products that are added, of `[rows, depth]` and `[depth, columns]`.
fn sums<U: Compute>(unit: U, size: [usize; 3], how: Rows, values: &[Vec<f32>; 2]) -> Vec<u32> {
    let [rows, depth, columns] = size;
    let [a, b] = values;
    let (mut left, mut right, mut sums) = (Left::default(), Right::default(), Sums::default());
    sums.begin::<U>(rows, columns);
    for part in 0..2 {
        match how {
            Rows::Follow => left.fill::<U>(rows, depth, |row, to| {
                unit.round(&a[part * 7 + row * depth..][..to.len()], to);
            }),
            Rows::Columns => left.transpose(unit, (depth, rows), &a[part * 7..][..rows * depth]),
            Rows::Windows => {
                let mut image = vec![U::Element::default(); rows * 4 + 3 * depth];
                unit.round(&a[part * 7..][..image.len()], &mut image);
                let groups =
                    (0..3).flat_map(|run| (0..depth / 3).step_by(GROUP).map(move |k| run * (depth / 3 + 8) + k));
                left.slide::<U>(&mut image, (0..rows).map(|row| row * 4), groups);
            }
        }
        right.fill(unit, (depth, columns), |k, start, to| {
            to.copy_from_slice(&b[part * 5 + k * columns + start..][..to.len()]);
        });
        sums.add(unit, &left, (0, rows), &right);
    }
    (0..rows).flat_map(|row| sums.row(row)[..columns].iter().map(|sum| sum.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn tiles_give_the_bits_of_the_unit_that_every_processor_has() {
    emulator::begin();
    // Rows and columns of whole tiles and not, depths of whole blocks and not, and of more blocks than are gathered at a time.
    let sizes = [
        [1, 12, 1],
        [2, 48, 16],
        [15, 24, 17],
        [16, 96, 32],
        [17, 36, 33],
        [31, 60, 48],
        [32, 264, 64],
        [33, 300, 70],
        [50, 12, 5],
        [70, 540, 20],
    ];
    for below in [0, 40, 70, 120] {
        for size in sizes {
            let mut rng = Rng::new(6, "tiles", below as u64);
            let mut wide = |len: usize| -> Vec<f32> {
                (0..len).map(|_| rng.between(-1.0, 1.0) * 2f32.powi(-(rng.below(below + 1) as i32))).collect()
            };
            let [rows, depth, columns] = size;
            let values = [wide((rows * depth).max(rows * 4 + 3 * depth) + 7), wide(depth * columns + 5)];
            for how in [Rows::Follow, Rows::Columns, Rows::Windows] {
                let expected = sums(Portable(pulp::Scalar::new()), size, how, &values);
                let found = sums(Emulated, size, how, &values);
                assert_eq!(found, expected, "{size:?}, {how:?}, to 2^-{below}");
            }
        }
    }
}

#[test]
fn the_instruction_adds_as_it_is_described() {
    emulator::begin();
    assert!(adds_as_defined());
}
