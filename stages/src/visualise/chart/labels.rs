//! Names on a crowd of points: boxes, each with a line to what it names, placed so that they cover no more than they must.

use super::axis::Frame;
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::style::{AXIS, BODY, Colour, INK, LEADING, PAPER, SPACE};
use crate::visualise::text::{self, Weight};

/// Boxes are moved, and points counted, by squares this wide.
const STEP: f64 = 6.0;
/// A point of its own group under a box is as bad as this distance from the place that the box names.
const COVERED: f64 = 20.0;
/// So is, under a box, a point of another group; and under a line.
const FOREIGN: (f64, f64) = (60.0, 4.0);
/// Worse than all of that: a line through another box, or lines that cross. Worse still: boxes that overlap.
const CLASH: (f64, f64) = (1e6, 1e8);
/// Wider texts are broken, into lines no more than this.
const WIDEST: f64 = 150.0;
const LINES: usize = 3;
/// The room between two boxes, and between a box and another's line.
const APART: f64 = 4.0;
/// How often each box is placed anew among the others.
const SWEEPS: usize = 6;

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

/// Where a box may be, and what it costs there as if it were alone.
type Choice = (Rectangle, f64);

/// A box to be placed.
struct Tag {
    place: Point,
    size: Point,
    colour: Colour,
}

/// Writes the labels on top of `points`, which are drawn already.
pub(super) fn draw(canvas: &mut Canvas<'_>, frame: &Frame<'_>, points: &[(Point, Colour)], labels: &[Label]) {
    let ((left, right), (top, bottom)) = (frame.sides(), frame.heights());
    let leading = BODY * LEADING;
    let (mut tags, mut texts) = (Vec::new(), Vec::new());
    for label in labels {
        let room = WIDEST.min(right - left - 3.0 * SPACE);
        let lines = text::wrap(&label.text, BODY, Weight::Bold, room, LINES);
        let width = text::widest(lines.iter().map(String::as_str), BODY, Weight::Bold) + 1.5 * SPACE;
        let size = (width, leading * lines.len() as f64 + SPACE / 2.0);
        tags.push(Tag { place: frame.place(label.at.0, label.at.1), size, colour: label.colour });
        texts.push(lines);
    }
    let areas = arrange(((left, top), (right, bottom)), points, &tags);
    for (tag, area) in tags.iter().zip(&areas) {
        canvas.line(nearest(area, tag.place), tag.place, INK, 1.0);
        canvas.circle(tag.place, 4.0, INK, 1.0);
        canvas.circle(tag.place, 3.0, tag.colour, 1.0);
    }
    for ((tag, (corner, size)), lines) in tags.iter().zip(&areas).zip(&texts) {
        canvas.rectangle(*corner, *size, PAPER);
        canvas.outline(*corner, *size, AXIS, 1.0);
        canvas.rectangle(*corner, (4.0, size.1), tag.colour);
        let first = (corner.0 + 2.0 + size.0 / 2.0, corner.1 + (SPACE / 2.0 + leading) / 2.0);
        canvas.lines(lines, first, leading, Type::new(BODY).bold().anchor(Anchor::Middle));
    }
}

/// The box of each tag within two corners. What is placed first takes the best place and may leave none to another, so
/// each tag is given its turn to be the first, and the cheapest of these arrangements is taken.
fn arrange((low, high): (Point, Point), points: &[(Point, Colour)], tags: &[Tag]) -> Vec<Rectangle> {
    let choices: Vec<Vec<Choice>> = tags.iter().map(|tag| choices((low, high), points, tag)).collect();
    let from = |first: usize| {
        let order: Vec<usize> = (0..tags.len()).map(|i| (first + i) % tags.len()).collect();
        settle(&choices, tags, &order, low)
    };
    let cheapest = (0..tags.len()).map(from).min_by(|a, b| a.0.total_cmp(&b.0));
    cheapest.map(|(_, areas)| areas).unwrap_or_default()
}

