//! A flow chart: boxes from top to bottom, branches side by side, folded into columns where it would be too high.

use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{AXIS, BODY, Colour, FAINT, MUTED, PAPER, SMALL, SPACE, STRIPE, mix};
use crate::visualise::text::{self, Weight};

/// The height of a box with one line of text, and with two.
const BOX: (f64, f64) = (26.0, 42.0);
/// No box is narrower, and none is wider.
const WIDTH: (f64, f64) = (104.0, 300.0);
/// From the edge of a box to its texts.
const INSET: f64 = 10.0;
/// Between two boxes, one under another: the room of an arrow.
const ARROW: f64 = 18.0;
/// Between two branches.
const BETWEEN: f64 = 14.0;
/// Around the branches of a fork.
const FRAME: f64 = 10.0;
/// The strip at the top of a fork that holds its name.
const NAME: f64 = 22.0;
/// Above the branches, and below them: the room of the lines that part and meet.
const FAN: f64 = 16.0;
/// A flow higher than this is folded,
const HIGHEST: f64 = 560.0;
/// but not into columns that together are wider than this: it would be shrunk to fit a page.
const WIDEST: f64 = 860.0;
/// Between two columns.
const COLUMNS: f64 = 44.0;
/// Above and below all columns of a folded flow: the room of the lines between columns.
const TURN: f64 = 22.0;

/// A box.
pub(in crate::visualise) struct Node {
    /// What it is.
    pub(in crate::visualise) title: String,
    /// What stands opposite the title; may be empty.
    pub(in crate::visualise) note: String,
    /// What stands below; may be empty.
    pub(in crate::visualise) detail: String,
    /// What kind of thing it is.
    pub(in crate::visualise) colour: Colour,
}

/// A part of a flow.
pub(in crate::visualise) enum Part {
    /// A box.
    Node(Node),
    /// Branches that part and meet again.
    Fork(Fork),
}

/// Branches side by side.
pub(in crate::visualise) struct Fork {
    /// What they make up.
    pub(in crate::visualise) name: String,
    /// The branches; one without a part is a line.
    pub(in crate::visualise) branches: Vec<Vec<Part>>,
    /// Where they meet.
    pub(in crate::visualise) join: Node,
}

/// What is written on a branch without parts.
const SHORTCUT: &str = "identity";

/// A flow chart.
pub(in crate::visualise) struct Flow {
    /// The parts, from the first.
    pub(in crate::visualise) parts: Vec<Part>,
}

impl Node {
    fn width(&self) -> f64 {
        let title = text::width(&self.title, BODY, Weight::Bold);
        let note = text::width(&self.note, SMALL, Weight::Regular);
        let gap = if self.note.is_empty() { 0.0 } else { 2.0 * SPACE };
        let detail = text::width(&self.detail, SMALL, Weight::Regular);
        ((title + gap + note).max(detail) + 2.0 * INSET).ceil().clamp(WIDTH.0, WIDTH.1)
    }

    fn height(&self) -> f64 {
        if self.detail.is_empty() { BOX.0 } else { BOX.1 }
    }

    fn draw(&self, canvas: &mut Canvas<'_>, middle: f64, top: f64, width: f64) {
        let (left, height) = (middle - width / 2.0, self.height());
        canvas.rectangle((left, top), (width, height), mix(PAPER, self.colour, 0.1));
        canvas.outline((left, top), (width, height), mix(PAPER, self.colour, 0.55), 1.0);
        canvas.rectangle((left, top), (4.0, height), self.colour);
        let (start, end) = (left + INSET, left + width - INSET);
        let first = top + if self.detail.is_empty() { height / 2.0 } else { 14.0 };
        let note = text::width(&self.note, SMALL, Weight::Regular);
        let title =
            text::fit(&self.title, BODY, Weight::Bold, end - start - note - if note > 0.0 { SPACE } else { 0.0 });
        canvas.text(&title, (start, first), Type::new(BODY).bold());
        canvas.text(&self.note, (end, first), Type::new(SMALL).colour(MUTED).anchor(Anchor::End));
        let detail = text::fit(&self.detail, SMALL, Weight::Regular, end - start);
        canvas.text(&detail, (start, top + 30.0), Type::new(SMALL).colour(MUTED));
    }
}

