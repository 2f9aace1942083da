//! A table of texts, drawn for a terminal of some width or as Markdown.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use super::look::Look;
use super::names::escaped as escaped_name;

/// Which side of its column a text keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table of texts.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Vec<(String, Side)>,
    rows: Vec<Vec<String>>,
    /// Columns at the left that name the row: repeated where a wide table is cut into several.
    keys: usize,
    /// The column whose text may be wrapped; without one, a wide table is cut.
    wrapped: Option<usize>,
}

/// Spaces between columns.
const GAP: usize = 2;
/// A column narrower than this is not worth wrapping into.
const NARROWEST: usize = 24;

impl Grid {
    /// An empty table, the first `keys` columns of which name the row.
    pub(crate) fn new<T: Into<String>>(keys: usize, columns: impl IntoIterator<Item = (T, Side)>) -> Self {
        let columns = columns.into_iter().map(|(title, side)| (escaped_name(&title.into()), side)).collect();
        Self { columns, rows: vec![], keys, wrapped: None }
    }

    /// Lets the text of `column` wrap where the table is too wide.
    #[must_use]
    pub(crate) fn wrapping(mut self, column: usize) -> Self {
        self.wrapped = Some(column);
        self
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().map(|cell| escaped_name(cell.trim())).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For a terminal or a file: aligned columns, a line under the header, each line ended.
    pub(crate) fn text(&self, look: &Look) -> String {
        let widths = self.widths();
        let total: usize = widths.iter().map(|w| w + GAP).sum::<usize>().saturating_sub(GAP);
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = look.width.filter(|&width| total > width) else {
            return self.draw(&all, None);
        };
        if let Some(column) = self.wrapped {
            let room = width.saturating_sub(total - widths[column]);
            return self.draw(&all, Some((column, room.max(NARROWEST))));
        }
        self.cuts(&widths, width).iter().map(|columns| self.draw(columns, None)).collect::<Vec<_>>().join("\n")
    }

    /// As a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.columns.iter().map(|(title, _)| escaped(title)).collect());
        let rule = |side: Side| if side == Side::Left { "---" } else { "---:" };
        text += &line(self.columns.iter().map(|(_, side)| rule(*side).to_owned()).collect());
        for row in &self.rows {
            text += &line(row.iter().map(|cell| escaped(cell)).collect());
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let cells = |i: usize| self.rows.iter().map(move |row| console::measure_text_width(&row[i]));
        let titles = self.columns.iter().map(|(title, _)| console::measure_text_width(title));
        titles.enumerate().map(|(i, title)| cells(i).fold(title, usize::max)).collect()
    }

    /// Groups of columns that fit `width`, each with the key columns in front.
    fn cuts(&self, widths: &[usize], width: usize) -> Vec<Vec<usize>> {
        let keys: Vec<usize> = (0..self.keys).collect();
        let start: usize = widths[..self.keys].iter().map(|w| w + GAP).sum();
        let mut cuts = vec![keys.clone()];
        let mut used = start;
        for (i, own) in widths.iter().enumerate().skip(self.keys) {
            // A column that is too wide on its own gets a cut of its own all the same.
            if used > start && used + own > width {
                cuts.push(keys.clone());
                used = start;
            }
            used += own + GAP;
            if let Some(cut) = cuts.last_mut() {
                cut.push(i);
            }
        }
        cuts
    }

    fn draw(&self, columns: &[usize], wrap: Option<(usize, usize)>) -> String {
        let mut table = Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|&i| &self.columns[i].0));
        table.add_rows(self.rows.iter().map(|row| columns.iter().map(|&i| &row[i])));
        for (place, &i) in columns.iter().enumerate() {
            let Some(column) = table.column_mut(place) else { continue };
            column.set_padding((0, if place + 1 == columns.len() { 0 } else { GAP as u16 }));
            let right = self.columns[i].1 == Side::Right;
            column.set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
            if let Some((_, room)) = wrap.filter(|(wrapped, _)| *wrapped == i) {
                let padding = usize::from(column.padding_width());
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed((room + padding) as u16)));
            }
        }
        if wrap.is_some() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::MAX);
        }
        format!("{}\n", table.trim_fmt())
    }
}

/// Text in a Markdown cell: what would end the cell or be taken as markup is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '|' | '<' | '`' | '*') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(1, [("model", Side::Left), ("accuracy", Side::Right), ("loss", Side::Right)]);
        grid.row(["5".into(), "0.9732".into(), "0.1234".into()]);
        grid.row(["naïve 漢字".into(), "0.5".into()]);
        grid
    }

    fn of_width(width: usize) -> Look {
        Look { width: Some(width), ..Look::default() }
    }

    #[test]
    fn wide_characters_keep_the_columns_aligned() {
        let expected = "\
model       accuracy    loss
────────────────────────────
5             0.9732  0.1234
naïve 漢字       0.5
";
        assert_eq!(grid().text(&Look::default()), expected);
    }

    #[test]
    fn a_table_wider_than_the_terminal_is_cut_with_its_keys_repeated() {
        let expected = "\
model       accuracy
────────────────────
5             0.9732
naïve 漢字       0.5

model         loss
──────────────────
5           0.1234
naïve 漢字
";
        assert_eq!(grid().text(&of_width(24)), expected);
        assert_eq!(grid().text(&of_width(28)), grid().text(&Look::default()));
        assert_eq!(grid().text(&of_width(3)), expected, "never narrower than a column");
    }

    #[test]
    fn one_column_may_wrap() {
        let mut grid = Grid::new(1, [("stage", Side::Left), ("why", Side::Left), ("n", Side::Right)]).wrapping(1);
        grid.row(["train".into(), "parameter dropout: 0.25 => 0.5; output model changed".into(), "1".into()]);
        let text = grid.text(&of_width(40));
        let expected = "\
stage  why                             n
────────────────────────────────────────
train  parameter dropout: 0.25 =>      1
       0.5; output model changed
";
        assert_eq!(text, expected);
        assert_eq!(grid.text(&Look::default()).lines().count(), 3, "not in a pipe");
    }

    #[test]
    fn markdown_escapes_what_would_break_the_table() {
        let mut grid = Grid::new(1, [("a|b", Side::Left), ("n", Side::Right)]);
        grid.row(["x|y\n<b>*".into(), "1".into()]);
        assert_eq!(grid.markdown(), "| a\\|b | n |\n| --- | ---: |\n| x\\|y\\\\n\\<b>\\* | 1 |\n");
    }
}
