//! Where every key and value of a YAML text stands, from a second, event-based look at the text.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::node::{Content, Entry, Node, Place};

/// The places of all nodes of a text, in the order they are written.
pub(super) struct Marks(Vec<Mark>);

#[derive(Clone, Copy)]
struct Mark {
    start: u32,
    end: u32,
    /// The mark after this one and all within it.
    next: u32,
    /// Where the nodes within are marked: the anchored node of an alias, else this one.
    home: u32,
}

/// So deep may lists and mappings nest.
const DEPTH: usize = 128;

/// So many directives, lines such as `%YAML 1.2`, may stand before the document.
const DIRECTIVES: usize = 16;

/// Why a text is not taken.
#[derive(Debug)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) kind: FaultKind,
    /// The byte where it shows.
    pub(super) at: u32,
}

/// What is wrong with a text.
#[derive(Debug)]
pub(super) enum FaultKind {
    /// It is not YAML in the eyes of this parser.
    Syntax(String),
    /// It nests deeper than [`DEPTH`].
    Depth,
    /// It has more than [`DIRECTIVES`].
    Directives,
}

/// Marks the nodes of a text that begins `base` bytes into its file. This parser takes time in proportion to the text, whatever it
/// holds, and the bounds are held while it reads. So a text that passes may be given to a parser that takes longer for deep ones.
///
/// # Errors
/// If the text is not YAML, or is beyond a bound.
pub(super) fn scan(text: &str, base: u32) -> Result<Marks, Fault> {
    let bytes = Bytes::of(text, base);
    let mut marks: Vec<Mark> = Vec::with_capacity(text.len() / 12);
    let mut open: Vec<usize> = Vec::new();
    let mut anchors: HashMap<usize, u32> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| Fault {
            kind: match e.info() {
                // It has a bound of its own for what stands in brackets.
                "recursion limit exceeded" => FaultKind::Depth,
                message => FaultKind::Syntax(message.to_owned()),
            },
            at: bytes.at(e.marker().index()),
        })?;
        let (start, end) = (bytes.at(span.start.index()), bytes.at(span.end.index()));
        let here = marks.len() as u32;
        let mark = Mark { start, end, next: here + 1, home: here };
        match event {
            Event::Scalar(_, _, anchor, _) => {
                if anchor != 0 {
                    anchors.insert(anchor, here);
                }
                marks.push(mark);
            }
            Event::Alias(target) => {
                marks.push(Mark { home: anchors.get(&target).copied().unwrap_or(here), ..mark });
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if anchor != 0 {
                    anchors.insert(anchor, here);
                }
                marks.push(mark);
                open.push(here as usize);
                if open.len() > DEPTH {
                    return Err(Fault { kind: FaultKind::Depth, at: start });
                }
            }
            Event::DocumentStart(_) => {
                let before = text.get(..(start - base) as usize).unwrap_or_default();
                if before.lines().filter(|line| line.starts_with('%')).count() > DIRECTIVES {
                    return Err(Fault { kind: FaultKind::Directives, at: start });
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(i) = open.pop() {
                    marks[i].end = end;
                    marks[i].next = here;
                }
            }
            _ => {}
        }
    }
    Ok(Marks(marks))
}

impl Marks {
    /// Fills in the places of a tree that was read from the same text, and calls `repeated` with both places of every
    /// key that stands twice in its mapping, and with every `<<`.
    pub(super) fn place(&self, node: &mut Node, origin: u16, repeated: &mut dyn FnMut(Place, &Entry)) {
        self.node(node, 0, origin, Place { origin, ..Place::default() }, repeated);
    }

    /// Moves what stands at a byte or behind it so many bytes on.
    pub(super) fn shift(&mut self, at: u32, by: u32) {
        for mark in &mut self.0 {
            mark.start += if mark.start >= at { by } else { 0 };
            mark.end += if mark.end > at { by } else { 0 };
        }
    }

    fn node(&self, node: &mut Node, i: u32, origin: u16, outer: Place, repeated: &mut dyn FnMut(Place, &Entry)) {
        let Some(mark) = self.0.get(i as usize) else {
            node.place = outer;
            return;
        };
        // A value that is not written at all is shown where its key stands.
        node.place = if mark.start == mark.end { outer } else { Place { origin, start: mark.start, end: mark.end } };
        let mut child = mark.home + 1;
        match &mut node.content {
            Content::List(items) => {
                for item in items {
                    self.node(item, child, origin, node.place, repeated);
                    child = self.after(child);
                }
            }
            Content::Map(entries) => {
                for entry in entries.iter_mut() {
                    entry.place =
                        self.0.get(child as usize).map_or(node.place, |m| Place { origin, start: m.start, end: m.end });
                    child = self.after(child);
                    self.node(&mut entry.node, child, origin, entry.place, repeated);
                    child = self.after(child);
                    // YAML's merge key is told of wherever it stands: nobody means a key of that name.
                    if entry.key == "<<" {
                        repeated(entry.place, entry);
                    }
                }
                repeats(entries, repeated);
            }
            _ => {}
        }
    }

    fn after(&self, i: u32) -> u32 {
        self.0.get(i as usize).map_or(u32::MAX - 1, |m| m.next)
    }
}

/// Whether a key stands twice.
pub(super) fn repeat(entries: &[Entry]) -> bool {
    let mut twice = false;
    repeats(entries, &mut |_, _| twice = true);
    twice
}

/// Tells of each key that stands twice.
fn repeats(entries: &[Entry], repeated: &mut dyn FnMut(Place, &Entry)) {
    if entries.len() <= 8 {
        for (i, entry) in entries.iter().enumerate() {
            if let Some(first) = entries[..i].iter().find(|e| e.key == entry.key) {
                repeated(first.place, entry);
            }
        }
        return;
    }
    let mut seen: HashMap<&str, Place> = HashMap::with_capacity(entries.len());
    for entry in entries {
        match seen.get(entry.key.as_str()) {
            Some(first) => repeated(*first, entry),
            None => {
                seen.insert(&entry.key, entry.place);
            }
        }
    }
}

/// Turns the parser's character counts into bytes.
struct Bytes {
    base: u32,
    /// Where each character begins; `None` for ASCII.
    starts: Option<Vec<u32>>,
}

impl Bytes {
    fn of(text: &str, base: u32) -> Self {
        let starts = || text.char_indices().map(|(i, _)| i as u32).chain([text.len() as u32]).collect();
        Self { base, starts: (!text.is_ascii()).then(starts) }
    }

    fn at(&self, character: usize) -> u32 {
        let byte = match &self.starts {
            None => character as u32,
            Some(starts) => starts.get(character).or(starts.last()).copied().unwrap_or(0),
        };
        self.base + byte
    }
}
