//! A bar chart over intervals: a histogram.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Canvas, Point};
use crate::visualise::figure::Chart;
use crate::visualise::style::Colour;

/// A bar over an interval of the x axis.
pub(in crate::visualise) struct Bar {
    /// Where it begins and ends.
    pub(in crate::visualise) interval: (f64, f64),
    /// How high it is.
    pub(in crate::visualise) height: f64,
}

/// A bar chart; bars stand on zero.
pub(in crate::visualise) struct BarChart {
    /// What it shows.
    pub(in crate::visualise) title: String,
    /// Width and height.
    pub(in crate::visualise) size: Point,
    /// The x axis.
    pub(in crate::visualise) x: Axis,
    /// The y axis; it begins at 0.
    pub(in crate::visualise) y: Axis,
    /// The bars.
    pub(in crate::visualise) bars: Vec<Bar>,
    /// Their colour.
    pub(in crate::visualise) colour: Colour,
}

impl Chart for BarChart {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let frame = Frame::draw(canvas, (at, self.size), &self.title, (&self.x, &self.y), Grid::Horizontal);
        for bar in &self.bars {
            let (left, top) = frame.place(bar.interval.0, bar.height);
            let (right, bottom) = frame.place(bar.interval.1, 0.0);
            // A gap keeps neighbours apart.
            canvas.rectangle((left + 1.0, top), ((right - left - 2.0).max(0.5), bottom - top), self.colour);
        }
    }
}