impl Fork {
    fn width(&self) -> f64 {
        let branches = self.branches.iter().map(|branch| width(branch)).sum::<f64>();
        let between = BETWEEN * self.branches.len().saturating_sub(1) as f64;
        // The name stands left of the line that comes in at the middle.
        let name = 2.0 * (text::width(&self.name, SMALL, Weight::Bold) + 2.0 * SPACE - FRAME);
        (branches + between).max(self.join.width()).max(name) + 2.0 * FRAME
    }

    fn inner_height(&self) -> f64 {
        self.branches.iter().map(|branch| height(branch)).fold(0.0, f64::max)
    }

    fn height(&self) -> f64 {
        NAME + FAN + ARROW + self.inner_height() + FAN + ARROW + self.join.height() + FRAME
    }

    fn draw(&self, canvas: &mut Canvas<'_>, middle: f64, top: f64) {
        let own = self.width();
        let left = middle - own / 2.0;
        canvas.rectangle((left, top), (own, self.height()), STRIPE);
        canvas.outline((left, top), (own, self.height()), FAINT, 1.0);
        canvas.text(&self.name, (left + SPACE, top + NAME / 2.0), Type::new(SMALL).bold().colour(MUTED));
        let (apart, first) = (top + NAME + FAN / 2.0, top + NAME + FAN + ARROW);
        let (last, meet) = (first + self.inner_height(), first + self.inner_height() + FAN);
        let branches = self.branches.iter().map(|branch| width(branch)).sum::<f64>();
        let taken = branches + BETWEEN * self.branches.len().saturating_sub(1) as f64;
        let mut start = middle - taken / 2.0;
        let mut middles = Vec::new();
        for branch in &self.branches {
            let (width, height) = (width(branch), height(branch));
            let at = start + width / 2.0;
            if branch.is_empty() {
                line(canvas, &[(at, apart), (at, meet)]);
                let half = text::width(SHORTCUT, SMALL, Weight::Regular) / 2.0 + SPACE / 2.0;
                let centre = (first + last) / 2.0;
                canvas.rectangle((at - half, centre - SMALL * 0.8), (2.0 * half, SMALL * 1.6), STRIPE);
                canvas.text(SHORTCUT, (at, centre), Type::new(SMALL).colour(MUTED).anchor(Anchor::Middle));
            } else {
                // Shorter branches stand in the middle of the room.
                let begin = (first + last - height) / 2.0;
                line(canvas, &[(at, apart), (at, begin - ARROW)]);
                arrow(canvas, (at, begin - ARROW), (at, begin));
                draw(canvas, branch, at, begin);
                line(canvas, &[(at, begin + height), (at, meet)]);
            }
            middles.push(at);
            start += width + BETWEEN;
        }
        line(canvas, &[(middle, top), (middle, apart)]);
        for level in [apart, meet] {
            let ends = middles.iter().fold((middle, middle), |(low, high), &m| (low.min(m), high.max(m)));
            line(canvas, &[(ends.0, level), (ends.1, level)]);
        }
        arrow(canvas, (middle, meet), (middle, meet + ARROW));
        self.join.draw(canvas, middle, meet + ARROW, self.join.width());
        line(canvas, &[(middle, meet + ARROW + self.join.height()), (middle, top + self.height())]);
    }
}

impl Part {
    fn width(&self) -> f64 {
        match self {
            Self::Node(node) => node.width(),
            Self::Fork(fork) => fork.width(),
        }
    }

    fn height(&self) -> f64 {
        match self {
            Self::Node(node) => node.height(),
            Self::Fork(fork) => fork.height(),
        }
    }
}

