//! A legend: a strip of marks and names.

use crate::visualise::canvas::{Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{BODY, Colour, LEADING, SPACE};
use crate::visualise::text::{self, Weight};

/// The radius of a mark.
const RADIUS: f64 = 5.0;
/// From a mark's left edge to its name.
const INDENT: f64 = 2.0 * RADIUS + 0.75 * SPACE;

/// Names of colours, as many in a line as there is room for.
pub(in crate::visualise) struct Legend {
    entries: Vec<(String, Colour, Point)>,
    size: Point,
}

impl Legend {
    /// A legend `width` wide.
    pub(in crate::visualise) fn new(width: f64, entries: impl IntoIterator<Item = (String, Colour)>) -> Self {
        let leading = BODY * LEADING + 2.0;
        let (mut x, mut y) = (0.0, 0.0);
        let mut placed = Vec::new();
        for (name, colour) in entries {
            let name = text::fit(&name, BODY, Weight::Regular, width - INDENT);
            let taken = INDENT + text::width(&name, BODY, Weight::Regular);
            if x > 0.0 && x + taken > width {
                (x, y) = (0.0, y + leading);
            }
            placed.push((name, colour, (x, y)));
            x += taken + 2.0 * SPACE;
        }
        Self { entries: placed, size: (width, y + leading) }
    }
}

impl Chart for Legend {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        for (name, colour, (x, y)) in &self.entries {
            let (x, y) = (at.0 + x, at.1 + y + BODY * LEADING / 2.0);
            canvas.circle((x + RADIUS, y), RADIUS, *colour, 1.0);
            canvas.text(name, (x + INDENT, y), Type::new(BODY));
        }
    }
}
