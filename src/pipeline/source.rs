//! Text to a placed tree: the YAML is read for its values and for its positions, and what is no YAML is explained.

use super::mistake::{Mistake, Mistakes};
use super::node::{Entry, Node, Place};
use super::positions::FaultKind;
use super::{parse, pieces, positions};

/// Reads a YAML text that begins `base` bytes into the text with number `origin`.
pub(super) fn tree(text: &str, origin: u16, base: u32, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    read(text, origin, base, false, mistakes)
}

/// Reads a YAML text that other programs read, too: what it merges with `<<` is left to the caller.
pub(super) fn foreign(text: &str, origin: u16, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    read(text, origin, 0, true, mistakes)
}

fn read(text: &str, origin: u16, base: u32, merges: bool, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    if origin == 0
        && base == 0
        && let Some(node) = pieces::tree(text)
    {
        return Some(node);
    }
    // The first look is quick for every text and holds it to bounds; the second is quick for what passed.
    let marks = positions::scan(text, base);
    match &marks {
        Ok(_) if parse::may_split_otherwise(text) && parse::may_take_long(text) => {
            mistakes.add(
                Mistake::new("this YAML holds U+0085, U+2028 or U+2029, which some readers take for the end of a line")
                    .hint("write `\\N`, `\\L` or `\\P` within double quotes"),
            );
            return None;
        }
        Err(fault) if !matches!(fault.kind, FaultKind::Syntax(_)) || parse::may_take_long(text) => {
            mistakes.add(unreadable(fault, origin));
            return None;
        }
        _ => {}
    }
    let mut node = match parse::tree(text, parse::ALIASED) {
        Ok(node) => node,
        Err(fault) => {
            mistakes.add(explain(fault, text, origin, base));
            return None;
        }
    };
    let marks = match marks {
        Ok(marks) => marks,
        Err(fault) => {
            mistakes.add(unreadable(&fault, origin));
            return None;
        }
    };
    marks.place(&mut node, origin, &mut |first, entry| {
        if entry.key != "<<" {
            mistakes.add(twice(first, entry));
        } else if !merges {
            let mistake = Mistake::new("`<<` merges nothing here").at(entry.place, "");
            mistakes.add(mistake.hint("share values through `params`, a `matrix` or a profile"));
        }
    });
    Some(node)
}

/// A key that stands twice in its mapping.
pub(super) fn twice(first: Place, entry: &Entry) -> Mistake {
    Mistake::new(format!("`{}` stands here twice", entry.key)).at(entry.place, "").at(first, "first here")
}

/// Why the first look did not take a text.
fn unreadable(fault: &positions::Fault, origin: u16) -> Mistake {
    let mistake = match &fault.kind {
        FaultKind::Depth => Mistake::new(TOO_DEEP),
        FaultKind::Directives => Mistake::new("too many directives (lines that begin with `%`) stand before this YAML"),
        FaultKind::Syntax(message) => Mistake::new(format!("this is not YAML: {message}")),
    };
    mistake.at(Place { origin, start: fault.at, end: fault.at + 1 }, "")
}

/// The byte at which a second document begins: a line `---` after content, or after another such line.
fn second_document(text: &str) -> Option<usize> {
    let is_mark = |line: &str| line.trim_end() == "---" || line.starts_with("--- ") || line.starts_with("---\t");
    let is_nothing = |line: &str| line.trim().is_empty() || line.starts_with('%') || line.trim_start().starts_with('#');
    let (mut at, mut said) = (0, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches('\u{feff}');
        if said && is_mark(bare) {
            return Some(at);
        }
        said |= is_mark(bare) || !is_nothing(bare);
        at += line.len();
    }
    None
}

const TOO_DEEP: &str = "lists and mappings nest too deeply in this YAML";

/// A parser's complaint with a place, and a hint where it is a slip that pipelines invite.
fn explain(fault: parse::Fault, text: &str, origin: u16, base: u32) -> Mistake {
    let is_second = fault.message.contains("more than one document");
    let mut mistake = match fault.message.as_str() {
        "recursion limit exceeded" => Mistake::new(TOO_DEEP),
        "repetition limit exceeded" => Mistake::new("the aliases in this YAML repeat too many values"),
        _ if is_second => {
            Mistake::new("the file holds more than one YAML document").hint("remove the line `---` and what follows it")
        }
        message if fault.refused.is_some() => Mistake::new(message),
        message => Mistake::new(format!("this is not YAML: {message}")),
    }
    .maybe_hint(fault.refused.clone().filter(|hint| !hint.is_empty()));
    let whole = || if is_second { second_document(text) } else { None };
    // What is wrong with the text as a whole has no place of its own, and is shown at its beginning.
    let at = fault.at.map_or_else(|| whole().unwrap_or(0), |(line, column)| offset(text, line, column));
    let width = text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let place = |at: usize, width: usize| Place { origin, start: base + at as u32, end: base + (at + width) as u32 };
    mistake = mistake.at(place(at, width), "");
    if let Some((what, (line, column))) = fault.within {
        let began = offset(text, line, column);
        if began != at {
            mistake = mistake.at(place(began, 1.min(text.len() - began)), what);
        }
    }
    let here = &text[at..];
    if here.starts_with('\t') {
        mistake.hint("YAML is indented with spaces; this is a tab")
    } else if !fault.message.starts_with("did not find expected") {
        mistake
    } else if here.starts_with('{') && text[..at].ends_with('$') {
        mistake.hint("within `{...}` or `[...]` an interpolation has to be quoted: \"${...}\"")
    } else if here.starts_with('[') {
        mistake.hint("within `{...}` a text with `[` in it has to be quoted: \"stage[*].output\"")
    } else {
        mistake
    }
}

/// The byte of a line and column, both from 1, the column in characters.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let within = text[start..].char_indices().nth(column.saturating_sub(1)).map_or(text.len() - start, |(i, _)| i);
    start + within
}
