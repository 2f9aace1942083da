//! A dot chart (Cleveland, 1984): a number a row with its interval, on an axis that need not start at zero.

use super::axis::{Axis, Frame, Grid};
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{ACCENT, BODY, FAINT, LEADING, SPACE};
use crate::visualise::text::{self, Weight};

/// The height of a row.
const ROW: f64 = 26.0;
/// The most that a name takes up.
const NAME: f64 = 260.0;

/// A row.
pub(in crate::visualise) struct Dot {
    /// What was measured.
    pub(in crate::visualise) name: String,
    /// The value.
    pub(in crate::visualise) value: f64,
    /// The value in words.
    pub(in crate::visualise) label: String,
    /// Where the true value may lie.
    pub(in crate::visualise) interval: Option<(f64, f64)>,
    /// Whether it stands out.
    pub(in crate::visualise) bold: bool,
}

/// A dot chart.
pub(in crate::visualise) struct DotChart {
    /// It is made this wide, or as wide as its names need.
    pub(in crate::visualise) width: f64,
    /// What is measured.
    pub(in crate::visualise) axis: String,
    /// The rows, from the top.
    pub(in crate::visualise) dots: Vec<Dot>,
}

impl DotChart {
    fn names(&self) -> f64 {
        text::widest(self.dots.iter().map(|d| d.name.as_str()), BODY, Weight::Bold).min(NAME) + SPACE
    }

    fn labels(&self) -> f64 {
        text::widest(self.dots.iter().map(|d| d.label.as_str()), BODY, Weight::Bold) + 1.5 * SPACE
    }
}

impl Chart for DotChart {
    fn size(&self) -> Point {
        let width = self.width.max(self.names() + self.labels() + 240.0);
        (width, self.dots.len() as f64 * ROW + 3.0 * BODY * LEADING)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let values = self.dots.iter().flat_map(|d| {
            let (low, high) = d.interval.unwrap_or((d.value, d.value));
            [low, high]
        });
        let x = Axis::around(&self.axis, values);
        let y = Axis::rows(self.dots.len());
        let (size, names) = (self.size(), self.names());
        let plot = ((at.0 + names, at.1), (size.0 - names - self.labels(), size.1));
        let frame = Frame::draw(canvas, plot, "", (&x, &y), Grid::Vertical);
        for (i, dot) in self.dots.iter().enumerate() {
            let row = (self.dots.len() - 1 - i) as f64;
            let centre = frame.place(dot.value, row);
            let (left, right) = frame.sides();
            canvas.line((left, centre.1), (right, centre.1), FAINT, 1.0);
            if let Some((low, high)) = dot.interval {
                canvas.line(frame.place(low, row), frame.place(high, row), ACCENT, 2.0);
            }
            canvas.circle(centre, 5.0, ACCENT, 1.0);
            let weight = if dot.bold { Weight::Bold } else { Weight::Regular };
            let set = Type { weight, ..Type::new(BODY).anchor(Anchor::End) };
            canvas.text(
                &text::fit(&dot.name, BODY, weight, names - SPACE + 0.5),
                (at.0 + names - SPACE, centre.1),
                set,
            );
            canvas.text(&dot.label, (at.0 + size.0, centre.1), set);
        }
    }
}
