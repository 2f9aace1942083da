//! A table of a page: a caption, columns of text or numbers, and a box of its own to scroll in.

use maud::{Markup, html};

use crate::show::names::escaped;

/// What stands for a missing value.
pub(super) const NONE: &str = "\u{2013}";

/// A table of more rows than this is folded away until it is asked for.
const FOLDED: usize = 40;

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Head {
    title: String,
    numeric: bool,
}

/// A column of text.
pub(super) fn text(title: impl Into<String>) -> Head {
    Head { title: escaped(&title.into()), numeric: false }
}

/// A column of numbers.
pub(super) fn number(title: impl Into<String>) -> Head {
    Head { title: escaped(&title.into()), numeric: true }
}

/// A table to be filled.
#[derive(Debug)]
pub(super) struct Grid {
    caption: String,
    /// With more rows it is folded away.
    fold: usize,
    /// Headings over several columns: the number of columns and the heading.
    groups: Vec<(usize, String)>,
    heads: Vec<Head>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Grid {
    pub(super) fn new(caption: impl Into<String>, heads: impl IntoIterator<Item = Head>) -> Self {
        Self {
            caption: caption.into(),
            fold: FOLDED,
            groups: vec![],
            heads: heads.into_iter().collect(),
            rows: vec![],
            notes: vec![],
        }
    }

    /// The same with other words over it.
    pub(super) fn caption(self, caption: impl Into<String>) -> Self {
        Self { caption: caption.into(), ..self }
    }

    /// The same, folded away if it has more rows than these.
    pub(super) fn folded_above(self, rows: usize) -> Self {
        Self { fold: rows, ..self }
    }

    pub(super) fn groups(mut self, groups: Vec<(usize, String)>) -> Self {
        self.groups = groups;
        self
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escaped(&cell)).collect());
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Keeps so many rows and says how many there are more.
    pub(super) fn cut(&mut self, most: usize) {
        let more = self.rows.len().saturating_sub(most);
        if more > 0 {
            self.rows.truncate(most);
            self.note(format!("and {more} more rows"));
        }
    }

    /// The first column names the row. Columns without a word are left out, and many rows are folded away.
    pub(super) fn markup(mut self) -> Markup {
        self.drop_empty_columns();
        let folded = self.rows.len() > self.fold;
        let table = self.table(!folded);
        html! {
            @if folded {
                details.long {
                    summary { (self.caption) " (" (self.rows.len()) " rows)" }
                    (table)
                }
            } @else { (table) }
        }
    }

    fn drop_empty_columns(&mut self) {
        if !self.groups.is_empty() || self.rows.is_empty() {
            return;
        }
        let told: Vec<bool> = (0..self.heads.len())
            .map(|i| i == 0 || self.rows.iter().any(|r| r.get(i).is_some_and(|c| !c.is_empty())))
            .collect();
        let mut keep = told.iter();
        self.heads.retain(|_| keep.next() != Some(&false));
        for row in &mut self.rows {
            let mut keep = told.iter();
            row.retain(|_| keep.next() != Some(&false));
        }
    }

    fn table(&self, captioned: bool) -> Markup {
        html! {
            figure.table {
                @if captioned { figcaption { (self.caption) } }
                div.scroll role="region" tabindex="0" aria-label=(self.caption) {
                    table {
                        thead {
                            @if !self.groups.is_empty() {
                                tr {
                                    @for (span, title) in &self.groups {
                                        @if title.is_empty() { td colspan=(span) {} }
                                        @else { th.group scope="colgroup" colspan=(span) { (title) } }
                                    }
                                }
                            }
                            tr { @for head in &self.heads { th scope="col" class=[head.numeric.then_some("n")] { (breakable(&head.title)) } } }
                        }
                        tbody {
                            @for row in &self.rows {
                                tr {
                                    @for (i, (cell, head)) in row.iter().zip(&self.heads).enumerate() {
                                        @if i == 0 { th scope="row" class=[head.numeric.then_some("n")] { (cell) } }
                                        @else { td class=[head.numeric.then_some("n")] { (cell) } }
                                    }
                                }
                            }
                        }
                    }
                }
                @for note in &self.notes { p.note { (note) } }
            }
        }
    }
}

/// A name that may be broken after its underscores, where room is short.
fn breakable(text: &str) -> Markup {
    html! { @for (i, part) in text.split('_').enumerate() { @if i > 0 { "_" wbr; } (part) } }
}
