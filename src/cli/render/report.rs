//! What is said of a report: what it refers to and the run does not have.

use super::talk;
use kiln::show::number::count;
use kiln::store::StoreError;

/// So many are told one by one.
const SHOWN: usize = 5;

/// Says that there is no page, because something lies in its place.
pub(crate) fn none(error: &StoreError, what: &str) {
    let hint = error.hint().map_or_else(String::new, |hint| format!("hint: {hint}\n"));
    talk(&format!("{what}: {error}\n{hint}"));
}

/// Says what a page could not show.
pub(crate) fn missing(missing: &[String]) {
    let [_, ..] = missing else { return };
    let mut text = format!("report: {} missing, and said so in their places\n", count(missing.len(), "thing"));
    for what in missing.iter().take(SHOWN) {
        text += &format!("  {}\n", super::look::one_line(what));
    }
    if missing.len() > SHOWN {
        text += &format!("  and {} more\n", missing.len() - SHOWN);
    }
    talk(&text);
}
