//! Axes with round numbers, and the frame that two of them make.

use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::{draw_heading, heading_height};
use crate::visualise::style::{AXIS, BODY, FAINT, LEADING, MUTED, SMALL, SPACE};
use crate::visualise::text::{self, Weight};

/// About so many numbers stand at an axis.
const TICKS: f64 = 5.0;
/// The length of the mark at a number.
const TICK: f64 = 4.0;

/// One axis: a range and the numbers that stand at it.
pub(in crate::visualise) struct Axis {
    /// What it measures, with the unit; may be empty.
    pub(in crate::visualise) name: String,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds all `values` with a little room on both sides.
    pub(in crate::visualise) fn around(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let room = (high - low) * 0.04;
        Self::new(name.into(), low - room, high + room, step(high - low))
    }

    /// An axis of whole numbers (epochs, counts) that holds all `values`.
    pub(in crate::visualise) fn whole(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let room = ((high - low) * 0.04).min(0.5);
        Self::new(name.into(), low - room, high + room, step(high - low).max(1.0))
    }

    /// An axis from `low` to `high` and no farther.
    pub(in crate::visualise) fn between(name: impl Into<String>, low: f64, high: f64) -> Self {
        Self::new(name.into(), low, high, step(high - low))
    }

    /// An axis without numbers for `count` rows, whose middles are at 0, 1, ...
    pub(in crate::visualise) fn rows(count: usize) -> Self {
        Self::bare(-0.5, count as f64 - 0.5)
    }

    /// An axis without numbers.
    pub(in crate::visualise) fn bare(low: f64, high: f64) -> Self {
        Self { name: String::new(), low, high, ticks: Vec::new() }
    }

    /// Its two ends.
    pub(in crate::visualise) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    fn new(name: String, low: f64, high: f64, step: f64) -> Self {
        // A step of 0.01 may have a logarithm just below -2.
        let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
        // A little room for rounding: an end that is a round number has its number.
        let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let number = |i: i64| i as f64 * step;
        let ticks =
            (first..=last).map(|i| (number(i), format!("{:.decimals$}", number(i)).replace('-', "−"))).collect();
        Self { name, low, high, ticks }
    }

    /// Where on the axis a value is: 0 at its start, 1 at its end.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn widest_tick(&self) -> f64 {
        text::widest(self.ticks.iter().map(|t| t.1.as_str()), SMALL, Weight::Regular)
    }
}

/// The least and the greatest value; a range around it where there is only one.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        (0.0, 1.0)
    } else if high - low <= 1e-9 * high.abs().max(low.abs()) {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
        (low - room, high + room)
    } else {
        (low, high)
    }
}

/// The distance of round numbers: 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let rough = range / TICKS;
    let power = 10f64.powf(rough.log10().floor());
    let digit = rough / power;
    power
        * if digit < 1.5 {
            1.0
        } else if digit < 3.5 {
            2.0
        } else if digit < 7.5 {
            5.0
        } else {
            10.0
        }
}

/// What is drawn behind the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::visualise) enum Grid {
    /// Nothing.
    None,
    /// A faint line at every number of the y axis.
    Horizontal,
    /// A faint line at every number of the x axis.
    Vertical,
}

/// The place for data between two axes.
pub(in crate::visualise) struct Frame<'a> {
    x: &'a Axis,
    y: &'a Axis,
    /// The top left corner of the data.
    corner: Point,
    /// Width and height of the data.
    size: Point,
}

impl<'a> Frame<'a> {
    /// Draws axes, numbers, names and title in a box; the margins follow from the texts.
    pub(in crate::visualise) fn draw(
        canvas: &mut Canvas<'_>,
        (corner, size): (Point, Point),
        title: &str,
        (x, y): (&'a Axis, &'a Axis),
        grid: Grid,
    ) -> Self {
        let name_height = |axis: &Axis| if axis.name.is_empty() { 0.0 } else { BODY * LEADING };
        let left = name_height(y) + y.widest_tick() + TICK + SPACE / 2.0;
        // The last number of the x axis may hang over its end by half its width.
        let right = (x.widest_tick() / 2.0).max(SPACE / 2.0);
        let top = heading_height(title).max(SMALL / 2.0);
        let bottom = name_height(x) + SMALL * LEADING + TICK;
        let frame = Self {
            x,
            y,
            corner: (corner.0 + left, corner.1 + top),
            size: (size.0 - left - right, size.1 - top - bottom),
        };
        draw_heading(canvas, title, (frame.corner.0, corner.1), frame.size.0 + right);
        frame.draw_x(canvas, grid, corner.1 + size.1);
        frame.draw_y(canvas, grid, corner.0);
        frame
    }

