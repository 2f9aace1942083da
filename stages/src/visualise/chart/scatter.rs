//! A scatter panel that stays legible with tens of thousands of points.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{AXIS, BODY, Colour, INK, LEADING, PAPER, SPACE};
use crate::visualise::text::{self, Weight};

/// Labels are moved, and points counted, by squares this wide.
const STEP: f64 = 6.0;
/// A point that a label covers is as bad as this distance from the label's place.
const COVERED: f64 = 20.0;

/// A scatter panel.
pub(in crate::visualise) struct Scatter {
    /// What it shows.
    pub(in crate::visualise) title: String,
    /// Width and height.
    pub(in crate::visualise) size: Point,
    /// The x axis.
    pub(in crate::visualise) x: Axis,
    /// The y axis.
    pub(in crate::visualise) y: Axis,
    /// The points in the order they are drawn: shuffled, so that no class lies on top of another.
    pub(in crate::visualise) points: Vec<(Point, Colour)>,
    /// What is written on top of them.
    pub(in crate::visualise) labels: Vec<Label>,
}

/// A text that belongs to a place.
pub(in crate::visualise) struct Label {
    /// The place.
    pub(in crate::visualise) at: Point,
    /// The text.
    pub(in crate::visualise) text: String,
    /// The colour of what it names.
    pub(in crate::visualise) colour: Colour,
}

/// The top left corner and the size of a box.
type Rectangle = (Point, Point);

impl Scatter {
    /// The more points, the smaller and the more transparent.
    fn mark(&self) -> (f64, f64) {
        match self.points.len() {
            0..=500 => (3.0, 0.8),
            501..=3_000 => (2.2, 0.65),
            3_001..=20_000 => (1.6, 0.5),
            _ => (1.1, 0.4),
        }
    }
}

impl Chart for Scatter {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let frame = Frame::draw(canvas, (at, self.size), &self.title, (&self.x, &self.y), Grid::None);
        let (radius, opacity) = self.mark();
        let places: Vec<Point> = self.points.iter().map(|((x, y), _)| frame.place(*x, *y)).collect();
        for (place, (_, colour)) in places.iter().zip(&self.points) {
            canvas.circle(*place, radius, *colour, opacity);
        }
        draw_labels(canvas, &frame, &places, &self.labels);
    }
}

/// A label's box with its text, in its place.
struct Placed<'l> {
    label: &'l Label,
    text: String,
    place: Point,
    area: Rectangle,
}

/// Writes the labels in boxes, each as near to its place as it can be without covering points or another box; a line leads
/// back to the place.
fn draw_labels(canvas: &mut Canvas<'_>, frame: &Frame<'_>, points: &[Point], labels: &[Label]) {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    let crowd = Crowd::new((left, top), (right, bottom), points);
    let height = BODY * LEADING + SPACE / 2.0;
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for label in labels {
        let place = frame.place(label.at.0, label.at.1);
        let text = text::fit(&label.text, BODY, Weight::Bold, right - left - 3.0 * SPACE);
        let width = text::width(&text, BODY, Weight::Bold) + 1.5 * SPACE;
        let steps = |from: f64, to: f64| (0..).map(move |i| from + f64::from(i) * STEP).take_while(move |at| *at <= to);
        let boxes = steps(top + 1.0, bottom - height)
            .flat_map(|y| steps(left + 1.0, right - width).map(move |x| ((x, y), (width, height))));
        let cost = |area: &Rectangle| {
            let away = ((area.0.0 + width / 2.0 - place.0) / 2.0).hypot(area.0.1 + height / 2.0 - place.1);
            let covers = placed.iter().any(|other| !apart(area, &other.area));
            away + COVERED * f64::from(crowd.inside(area)) + if covers { 1e9 } else { 0.0 }
        };
        let best = boxes.map(|area| (cost(&area), area)).min_by(|a, b| a.0.total_cmp(&b.0));
        let area = best.map_or(((left, top), (width, height)), |(_, area)| area);
        placed.push(Placed { label, text, place, area });
    }
    for Placed { label, place, area: (corner, size), .. } in &placed {
        let middle = (corner.0 + size.0 / 2.0, corner.1 + size.1 / 2.0);
        canvas.line(middle, *place, INK, 1.0);
        canvas.circle(*place, 4.0, INK, 1.0);
        canvas.circle(*place, 3.0, label.colour, 1.0);
    }
    // The boxes come after all lines, so that none crosses a text.
    for Placed { label, text, area: (corner, size), .. } in &placed {
        canvas.rectangle(*corner, *size, PAPER);
        canvas.outline(*corner, *size, AXIS, 1.0);
        canvas.rectangle(*corner, (4.0, size.1), label.colour);
        let middle = (corner.0 + 2.0 + size.0 / 2.0, corner.1 + size.1 / 2.0);
        canvas.text(text, middle, Type::new(BODY).bold().anchor(Anchor::Middle));
    }
}

