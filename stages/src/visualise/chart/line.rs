//! A line chart: some series over a common x axis, and straight lines that mark a value.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{BODY, Colour, LEADING, SPACE};
use crate::visualise::text::{self, Weight};

/// The most points that are marked one by one.
const MARKED: usize = 40;

/// A line.
pub(in crate::visualise) struct Series {
    /// Its colour.
    pub(in crate::visualise) colour: Colour,
    /// Its points, from left to right.
    pub(in crate::visualise) points: Vec<Point>,
    /// Whether a few points are marked one by one.
    pub(in crate::visualise) marked: bool,
}

/// A value that is marked across the chart.
pub(in crate::visualise) struct Rule {
    /// Where.
    pub(in crate::visualise) at: At,
    /// What it is.
    pub(in crate::visualise) label: String,
    /// Its colour.
    pub(in crate::visualise) colour: Colour,
}

/// The place of a rule.
#[derive(Clone, Copy)]
pub(in crate::visualise) enum At {
    /// A value of the x axis.
    X(f64),
    /// A value of the y axis.
    Y(f64),
}

/// A line chart.
pub(in crate::visualise) struct LineChart {
    /// What it shows.
    pub(in crate::visualise) title: String,
    /// Width and height.
    pub(in crate::visualise) size: Point,
    /// The x axis.
    pub(in crate::visualise) x: Axis,
    /// The y axis.
    pub(in crate::visualise) y: Axis,
    /// The lines, the last one on top.
    pub(in crate::visualise) series: Vec<Series>,
    /// The marked values.
    pub(in crate::visualise) rules: Vec<Rule>,
}

impl LineChart {
    /// A chart over whole numbers with axes that hold every point.
    pub(in crate::visualise) fn new(title: &str, size: Point, x: &str, y: &str, series: Vec<Series>) -> Self {
        let points = || series.iter().flat_map(|s| &s.points);
        let x = Axis::whole(x, points().map(|p| p.0));
        let y = Axis::around(y, points().map(|p| p.1));
        Self { title: title.to_owned(), size, x, y, series, rules: Vec::new() }
    }
}

impl Chart for LineChart {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let frame = Frame::draw(canvas, (at, self.size), &self.title, (&self.x, &self.y), Grid::Horizontal);
        for rule in &self.rules {
            draw_rule(canvas, &frame, rule, (&self.x, &self.y));
        }
        for series in &self.series {
            let points: Vec<Point> = series.points.iter().map(|p| frame.place(p.0, p.1)).collect();
            if points.len() > 1 {
                canvas.path(&points, series.colour, 2.0);
            }
            if series.marked && points.len() <= MARKED {
                for point in points {
                    canvas.circle(point, 3.0, series.colour, 1.0);
                }
            }
        }
    }
}

/// A rule with its label on the side that has more room: an upright one's at its upper end, a level one's above its left end.
pub(super) fn draw_rule(canvas: &mut Canvas<'_>, frame: &Frame<'_>, rule: &Rule, (x, y): (&Axis, &Axis)) {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    let set = Type::new(BODY).colour(rule.colour);
    let (gap, half) = (SPACE / 2.0, BODY * LEADING / 2.0);
    match rule.at {
        At::X(value) => {
            let at = frame.place(value, y.ends().0).0;
            canvas.line((at, top), (at, bottom), rule.colour, 1.0);
            let after = right - at > at - left;
            let (anchor, start, room) =
                if after { (Anchor::Start, at + gap, right - at) } else { (Anchor::End, at - gap, at - left) };
            let label = text::fit(&rule.label, BODY, Weight::Regular, room - 2.0 * gap);
            canvas.text(&label, (start, top + half), set.anchor(anchor));
        }
        At::Y(value) => {
            let at = frame.place(x.ends().0, value).1;
            canvas.line((left, at), (right, at), rule.colour, 1.0);
            let label = text::fit(&rule.label, BODY, Weight::Regular, right - left - 2.0 * gap);
            let height = if at - top > 2.0 * half { at - half } else { at + half };
            canvas.text(&label, (left + gap, height), set);
        }
    }
}
