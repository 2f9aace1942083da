//! A scatter panel that stays legible with tens of thousands of points.

use super::axis::{Axis, Frame, Grid};
use super::labels::{self, Label};
use crate::visualise::canvas::{Canvas, Point};
use crate::visualise::figure::Chart;
use crate::visualise::style::Colour;

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
        let places: Vec<(Point, Colour)> =
            self.points.iter().map(|((x, y), colour)| (frame.place(*x, *y), *colour)).collect();
        for (place, colour) in &places {
            canvas.circle(*place, radius, *colour, opacity);
        }
        labels::draw(canvas, &frame, &places, &self.labels);
    }
}
