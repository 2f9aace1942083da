//! A scatter panel that stays legible with tens of thousands of points.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{AXIS, BODY, Colour, LEADING, PAPER, SPACE};
use crate::visualise::text::{self, Weight};

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
        for ((x, y), colour) in &self.points {
            canvas.circle(frame.place(*x, *y), radius, *colour, opacity);
        }
        draw_labels(canvas, &frame, &self.labels);
    }
}

/// Writes the labels in boxes at their places. One that would lie on another or leave the frame moves up or down to the
/// nearest free height, and a line leads back to its place.
fn draw_labels(canvas: &mut Canvas<'_>, frame: &Frame<'_>, labels: &[Label]) {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    let height = BODY * LEADING + SPACE / 2.0;
    let mut taken: Vec<Rectangle> = Vec::new();
    for label in labels {
        let place = frame.place(label.at.0, label.at.1);
        let text = text::fit(&label.text, BODY, Weight::Bold, right - left - 2.0 * SPACE);
        let width = text::width(&text, BODY, Weight::Bold) + 1.5 * SPACE;
        let x = (place.0 - width / 2.0).clamp(left, right - width);
        let boxed = |step: f64| {
            ((x, (place.1 - height / 2.0 + step * height / 4.0).clamp(top, bottom - height)), (width, height))
        };
        let steps = (0..400).flat_map(|i| [f64::from(i), -f64::from(i)]);
        let free = |b: &Rectangle| taken.iter().all(|other| apart(b, other));
        let found = steps.map(boxed).find(free).unwrap_or_else(|| boxed(0.0));
        taken.push(found);
        let ((x, y), size) = found;
        let middle = (x + size.0 / 2.0, y + size.1 / 2.0);
        if (middle.1 - place.1).abs() > size.1 / 2.0 || (middle.0 - place.0).abs() > size.0 / 2.0 {
            canvas.line(middle, place, label.colour, 1.5);
        }
    }
    // The boxes come after all lines, so that none crosses a text.
    for (label, (corner, size)) in labels.iter().zip(&taken) {
        canvas.rectangle(*corner, *size, PAPER);
        canvas.outline(*corner, *size, AXIS, 1.0);
        canvas.rectangle(*corner, (4.0, size.1), label.colour);
        let text = text::fit(&label.text, BODY, Weight::Bold, right - left - 2.0 * SPACE);
        let middle = (corner.0 + 2.0 + size.0 / 2.0, corner.1 + size.1 / 2.0);
        canvas.text(&text, middle, Type::new(BODY).bold().anchor(Anchor::Middle));
    }
}

/// Whether two boxes have a little room between them.
fn apart(a: &Rectangle, b: &Rectangle) -> bool {
    let free = |i: fn(&Point) -> f64| i(&a.0) + i(&a.1) + 2.0 <= i(&b.0) || i(&b.0) + i(&b.1) + 2.0 <= i(&a.0);
    free(|p| p.0) || free(|p| p.1)
}