/// Puts each box in an order where it costs least, then again with the others in sight, until none moves. Returns the
/// cost of the whole, and the boxes.
fn settle(choices: &[Vec<Choice>], tags: &[Tag], order: &[usize], corner: Point) -> (f64, Vec<Rectangle>) {
    let mut areas: Vec<Option<Choice>> = vec![None; tags.len()];
    let amid = |areas: &[Option<Choice>], own: usize, area: &Rectangle, others: std::ops::Range<usize>| -> f64 {
        let others = others.filter(|i| *i != own).filter_map(|i| Some((areas[i]?.0, tags[i].place)));
        others.map(|(other, place)| clash((area, tags[own].place), (&other, place))).sum()
    };
    for _ in 0..SWEEPS {
        let before = areas.clone();
        for &own in order {
            let cost = |(area, alone): &Choice| alone + amid(&areas, own, area, 0..tags.len());
            let best = choices[own].iter().map(|choice| (cost(choice), *choice));
            let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, choice)| choice);
            areas[own] = best.or(Some(((corner, tags[own].size), 0.0)));
        }
        if areas == before {
            break;
        }
    }
    let cost = |(own, choice): (usize, &Option<Choice>)| {
        choice.map_or(0.0, |(area, alone)| alone + amid(&areas, own, &area, 0..own))
    };
    let whole = areas.iter().enumerate().map(cost).sum();
    (whole, areas.into_iter().flatten().map(|(area, _)| area).collect())
}

/// Where a box may be, and what it costs there as if it were alone: its distance from what it names, and the points under
/// it and its line.
fn choices((low, high): (Point, Point), points: &[(Point, Colour)], tag: &Tag) -> Vec<Choice> {
    let own = points.iter().filter(|(_, colour)| *colour == tag.colour).map(|(at, _)| *at);
    let others = points.iter().filter(|(_, colour)| *colour != tag.colour).map(|(at, _)| *at);
    let (own, others) = (Crowd::new(low, high, own), Crowd::new(low, high, others));
    let steps = |from: f64, to: f64| (0..).map(move |i| from + f64::from(i) * STEP).take_while(move |at| *at <= to);
    let boxes = steps(low.1 + 1.0, high.1 - tag.size.1)
        .flat_map(|y| steps(low.0 + 1.0, high.0 - tag.size.0).map(move |x| ((x, y), tag.size)));
    let cost = |area: Rectangle| {
        let from = nearest(&area, tag.place);
        let away = (from.0 - tag.place.0).hypot(from.1 - tag.place.1);
        let covered = COVERED * f64::from(own.inside(&area)) + FOREIGN.0 * f64::from(others.inside(&area));
        let passed: u32 = along(from, tag.place).map(|at| others.inside(&(at, (0.0, 0.0)))).sum();
        (area, away + covered + FOREIGN.1 * f64::from(passed))
    };
    boxes.map(cost).collect()
}

