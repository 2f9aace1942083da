//! Diagnostics as text for people: the message, the lines it is about with carets, notes and a hint.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use kiln::diagnostic::{Diagnostic, Label, MOST, Span};

/// How many are shown; the rest is counted.
const SHOWN: usize = 50;

/// Draws diagnostics, one after the other with an empty line between.
///
/// `read` gives the text of a file that a label names, if it can be read; without it the place is named only.
pub(crate) fn diagnostic(diags: &[Diagnostic], read: &dyn Fn(&Path) -> Option<String>, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut texts: HashMap<&Path, Option<String>> = HashMap::new();
    for label in diags.iter().take(SHOWN).flat_map(|d| &d.labels) {
        texts.entry(&label.file).or_insert_with(|| read(&label.file));
    }
    let mut shown: Vec<String> =
        diags.iter().take(SHOWN).map(|d| renderer.render(&[group(d, &texts)]).trim_end().to_owned()).collect();
    if let Some(more) = diags.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        let all = if diags.len() < MOST { "" } else { "at least " };
        let more = format!("and {all}{more} more mistakes");
        shown.push(renderer.render(&[Group::with_title(Level::ERROR.primary_title(more))]));
    }
    let mut out = shown.join("\n\n");
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, texts: &'a HashMap<&Path, Option<String>>) -> Group<'a> {
    let mut elements: Vec<Element<'a>> = Vec::new();
    let mut files: Vec<&PathBuf> = Vec::new();
    for label in &diagnostic.labels {
        if files.contains(&&label.file) {
            continue;
        }
        files.push(&label.file);
        let path = label.file.display().to_string();
        match texts.get(label.file.as_path()) {
            Some(Some(text)) => elements.push(snippet(diagnostic, &label.file, text, path).into()),
            _ => elements.push(Origin::path(path).into()),
        }
    }
    elements.extend(diagnostic.notes.iter().map(|note| Level::NOTE.message(note).into()));
    elements.extend(diagnostic.hint.iter().map(|hint| Level::HELP.with_name("hint").message(hint).into()));
    Level::ERROR.primary_title(&diagnostic.message).elements(elements)
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: &Path,
    text: &'a str,
    path: String,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let here = diagnostic.labels.iter().enumerate().filter(|(_, label)| label.file == file);
    Snippet::source(text).path(path).annotations(here.map(|(i, label)| {
        let kind = if i == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(clamp(label, text));
        if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
    }))
}

/// The bytes to underline. The file may have changed since, so they are kept within the text and on whole characters.
fn clamp(label: &Label, text: &str) -> std::ops::Range<usize> {
    let Span { start, end } = label.span;
    let boundary = |byte: usize| (0..=byte.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let start = boundary(start);
    let end = boundary(end).max(start);
    start..end
}
