//! What is wrong with a pipeline while it is being loaded: mistakes are collected here and become diagnostics.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Label, MOST, Span};

use super::node::Place;

/// A place, or one `${...}` within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    /// The key or value.
    pub(super) place: Place,
    /// Which `${` of the value, from 0.
    pub(super) usage: Option<usize>,
}

impl From<Place> for Spot {
    fn from(place: Place) -> Self {
        Self { place, usage: None }
    }
}

/// One mistake, not yet tied to a text.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    message: String,
    spots: Vec<(Spot, String)>,
    notes: Vec<String>,
    hint: Option<String>,
    once: bool,
}

impl Mistake {
    /// A mistake without a place.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), spots: vec![], notes: vec![], hint: None, once: false }
    }

    /// Is told once, at whichever place it shows first.
    #[must_use]
    pub(super) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Adds a place.
    #[must_use]
    pub(super) fn at(mut self, spot: impl Into<Spot>, text: impl Into<String>) -> Self {
        self.spots.push((spot.into(), text.into()));
        self
    }

    /// Adds a reason.
    #[must_use]
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Whether it says what to do about it.
    pub(super) fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// Adds what to do about it.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong, and what to do about it, for a mistake that lies in another text.
    pub(super) fn into_words(self) -> (String, Option<String>) {
        (self.message, self.hint)
    }

    /// Adds what to do about it, if there is something.
    #[must_use]
    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// The texts that places point into.
pub(super) struct Texts<'a> {
    /// The pipeline file, relative to the project.
    pub(super) file: &'a Path,
    /// What it holds.
    pub(super) text: &'a str,
    /// The `--set` arguments.
    pub(super) set: &'a [String],
    /// Other files that were read, relative to the project, and what they hold.
    pub(super) files: Vec<(PathBuf, String)>,
}

/// The places of the first of the other files have this for an origin.
const FILES: u16 = 1 << 15;

/// The origin of places in the `--set` argument at a position.
pub(super) fn argument(position: usize) -> u16 {
    (position + 1).min(usize::from(FILES) - 1) as u16
}

/// Whether places of an origin lie in another file than the pipeline's.
pub(super) fn is_other_file(origin: u16) -> bool {
    origin >= FILES
}

impl Texts<'_> {
    fn get(&self, origin: u16) -> (PathBuf, &str) {
        match origin {
            0 => (self.file.to_owned(), self.text),
            FILES.. => {
                let (file, text) = &self.files[usize::from(origin - FILES)];
                (file.clone(), text)
            }
            n => {
                let argument = self.set.get(usize::from(n) - 1).map_or("", String::as_str);
                (Label::argument(argument), argument)
            }
        }
    }

    /// The label of a spot. What spans several lines is cut to its first.
    fn label(&self, spot: Spot, text: String) -> Label {
        let (file, source) = self.get(spot.place.origin);
        // Parsers have been seen to point past the end.
        let start = boundary(source, spot.place.start as usize);
        let mut span = Span { start, end: boundary(source, spot.place.end as usize).max(start) };
        if let Some(within) = source.get(span.start..span.end) {
            if let Some(found) = spot.usage.and_then(|n| usage(within, n)) {
                span = Span { start: span.start + found.start, end: span.start + found.end };
            } else {
                span.end = span.start + within.lines().next().map_or(0, |line| line.trim_end().len());
            }
        }
        Label { file, span, text }
    }
}

/// The last boundary of characters up to a byte.
fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// The n-th `${...}` as it is written in the source of a value.
fn usage(source: &str, n: usize) -> Option<Span> {
    let start = source.match_indices("${").nth(n)?.0;
    let rest = &source[start..];
    let end = rest.find('}').map_or_else(|| rest.lines().next().map_or(0, str::len), |i| i + 1);
    Some(Span { start, end: start + end })
}

/// How much names are compared for hints: pairs of letters, and [`A_NAME`] for each name.
const EFFORT: usize = 20_000_000;
const A_NAME: usize = 100;