/// The places on a line, a square's width apart.
fn along(from: Point, to: Point) -> impl Iterator<Item = Point> {
    let count = ((from.0 - to.0).hypot(from.1 - to.1) / STEP).ceil() as u32;
    (0..count).map(move |i| {
        let share = f64::from(i) / f64::from(count);
        (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
    })
}

/// The point of a box where its line begins: the nearest to the place, but no corner.
fn nearest((corner, size): &Rectangle, place: Point) -> Point {
    let inset = (SPACE.min(size.0 / 2.0), SPACE.min(size.1 / 2.0));
    let x = place.0.clamp(corner.0 + inset.0, corner.0 + size.0 - inset.0);
    let y = place.1.clamp(corner.1 + inset.1, corner.1 + size.1 - inset.1);
    // From the side that faces the place.
    let beside = place.0 < corner.0 || place.0 > corner.0 + size.0;
    let level = place.1 >= corner.1 && place.1 <= corner.1 + size.1;
    match (beside, level) {
        (true, true) => (place.0.clamp(corner.0, corner.0 + size.0), y),
        _ => (x, place.1.clamp(corner.1, corner.1 + size.1)),
    }
}

/// What it costs that two boxes, or their lines, get in each other's way.
fn clash((a, from): (&Rectangle, Point), (b, to): (&Rectangle, Point)) -> f64 {
    let (start, end) = (nearest(a, from), nearest(b, to));
    if overlap(a, b) {
        CLASH.1
    } else if through((start, from), b) || through((end, to), a) || cross((start, from), (end, to)) {
        CLASH.0
    } else {
        0.0
    }
}

/// Whether there is too little room between two boxes.
fn overlap(a: &Rectangle, b: &Rectangle) -> bool {
    let meet = |i: fn(&Point) -> f64| i(&a.0) < i(&b.0) + i(&b.1) + APART && i(&b.0) < i(&a.0) + i(&a.1) + APART;
    meet(|p| p.0) && meet(|p| p.1)
}

/// Whether a line comes too near to a box: what is left of it between the box's four sides (Liang and Barsky, 1984).
pub(super) fn through((from, to): (Point, Point), (corner, size): &Rectangle) -> bool {
    let (mut first, mut last) = (0.0_f64, 1.0_f64);
    for i in [(|p: &Point| p.0) as fn(&Point) -> f64, |p| p.1] {
        let (low, high) = (i(corner) - APART, i(corner) + i(size) + APART);
        let (start, run) = (i(&from), i(&to) - i(&from));
        if run == 0.0 {
            if start < low || start > high {
                return false;
            }
        } else {
            let (a, b) = ((low - start) / run, (high - start) / run);
            (first, last) = (first.max(a.min(b)), last.min(a.max(b)));
        }
    }
    first <= last
}

/// Whether two lines cross: each has the ends of the other on both of its sides.
fn cross(a: (Point, Point), b: (Point, Point)) -> bool {
    let side = |(from, to): (Point, Point), at: Point| {
        ((to.0 - from.0) * (at.1 - from.1) - (to.1 - from.1) * (at.0 - from.0)).signum()
    };
    side(a, b.0) * side(a, b.1) <= 0.0 && side(b, a.0) * side(b, a.1) <= 0.0
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
    fn new(corner: Point, end: Point, points: impl Iterator<Item = Point>) -> Self {
        let count = |i: fn(Point) -> f64| ((i(end) - i(corner)) / STEP).ceil().max(0.0) as usize + 2;
        let (columns, rows) = (count(|p| p.0), count(|p| p.1));
        let mut crowd = Self { corner, columns, sums: vec![0; columns * rows] };
        for point in points {
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
    use crate::rng::Rng;
    use crate::visualise::style::category;

    const LOW: Point = (50.0, 20.0);
    const HIGH: Point = (450.0, 360.0);

    fn inside(area: &Rectangle) -> bool {
        area.0.0 >= LOW.0 && area.0.1 >= LOW.1 && area.0.0 + area.1.0 <= HIGH.0 && area.0.1 + area.1.1 <= HIGH.1
    }

    #[test]
    fn a_crowd_is_counted_by_squares() {
        let points = [(11.0, 21.0), (50.0, 60.0), (51.0, 61.0), (109.0, 119.0)];
        let crowd = Crowd::new((10.0, 20.0), (110.0, 120.0), points.into_iter());
        assert_eq!(crowd.inside(&((10.0, 20.0), (100.0, 100.0))), 4);
        assert_eq!(crowd.inside(&((40.0, 40.0), (30.0, 30.0))), 2);
        assert_eq!(crowd.inside(&((70.0, 30.0), (20.0, 20.0))), 0);
    }

    #[test]
    fn boxes_and_lines_keep_out_of_each_others_way() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed, "labels", 0);
            let mut point = |centre: Point, wide: f64| {
                let mut at = |c: f64, low: f64, high: f64| (c + wide * f64::from(rng.normal())).clamp(low, high);
                (at(centre.0, LOW.0, HIGH.0), at(centre.1, LOW.1, HIGH.1))
            };
            // Four groups near the middle, close together, and one that is not named.
            let middles: Vec<Point> = (0..5).map(|_| point((250.0, 190.0), 60.0)).collect();
            let points: Vec<(Point, Colour)> =
                (0..2_000).map(|i| (point(middles[i % 5], 25.0), category(i % 5))).collect();
            let tags: Vec<Tag> = (0..4)
                .map(|i| Tag { place: middles[i], size: (60.0 + 30.0 * i as f64, 21.0), colour: category(i) })
                .collect();
            let areas = arrange((LOW, HIGH), &points, &tags);
            for (i, area) in areas.iter().enumerate() {
                assert!(inside(area), "seed {seed}: {area:?}");
                for (other, tag) in areas.iter().zip(&tags).skip(i + 1) {
                    assert_eq!(clash((area, tags[i].place), (other, tag.place)), 0.0, "seed {seed}: {areas:?}");
                }
            }
        }
    }

    #[test]
    fn a_box_goes_where_nothing_is() {
        // All points but for a strip at the right.
        let points: Vec<(Point, Colour)> = (0..6_400)
            .map(|i| ((50.0 + f64::from(i % 75) * 4.0, 20.0 + f64::from(i / 75) * 4.0), category(1)))
            .collect();
        let tags = [Tag { place: (200.0, 180.0), size: (80.0, 21.0), colour: category(0) }];
        let areas = arrange((LOW, HIGH), &points, &tags);
        assert!(areas[0].0.0 >= 350.0, "{areas:?}");
    }

    #[test]
    fn a_line_and_a_box_that_touch() {
        let area = ((10.0, 10.0), (20.0, 10.0));
        assert!(through(((0.0, 0.0), (40.0, 30.0)), &area));
        assert!(!through(((0.0, 0.0), (40.0, 5.0)), &area));
        assert!(through(((20.0, 0.0), (20.0, 40.0)), &area));
        assert!(!through(((40.0, 0.0), (40.0, 40.0)), &area));
    }
}
