//! Inputs that are documents are resolved before anything runs; a mistake in one is shown in its own file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Label, Span};
use crate::kind::{DocumentError, Kind, Maker, ParamError};
use crate::text;

use super::bodies::Running;
use super::expand::World;
use super::inputs::{Inputs, Source};
use super::mistake::Mistakes;
use super::node::Place;
use super::resolved::Documents;
use super::source::offset;
use super::stage::{Body, From, Input};
use super::with;

/// The documents that stages are handed.
pub(super) struct Handed<'a> {
    documents: &'a Documents,
    /// By path: for an input of a kind, what came out.
    found: HashMap<&'a Path, Vec<Outcome<'a>>>,
}

/// A kind, its input, and the canonical bytes that came out.
type Outcome<'a> = (&'a str, &'a str, Option<Vec<u8>>);

impl<'a> Handed<'a> {
    /// None yet.
    pub(super) fn new(documents: &'a Documents) -> Self {
        Self { documents, found: HashMap::new() }
    }

    /// Resolves a document, unless that was done.
    ///
    /// # Errors
    /// The mistake in it, once.
    pub(super) fn add(
        &mut self,
        kind: &'a dyn Kind,
        input: &'a str,
        path: &'a Path,
        root: &Path,
    ) -> Result<(), DocumentError> {
        let found = self.found.entry(path).or_default();
        if found.iter().any(|(of, name, _)| (*of, *name) == (kind.name(), input)) {
            return Ok(());
        }
        let (bytes, result) = match self.documents.resolve(kind, input, path, root) {
            Some(Ok(bytes)) => (Some(bytes), Ok(())),
            Some(Err(error)) => (None, Err(error)),
            None => (None, Ok(())),
        };
        found.push((kind.name(), input, bytes));
        result
    }

    /// Holds the parameters of a stage against the documents that the maker of an input is handed.
    ///
    /// # Errors
    /// The mistake in the parameters.
    pub(super) fn fit(
        &self,
        (kind, params): (&dyn Kind, &Value),
        (input, output): (&str, &str),
        (maker, handed): (&dyn Kind, &Inputs),
    ) -> Result<(), ParamError> {
        let document = |name: &str| match handed.get(name).map(Vec::as_slice) {
            Some([Input { from: From::Source(path), .. }]) => {
                let found = self.found.get(path.as_path())?;
                found.iter().find(|(of, input, _)| (*of, *input) == (maker.name(), name))?.2.as_deref()
            }
            _ => None,
        };
        kind.fits(params, &Maker { input, kind: maker.name(), output, document: &document })
    }
}

/// Resolves every document among the sources that exist, each once, and holds the stages that take what is made of them against them.
pub(super) fn check<'s>(
    world: &'s World<'_>,
    sources: impl Iterator<Item = &'s Source>,
    (inputs, running): (&[Inputs], &[Running]),
    (documents, root): (&Documents, &Path),
    mistakes: &mut Mistakes<'_>,
) {
    let mut handed = Handed::new(documents);
    for source in sources {
        let plan = &world.plans[world.drafts[source.draft].plan];
        let Some(kind) = &plan.kind else { continue };
        if !plan.ports.iter().any(|p| p.name == source.input) {
            continue;
        }
        if let Err(error) = handed.add(kind.as_ref(), &source.input, Path::new(&source.path), root) {
            let diagnostic = explain(error, source.place, root, mistakes);
            mistakes.add_foreign(diagnostic);
        }
    }
    for (id, own) in inputs.iter().enumerate() {
        let Some(Body::Uses { kind, params }) = &running[id].body else { continue };
        for (input, item) in own.iter().flat_map(|(name, items)| items.iter().map(move |item| (name, item))) {
            let From::Output { stage, output } = &item.from else { continue };
            let Some(maker) = &world.plan(world.drafts[stage.0]).0.kind else { continue };
            let maker = (maker.as_ref(), &inputs[stage.0]);
            if let Err(error) = handed.fit((kind.as_ref(), params), (input, output), maker) {
                with::blame(&error, kind.name(), world, id, mistakes);
            }
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
