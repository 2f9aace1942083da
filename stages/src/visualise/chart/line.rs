//! A line chart: some series over a common x axis of whole numbers.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Canvas, Point};
use crate::visualise::figure::Chart;
use crate::visualise::style::Colour;

/// The most points that are marked one by one.
const MARKED: usize = 40;

/// A line.
pub(in crate::visualise) struct Series {
    /// Its colour.
    pub(in crate::visualise) colour: Colour,
    /// Its points, from left to right.
    pub(in crate::visualise) points: Vec<Point>,
}

/// A line chart.
pub(in crate::visualise) struct LineChart {
    title: String,
    size: Point,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

impl LineChart {
    /// A chart with axes that hold every point.
    pub(in crate::visualise) fn new(title: &str, size: Point, x: &str, y: &str, series: Vec<Series>) -> Self {
        let points = || series.iter().flat_map(|s| &s.points);
        let x = Axis::whole(x, points().map(|p| p.0));
        let y = Axis::around(y, points().map(|p| p.1));
        Self { title: title.to_owned(), size, x, y, series }
    }
}

impl Chart for LineChart {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let frame = Frame::draw(canvas, (at, self.size), &self.title, (&self.x, &self.y), Grid::Horizontal);
        for series in &self.series {
            let points: Vec<Point> = series.points.iter().map(|p| frame.place(p.0, p.1)).collect();
            if points.len() > 1 {
                canvas.path(&points, series.colour, 2.0);
            }
            if points.len() <= MARKED {
                for point in points {
                    canvas.circle(point, 3.0, series.colour, 1.0);
                }
            }
        }
    }
}
