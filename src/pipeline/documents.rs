//! Inputs that are documents are resolved before anything runs; a mistake in one is shown in its own file.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Label, Span};
use crate::kind::DocumentError;
use crate::text;

use super::expand::World;
use super::inputs::Source;
use super::mistake::Mistakes;
use super::node::Place;
use super::source::offset;

/// Resolves every document among the sources that exist, each once.
pub(super) fn check<'s>(
    world: &World<'_>,
    sources: impl Iterator<Item = &'s Source>,
    root: &Path,
    mistakes: &mut Mistakes<'_>,
) {
    let mut seen: HashSet<(&str, &str, &str)> = HashSet::new();
    for source in sources {
        let plan = &world.plans[world.drafts[source.draft].plan];
        let Some(kind) = &plan.kind else { continue };
        if !plan.ports.iter().any(|p| p.name == source.input) {
            continue;
        }
        if !seen.insert((kind.name(), &source.input, &source.path)) {
            continue;
        }
        if let Some(Err(error)) = kind.document(&source.input, &root.join(&source.path)) {
            let diagnostic = explain(error, source.place, root, mistakes);
            mistakes.add_foreign(diagnostic);
        }
    }
}

fn explain(error: DocumentError, place: Place, root: &Path, mistakes: &Mistakes<'_>) -> Diagnostic {
    let file = error.file.strip_prefix(root).unwrap_or(&error.file).to_owned();
    let used = mistakes.label(place, "");
    let mut diagnostic = Diagnostic::error(error.message);
    match error.at {
        Some((line, column)) => {
            let text = fs::read(&error.file).unwrap_or_default();
            let span = text::of(&text).map_or_else(|_| Span::default(), |text| word(text, line, column));
            diagnostic.labels.push(Label { file, span, text: String::new() });
            diagnostic.labels.push(Label { text: "used here".into(), ..used });
        }
        None => {
            diagnostic.labels.push(used);
            diagnostic.notes.push(format!("the mistake is in `{}`", file.display()));
        }
    }
    diagnostic.hint = error.hint;
    diagnostic
}

/// The word that begins at a line and column.
fn word(text: &str, line: usize, column: usize) -> Span {
    let start = offset(text, line, column);
    let rest = &text[start..];
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | ']' | '}')).unwrap_or(rest.len());
    let one = rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    Span { start, end: start + end.max(one) }
}
