//! A line chart: some series over a common x axis, and straight lines that mark a value.

use super::axis::{Axis, Frame, Grid};
use super::labels::through;
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
        let placed = |series: &Series| series.points.iter().map(|p| frame.place(p.0, p.1)).collect::<Vec<Point>>();
        let lines: Vec<Vec<Point>> = self.series.iter().map(placed).collect();
        for (i, rule) in self.rules.iter().enumerate() {
            let others = self.rules.iter().enumerate().filter(|(other, _)| *other != i);
            let others = others.map(|(_, other)| course(&frame, other, (&self.x, &self.y)).to_vec());
            let clear: Vec<Vec<Point>> = lines.iter().cloned().chain(others).collect();
            draw_rule(canvas, &frame, rule, (&self.x, &self.y), &clear);
        }
        for (series, points) in self.series.iter().zip(lines) {
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

/// The two ends of a rule.
fn course(frame: &Frame<'_>, rule: &Rule, (x, y): (&Axis, &Axis)) -> [Point; 2] {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    match rule.at {
        At::X(value) => {
            let at = frame.place(value, y.ends().0).0;
            [(at, top), (at, bottom)]
        }
        At::Y(value) => {
            let at = frame.place(x.ends().0, value).1;
            [(left, at), (right, at)]
        }
    }
}

/// A rule with its label where that keeps clear of `lines`: an upright one's at its upper end on the side that has more room, if it can be, and
/// a level one's above its left end.
pub(super) fn draw_rule(
    canvas: &mut Canvas<'_>,
    frame: &Frame<'_>,
    rule: &Rule,
    axes: (&Axis, &Axis),
    lines: &[Vec<Point>],
) {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    let (gap, half) = (SPACE / 2.0, BODY * LEADING / 2.0);
    let [from, to] = course(frame, rule, axes);
    canvas.line(from, to, rule.colour, 1.0);
    // Where the label may begin or end, and how much room it has there.
    let mut places: Vec<(Anchor, Point, f64)> = Vec::new();
    match rule.at {
        At::X(_) => {
            let after = (Anchor::Start, from.0 + gap, right - from.0 - 2.0 * gap);
            let before = (Anchor::End, from.0 - gap, from.0 - left - 2.0 * gap);
            let (first, second) = if after.2 > before.2 { (after, before) } else { (before, after) };
            for height in [top + half, bottom - half] {
                places.extend([first, second].map(|(anchor, start, room)| (anchor, (start, height), room)));
            }
        }
        At::Y(_) => {
            let room = right - left - 2.0 * gap;
            let (above, below) = ((from.1 - half, from.1 - top), (from.1 + half, bottom - from.1));
            for (height, _) in [above, below].into_iter().filter(|(_, room)| *room > 2.0 * half) {
                places.extend(
                    [(Anchor::Start, left + gap), (Anchor::End, right - gap)].map(|(a, x)| (a, (x, height), room)),
                );
            }
        }
    }
    let width = text::width(&rule.label, BODY, Weight::Regular);
    let touched = |(anchor, at, room): &(Anchor, Point, f64)| {
        let width = width.min(*room);
        let start = if *anchor == Anchor::End { at.0 - width } else { at.0 };
        let label = ((start, at.1 - half), (width, 2.0 * half));
        let touching = lines.iter().flat_map(|line| line.windows(2)).filter(|ends| through((ends[0], ends[1]), &label));
        // A label that is cut is worse than one that is touched.
        (width < text::width(&rule.label, BODY, Weight::Regular), touching.count())
    };
    let Some((anchor, at, room)) = places.into_iter().min_by_key(touched) else { return };
    let label = text::fit(&rule.label, BODY, Weight::Regular, room);
    canvas.text(&label, at, Type::new(BODY).colour(rule.colour).anchor(anchor));
}
