//! A table: columns as wide as their texts, numbers on the right.

use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::{Chart, draw_heading, heading_height};
use crate::visualise::style::{AXIS, BODY, FAINT, INK, LEADING, MUTED, SMALL, SPACE, STRIPE};
use crate::visualise::text::{self, Weight};

/// The height of a row.
const ROW: f64 = 22.0;
/// Between two columns.
const GAP: f64 = 3.0 * SPACE;
/// A wider text is cut.
const WIDEST: f64 = 420.0;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::visualise) enum Align {
    /// Texts.
    Left,
    /// Numbers, all with as many decimals.
    Right,
}

/// A row.
pub(in crate::visualise) struct Row {
    /// A text a column.
    pub(in crate::visualise) cells: Vec<String>,
    /// Whether it stands out.
    pub(in crate::visualise) bold: bool,
}

impl Row {
    /// A row like any other.
    pub(in crate::visualise) fn new<S: Into<String>>(cells: impl IntoIterator<Item = S>) -> Self {
        Self { cells: cells.into_iter().map(Into::into).collect(), bold: false }
    }

    /// A row that stands for those left out.
    pub(in crate::visualise) fn ellipsis(columns: usize) -> Self {
        Self::new(vec!["…"; columns])
    }

    /// Makes it stand out, or not.
    pub(in crate::visualise) fn bold(mut self, bold: bool) -> Self {
        self.bold = bold;
        self
    }

    fn weight(&self) -> Weight {
        if self.bold { Weight::Bold } else { Weight::Regular }
    }
}

/// A table.
pub(in crate::visualise) struct Table {
    /// What it shows; may be empty.
    pub(in crate::visualise) title: String,
    /// The heads of the columns.
    pub(in crate::visualise) columns: Vec<(String, Align)>,
    /// The rows.
    pub(in crate::visualise) rows: Vec<Row>,
    /// Lines under the table.
    pub(in crate::visualise) notes: Vec<String>,
    /// It is made at least this wide.
    pub(in crate::visualise) width: f64,
}

impl Table {
    /// The widths of the columns, `GAP` included; room that is left over goes to all of them alike.
    fn columns(&self) -> Vec<f64> {
        let mut widths: Vec<f64> = (0..self.columns.len())
            .map(|i| {
                let head = text::width(&self.columns[i].0, BODY, Weight::Bold);
                let cells = self.rows.iter().map(|row| text::width(&row.cells[i], BODY, row.weight()));
                cells.fold(head, f64::max).min(WIDEST) + GAP
            })
            .collect();
        let notes = text::widest(self.notes.iter().map(String::as_str), SMALL, Weight::Regular);
        let title = text::width(&self.title, crate::visualise::style::HEADING, Weight::Bold);
        let spare = (self.width.max(notes).max(title.min(WIDEST)) - widths.iter().sum::<f64>()).max(0.0);
        let share = spare / widths.len() as f64;
        widths.iter_mut().for_each(|width| *width += share);
        widths
    }

    fn draw_row(&self, canvas: &mut Canvas<'_>, widths: &[f64], cells: &[String], (x, y): Point, set: Type) {
        let mut left = x;
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            let cell = text::fit(cell, set.size, set.weight, width - SPACE);
            let middle = y + ROW / 2.0;
            match align {
                Align::Left => canvas.text(&cell, (left + GAP / 2.0, middle), set),
                Align::Right => canvas.text(&cell, (left + width - GAP / 2.0, middle), set.anchor(Anchor::End)),
            }
            left += width;
        }
    }
}

impl Chart for Table {
    fn size(&self) -> Point {
        let notes = self.notes.len() as f64 * SMALL * LEADING + if self.notes.is_empty() { 0.0 } else { SPACE };
        let rows = (self.rows.len() + 1) as f64 * ROW;
        (self.columns().iter().sum(), heading_height(&self.title) + rows + notes)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, (x, top): Point) {
        let widths = self.columns();
        let width: f64 = widths.iter().sum();
        draw_heading(canvas, &self.title, (x, top), width);
        let mut y = top + heading_height(&self.title);
        let heads: Vec<String> = self.columns.iter().map(|c| c.0.clone()).collect();
        self.draw_row(canvas, &widths, &heads, (x, y), Type::new(BODY).bold());
        y += ROW;
        canvas.line((x, y), (x + width, y), AXIS, 1.0);
        for (i, row) in self.rows.iter().enumerate() {
            if i % 2 == 1 {
                canvas.rectangle((x, y), (width, ROW), STRIPE);
            }
            let set = Type { weight: row.weight(), ..Type::new(BODY).colour(INK) };
            self.draw_row(canvas, &widths, &row.cells, (x, y), set);
            y += ROW;
        }
        canvas.line((x, y), (x + width, y), FAINT, 1.0);
        let set = Type::new(SMALL).colour(MUTED);
        canvas.lines(&self.notes, (x, y + SPACE + SMALL * LEADING / 2.0), SMALL * LEADING, set);
    }
}