    fn draw_x(&self, canvas: &mut Canvas<'_>, grid: Grid, outer: f64) {
        let base = self.corner.1 + self.size.1;
        for (value, number) in &self.x.ticks {
            let at = self.place(*value, self.y.low).0;
            if grid == Grid::Vertical {
                canvas.line((at, self.corner.1), (at, base), FAINT, 1.0);
            }
            canvas.line((at, base), (at, base + TICK), AXIS, 1.0);
            let set = Type::new(SMALL).colour(MUTED).anchor(Anchor::Middle);
            canvas.text(number, (at, base + TICK + SMALL * LEADING / 2.0), set);
        }
        canvas.line((self.corner.0, base), (self.corner.0 + self.size.0, base), AXIS, 1.0);
        let name = text::fit(&self.x.name, BODY, Weight::Regular, self.size.0);
        let middle = self.corner.0 + self.size.0 / 2.0;
        canvas.text(&name, (middle, outer - BODY * LEADING / 2.0), Type::new(BODY).anchor(Anchor::Middle));
    }

    fn draw_y(&self, canvas: &mut Canvas<'_>, grid: Grid, outer: f64) {
        let base = self.corner.0;
        for (value, number) in &self.y.ticks {
            let at = self.place(self.x.low, *value).1;
            if grid == Grid::Horizontal {
                canvas.line((base, at), (base + self.size.0, at), FAINT, 1.0);
            }
            canvas.line((base - TICK, at), (base, at), AXIS, 1.0);
            let set = Type::new(SMALL).colour(MUTED).anchor(Anchor::End);
            canvas.text(number, (base - TICK - SPACE / 4.0, at), set);
        }
        canvas.line((base, self.corner.1), (base, self.corner.1 + self.size.1), AXIS, 1.0);
        let name = text::fit(&self.y.name, BODY, Weight::Regular, self.size.1);
        let middle = self.corner.1 + self.size.1 / 2.0;
        canvas.text(&name, (outer + BODY / 2.0, middle), Type::new(BODY).anchor(Anchor::Middle).upwards());
    }

    /// The left and the right edge of the data.
    pub(in crate::visualise) fn sides(&self) -> (f64, f64) {
        (self.corner.0, self.corner.0 + self.size.0)
    }

    /// The upper and the lower edge of the data.
    pub(in crate::visualise) fn heights(&self) -> (f64, f64) {
        (self.corner.1, self.corner.1 + self.size.1)
    }

    /// Where a point of the data is drawn.
    pub(in crate::visualise) fn place(&self, x: f64, y: f64) -> Point {
        (self.corner.0 + self.x.share(x) * self.size.0, self.corner.1 + (1.0 - self.y.share(y)) * self.size.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.1.as_str()).collect()
    }

    #[test]
    fn numbers_are_round() {
        assert_eq!(numbers(&Axis::around("", [0.9467, 0.9854])), ["0.95", "0.96", "0.97", "0.98"]);
        assert_eq!(numbers(&Axis::around("", [-41.0, 38.0])), ["−40", "−20", "0", "20", "40"]);
    }

    #[test]
    fn epochs_are_whole_numbers_even_if_there_is_only_one() {
        assert_eq!(numbers(&Axis::whole("", [1.0])), ["1"]);
        assert_eq!(numbers(&Axis::whole("", [1.0, 3.0])), ["1", "2", "3"]);
        assert_eq!(numbers(&Axis::whole("", [1.0, 10.0])), ["2", "4", "6", "8", "10"]);
    }

    #[test]
    fn equal_values_have_an_axis_around_them() {
        let axis = Axis::around("", [7.0, 7.0]);
        assert!((axis.share(7.0) - 0.5).abs() < 1e-12);
        assert!(!axis.ticks.is_empty());
    }
}