/// The mistakes found so far. The same mistake at the same place is told once: a matrix would repeat it per variant.
pub(super) struct Mistakes<'a> {
    texts: Texts<'a>,
    list: Vec<Diagnostic>,
    seen: HashSet<(String, Option<Spot>)>,
    foreign: HashSet<(String, Option<(PathBuf, Span)>)>,
    effort: Cell<usize>,
    /// The sources that are not there, where that is no mistake.
    absent: Option<Vec<String>>,
}

impl<'a> Mistakes<'a> {
    /// None yet.
    pub(super) fn new(texts: Texts<'a>) -> Self {
        let (list, effort) = (vec![], Cell::new(0));
        Self { texts, list, seen: HashSet::new(), foreign: HashSet::new(), effort, absent: None }
    }

    /// None yet, and a source that is not there will be none.
    pub(super) fn but_for_sources(texts: Texts<'a>) -> Self {
        Self { absent: Some(vec![]), ..Self::new(texts) }
    }

    /// Takes in that a source is not there; `false` if that is a mistake.
    pub(super) fn lacks(&mut self, source: &str) -> bool {
        self.absent.as_mut().map(|absent| absent.push(source.to_owned())).is_some()
    }

    /// The sources that are not there.
    pub(super) fn absent(&mut self) -> Vec<String> {
        let mut absent = self.absent.take().unwrap_or_default();
        absent.sort();
        absent.dedup();
        absent
    }

    /// Takes in the text of another file, relative to the project, and gives the origin of its places.
    pub(super) fn enter(&mut self, file: PathBuf, text: String) -> Option<u16> {
        let origin = u16::try_from(self.texts.files.len()).ok()?.checked_add(FILES)?;
        self.texts.files.push((file, text));
        Some(origin)
    }

    /// Takes a mistake in.
    pub(super) fn add(&mut self, mistake: Mistake) {
        if self.list.len() >= MOST {
            return;
        }
        let first = mistake.spots.first().map(|(spot, _)| *spot).filter(|_| !mistake.once);
        if !self.seen.insert((mistake.message.clone(), first)) {
            return;
        }
        let mut diagnostic = Diagnostic::error(mistake.message);
        diagnostic.labels = mistake.spots.into_iter().map(|(spot, text)| self.texts.label(spot, text)).collect();
        diagnostic.notes = mistake.notes;
        diagnostic.hint = mistake.hint;
        self.list.push(diagnostic);
    }

    /// Takes in a mistake that lies in another file.
    pub(super) fn add_foreign(&mut self, diagnostic: Diagnostic) {
        let first = diagnostic.labels.first().map(|label| (label.file.clone(), label.span));
        if self.list.len() < MOST && self.foreign.insert((diagnostic.message.clone(), first)) {
            self.list.push(diagnostic);
        }
    }

    /// What stands at a place, if that is in one of the texts.
    pub(super) fn source(&self, place: Place) -> Option<&str> {
        self.texts.get(place.origin).1.get(place.start as usize..place.end as usize)
    }

    /// The label that a spot would have.
    pub(super) fn label(&self, spot: impl Into<Spot>, text: impl Into<String>) -> Label {
        self.texts.label(spot.into(), text.into())
    }

    /// `did you mean ...?`, if a name is near.
    pub(super) fn nearest<'n>(&self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
        self.nearest_name(name, names).map(|near| super::suggest::did_you_mean(name, near))
    }

    /// The name that was probably meant. Gives up once very many names were compared, so that a file with thousands
    /// of mistakes is still refused quickly.
    pub(super) fn nearest_name<'n>(&self, name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if self.tired() {
            return None;
        }
        let counted = names.into_iter().take_while(|other| {
            self.effort.set(self.effort.get() + A_NAME + name.len() * other.len());
            !self.tired()
        });
        super::suggest::nearest(name, counted)
    }

    /// Whether no more names are looked for.
    pub(super) fn tired(&self) -> bool {
        self.effort.get() >= EFFORT
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order of the pipeline file; what has no place comes first, other files last.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        let file = self.texts.file;
        self.list.sort_by_key(|d| d.labels.first().map(|l| (l.file != file, l.span)));
        self.list
    }
}