/// The width of parts one under another.
fn width(parts: &[Part]) -> f64 {
    let identity = text::width(SHORTCUT, SMALL, Weight::Regular) + SPACE;
    parts.iter().map(Part::width).reduce(f64::max).unwrap_or(identity)
}

fn height(parts: &[Part]) -> f64 {
    parts.iter().map(Part::height).sum::<f64>() + ARROW * parts.len().saturating_sub(1) as f64
}

/// Draws parts one under another; all boxes are as wide as the widest.
fn draw(canvas: &mut Canvas<'_>, parts: &[Part], middle: f64, top: f64) {
    let nodes = parts.iter().filter(|part| matches!(part, Part::Node(_)));
    let common = nodes.map(Part::width).fold(0.0, f64::max);
    let mut y = top;
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            arrow(canvas, (middle, y - ARROW), (middle, y));
        }
        match part {
            Part::Node(node) => node.draw(canvas, middle, y, common),
            Part::Fork(fork) => fork.draw(canvas, middle, y),
        }
        y += part.height() + ARROW;
    }
}

fn line(canvas: &mut Canvas<'_>, points: &[Point]) {
    canvas.path(points, AXIS, 1.2);
}

/// A line downwards with a head at its end.
fn arrow(canvas: &mut Canvas<'_>, from: Point, to: Point) {
    const HEAD: Point = (3.5, 6.0);
    line(canvas, &[from, (to.0, to.1 - HEAD.1)]);
    canvas.polygon(&[(to.0 - HEAD.0, to.1 - HEAD.1), (to.0 + HEAD.0, to.1 - HEAD.1), to], AXIS);
}

impl Flow {
    /// The columns: as few as keep the flow low enough, or as many as there is room for.
    fn columns(&self) -> Vec<&[Part]> {
        let mut count = (height(&self.parts) / HIGHEST).ceil().max(1.0);
        loop {
            let columns = self.folded(count);
            if count <= 1.0 || spread(&columns) <= WIDEST {
                return columns;
            }
            count -= 1.0;
        }
    }

    /// At most so many columns, as equal as they can be.
    fn folded(&self, count: f64) -> Vec<&[Part]> {
        let mut limit = height(&self.parts) / count;
        loop {
            let columns = fold(&self.parts, limit);
            if columns.len() as f64 <= count {
                return columns;
            }
            limit += BOX.0 / 2.0;
        }
    }
}

/// The width of columns side by side.
fn spread(columns: &[&[Part]]) -> f64 {
    columns.iter().map(|column| width(column)).sum::<f64>() + COLUMNS * columns.len().saturating_sub(1) as f64
}

/// Fills one column after another up to a height.
fn fold(parts: &[Part], limit: f64) -> Vec<&[Part]> {
    let (mut columns, mut start) = (Vec::new(), 0);
    for end in 1..=parts.len() {
        if end > start + 1 && height(&parts[start..end]) > limit {
            columns.push(&parts[start..end - 1]);
            start = end - 1;
        }
    }
    columns.push(&parts[start..]);
    columns
}

impl Chart for Flow {
    fn size(&self) -> Point {
        let columns = self.columns();
        let tallest = columns.iter().map(|column| height(column)).fold(0.0, f64::max);
        (spread(&columns), tallest + if columns.len() > 1 { 2.0 * TURN } else { 0.0 })
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let columns = self.columns();
        let bottom = at.1 + self.size().1;
        let top = at.1 + if columns.len() > 1 { TURN } else { 0.0 };
        let mut left = at.0;
        let mut from: Option<Point> = None;
        for column in columns {
            let middle = left + width(column) / 2.0;
            if let Some((x, y)) = from {
                let turn = left - COLUMNS / 2.0;
                line(canvas, &[(x, y), (x, bottom), (turn, bottom), (turn, at.1), (middle, at.1)]);
                arrow(canvas, (middle, at.1), (middle, top));
            }
            draw(canvas, column, middle, top);
            from = Some((middle, top + height(column)));
            left += width(column) + COLUMNS;
        }
    }
}
