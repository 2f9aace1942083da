//! Tables under titles, as text and as Markdown.

use super::look::Look;
use super::names;
use super::table::{Grid, escaped};

/// What stands for a missing value.
pub(super) const NONE: &str = "-";

/// A titled table with remarks under it.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) grid: Grid,
    pub(super) notes: Vec<String>,
}

pub(super) fn as_text(sections: &[Section], look: &Look) -> String {
    let mut blocks = Vec::new();
    for section in sections {
        let mut block = format!("{}\n", look.bold(&names::escaped(&section.title)));
        if !section.grid.is_empty() {
            block += &section.grid.text(look);
        }
        section.notes.iter().for_each(|note| block += &format!("{}\n", look.dim(&names::escaped(note))));
        blocks.push(block);
    }
    blocks.join("\n")
}

pub(super) fn as_markdown(sections: &[Section]) -> String {
    let mut blocks = Vec::new();
    for section in sections {
        blocks.push(format!("### {}\n", escaped(&names::escaped(&section.title))));
        if !section.grid.is_empty() {
            blocks.push(section.grid.markdown());
        }
        blocks.extend(section.notes.iter().map(|note| format!("{}\n", escaped(note))));
    }
    blocks.join("\n")
}
