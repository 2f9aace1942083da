//! A heat map: a matrix of shares with what is written in each cell.

use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{ACCENT, BODY, HEADING, LEADING, MUTED, PAPER, SMALL, SPACE, mix, on};
use crate::visualise::text::{self, Weight};

/// The least and the greatest width of a cell that holds two lines.
const CELL: (f64, f64) = (62.0, 110.0);
/// A cell that holds one number.
const NARROW: f64 = 34.0;
/// A cell that holds no number.
const BARE: f64 = 14.0;
/// Up to so many columns there is room for two lines, and for one.
const DETAIL: (usize, usize) = (15, 40);
/// The most that a row's name takes up.
const NAME: f64 = 150.0;
/// The most lines that a column's name is broken into.
const NAME_LINES: usize = 3;

/// A cell.
pub(in crate::visualise) struct Cell {
    /// How dark it is: 0 to 1.
    pub(in crate::visualise) share: f64,
    /// What stands in it first: a count.
    pub(in crate::visualise) number: String,
    /// What stands below it, where there is room.
    pub(in crate::visualise) detail: String,
}

/// A heat map.
pub(in crate::visualise) struct HeatMap {
    /// What the rows are.
    pub(in crate::visualise) row_axis: String,
    /// What the columns are.
    pub(in crate::visualise) column_axis: String,
    /// The names of the rows.
    pub(in crate::visualise) rows: Vec<String>,
    /// The names of the columns.
    pub(in crate::visualise) columns: Vec<String>,
    /// The cells, a vector a row.
    pub(in crate::visualise) cells: Vec<Vec<Cell>>,
}

/// The lengths that follow from the texts.
struct Layout {
    cell: Point,
    size: f64,
    row_names: f64,
    /// The names of the columns in lines; turned by a quarter where they are too wide for that.
    column_names: Option<Vec<Vec<String>>>,
    column_names_height: f64,
}

impl HeatMap {
    fn layout(&self) -> Layout {
        let count = self.columns.len();
        let words = || self.columns.iter().flat_map(|name| name.split_whitespace());
        let numbers = text::widest(
            self.cells.iter().flatten().flat_map(|c| [c.number.as_str(), c.detail.as_str()]),
            HEADING,
            Weight::Bold,
        );
        let (cell, size) = if count <= DETAIL.0 {
            let word = text::widest(words(), BODY, Weight::Regular);
            let side = (word.max(numbers) + SPACE).clamp(CELL.0, CELL.1.max(numbers + SPACE));
            ((side, side.min(72.0)), BODY)
        } else if count <= DETAIL.1 {
            let side = NARROW.max(numbers + SPACE / 2.0);
            ((side, side.min(NARROW)), SMALL)
        } else {
            ((BARE, BARE), SMALL - 1.0)
        };
        let room = cell.0 - SPACE / 2.0;
        let flat = count <= DETAIL.0 && words().all(|word| text::width(word, size, Weight::Regular) <= room);
        let column_names = flat.then(|| {
            self.columns.iter().map(|n| text::wrap(n, size, Weight::Regular, room, NAME_LINES)).collect::<Vec<_>>()
        });
        let column_names_height = match &column_names {
            Some(names) => names.iter().map(Vec::len).max().unwrap_or(0) as f64 * size * LEADING,
            None => text::widest(self.columns.iter().map(String::as_str), size, Weight::Regular).min(NAME),
        };
        let row_names = text::widest(self.rows.iter().map(String::as_str), size, Weight::Regular).min(NAME);
        Layout { cell, size, row_names, column_names, column_names_height }
    }
}

impl Layout {
    /// The top left cell's distance from the left edge.
    fn left(&self) -> f64 {
        BODY * LEADING + SPACE / 2.0 + self.row_names + SPACE
    }
}

impl Chart for HeatMap {
    fn size(&self) -> Point {
        let layout = self.layout();
        let width = layout.left() + layout.cell.0 * self.columns.len() as f64;
        let height = layout.cell.1 * self.rows.len() as f64;
        (width, height + SPACE + layout.column_names_height + SPACE / 2.0 + BODY * LEADING)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let layout = self.layout();
        let (left, (width, height)) = (at.0 + layout.left(), layout.cell);
        for (i, row) in self.cells.iter().enumerate() {
            let top = at.1 + i as f64 * height;
            for (j, cell) in row.iter().enumerate() {
                draw_cell(canvas, cell, (left + j as f64 * width, top), layout.cell, self.columns.len());
            }
            let lines = ((height / (layout.size * LEADING)) as usize).clamp(1, NAME_LINES);
            let name = text::wrap(&self.rows[i], layout.size, Weight::Regular, layout.row_names + 0.5, lines);
            let leading = layout.size * 1.25;
            let first = top + height / 2.0 - (name.len().saturating_sub(1)) as f64 * leading / 2.0;
            canvas.lines(&name, (left - SPACE, first), leading, Type::new(layout.size).anchor(Anchor::End));
        }
        let bottom = at.1 + height * self.rows.len() as f64;
        for (j, name) in self.columns.iter().enumerate() {
            let middle = left + (j as f64 + 0.5) * width;
            match &layout.column_names {
                Some(names) => {
                    let leading = layout.size * LEADING;
                    let set = Type::new(layout.size).anchor(Anchor::Middle);
                    canvas.lines(&names[j], (middle, bottom + SPACE + leading / 2.0), leading, set);
                }
                None => {
                    let name = text::fit(name, layout.size, Weight::Regular, layout.column_names_height + 0.5);
                    let set = Type::new(layout.size).anchor(Anchor::End).upwards();
                    canvas.text(&name, (middle, bottom + SPACE), set);
                }
            }
        }
        let set = Type::new(BODY).bold().colour(MUTED).anchor(Anchor::Middle);
        let middle = left + width * self.columns.len() as f64 / 2.0;
        canvas.text(&self.column_axis, (middle, at.1 + self.size().1 - BODY * LEADING / 2.0), set);
        canvas.text(&self.row_axis, (at.0 + BODY / 2.0, (at.1 + bottom) / 2.0), set.upwards());
    }
}

fn draw_cell(canvas: &mut Canvas<'_>, cell: &Cell, at: Point, size: Point, columns: usize) {
    let ground = mix(mix(PAPER, ACCENT, 0.04), ACCENT, cell.share);
    let gap = if columns <= DETAIL.1 { 1.0 } else { 0.5 };
    canvas.rectangle((at.0 + gap, at.1 + gap), (size.0 - 2.0 * gap, size.1 - 2.0 * gap), ground);
    let set = Type::new(HEADING).anchor(Anchor::Middle).colour(on(ground));
    let (x, y) = (at.0 + size.0 / 2.0, at.1 + size.1 / 2.0);
    if columns <= DETAIL.0 {
        canvas.text(&cell.number, (x, y - SMALL * 0.75), set.bold());
        canvas.text(&cell.detail, (x, y + SMALL * 0.75), Type { size: SMALL, ..set });
    } else if columns <= DETAIL.1 {
        canvas.text(&cell.number, (x, y), Type { size: SMALL, ..set });
    }
}