/// Whether two boxes have a little room between them.
fn apart(a: &Rectangle, b: &Rectangle) -> bool {
    let free = |i: fn(&Point) -> f64| i(&a.0) + i(&a.1) + 2.0 <= i(&b.0) || i(&b.0) + i(&b.1) + 2.0 <= i(&a.0);
    free(|p| p.0) || free(|p| p.1)
}

/// How many points lie in a box, counted by small squares.
struct Crowd {
    corner: Point,
    columns: usize,
    /// In each corner of a square the number of points above it and to its left.
    sums: Vec<u32>,
}

impl Crowd {
    /// Counts the points between two corners.
    fn new(corner: Point, end: Point, points: &[Point]) -> Self {
        let count = |i: fn(Point) -> f64| ((i(end) - i(corner)) / STEP).ceil().max(0.0) as usize + 2;
        let (columns, rows) = (count(|p| p.0), count(|p| p.1));
        let mut crowd = Self { corner, columns, sums: vec![0; columns * rows] };
        for &point in points {
            let (x, y) = crowd.square(point);
            if x + 1 < columns && y + 1 < rows {
                crowd.sums[(y + 1) * columns + x + 1] += 1;
            }
        }
        for at in columns..crowd.sums.len() {
            if !at.is_multiple_of(columns) {
                crowd.sums[at] += crowd.sums[at - 1];
            }
        }
        for at in columns..crowd.sums.len() {
            crowd.sums[at] += crowd.sums[at - columns];
        }
        crowd
    }

    fn square(&self, (x, y): Point) -> (usize, usize) {
        let place = |v: f64, from: f64| ((v - from) / STEP).max(0.0) as usize;
        (place(x, self.corner.0), place(y, self.corner.1))
    }

    /// The points in the squares that a box touches.
    fn inside(&self, &(corner, size): &Rectangle) -> u32 {
        let rows = self.sums.len() / self.columns;
        let clamped = |(x, y): (usize, usize)| (x.min(self.columns - 1), y.min(rows - 1));
        let (left, top) = clamped(self.square(corner));
        let (right, bottom) = self.square((corner.0 + size.0, corner.1 + size.1));
        let (right, bottom) = clamped((right + 1, bottom + 1));
        let sum = |x: usize, y: usize| self.sums[y * self.columns + x];
        sum(right, bottom) + sum(left, top) - sum(left, bottom) - sum(right, top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_counted_by_squares() {
        let crowd =
            Crowd::new((10.0, 20.0), (110.0, 120.0), &[(11.0, 21.0), (50.0, 60.0), (51.0, 61.0), (109.0, 119.0)]);
        assert_eq!(crowd.inside(&((10.0, 20.0), (100.0, 100.0))), 4);
        assert_eq!(crowd.inside(&((40.0, 40.0), (30.0, 30.0))), 2);
        assert_eq!(crowd.inside(&((70.0, 30.0), (20.0, 20.0))), 0);
    }
}
