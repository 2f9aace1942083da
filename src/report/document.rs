//! A report as it is written: Markdown, and where in it references stand.
//!
//! Markdown has a meaning for most of the characters of a reference (`[`, `*`, `_`), so each reference is replaced by one
//! character of a private plane before the text is parsed, and found again in what comes out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

/// The first of the characters that stand for references; no text should hold them.
const FIRST: u32 = 0xF_0000;
/// So many references have a character.
const MOST: usize = 0xFFFD;

/// A report as it is written.
pub(crate) struct Document<'t> {
    /// The Markdown with a character for each reference.
    marked: String,
    /// Where the marked text and the written one go out of step: bytes of both.
    steps: Vec<(usize, usize)>,
    /// The references in order.
    pub(crate) uses: Vec<Written<'t>>,
}

/// A `${...}` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written<'t> {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// All of it.
    pub(crate) text: &'t str,
    /// What stands between the braces; `None` if it is not closed.
    pub(crate) inner: Option<&'t str>,
}

/// A piece of a parsed text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Stands for itself.
    Literal(&'a str),
    /// The reference with this number.
    Use(usize),
}

/// What a check has to look at.
#[derive(Debug)]
pub(crate) enum Item {
    /// A reference within a sentence, a caption or a heading.
    Inline(usize),
    /// A reference that is a paragraph of its own.
    Alone(usize),
    /// `![text](reference "caption")`.
    Picture {
        /// The reference, if the destination is one.
        reference: Option<usize>,
        /// Whether there is no text for those who cannot see it.
        silent: bool,
        /// Where it stands.
        span: Range<usize>,
    },
    /// `[text](destination)`.
    Link {
        /// Where it leads.
        destination: String,
        /// Where it stands.
        span: Range<usize>,
    },
}

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// 1 to 6.
    pub(crate) level: usize,
    /// The anchor.
    pub(crate) id: String,
    /// Its text; references are still characters.
    pub(crate) text: String,
}

pub(crate) type Placed<'m> = (Event<'m>, Range<usize>);

impl<'t> Document<'t> {
    /// Finds the references of a text.
    pub(crate) fn read(text: &'t str) -> Self {
        Self::without(text, &[])
    }

    /// Finds the references of a text of which some spans are left out. They are in order, and none begins within a
    /// reference that stays.
    pub(crate) fn without(text: &'t str, left_out: &[Range<usize>]) -> Self {
        let (mut marked, mut uses, mut steps) = (String::with_capacity(text.len()), Vec::new(), Vec::new());
        let mut at = 0;
        let mut left_out = left_out.iter().peekable();
        loop {
            let found = text[at..].find("${").map(|i| at + i);
            if let Some(span) = left_out.next_if(|span| found.is_none_or(|found| span.start <= found)) {
                marked.extend(text[at..span.start].chars().map(tame));
                at = span.end;
                steps.push((marked.len(), at));
                continue;
            }
            let Some(found) = found else { break };
            if text[at..found].ends_with('$') {
                marked.extend(text[at..found - 1].chars().map(tame));
                marked.push_str("${");
                at = found + 2;
                steps.push((marked.len(), at));
                continue;
            }
            marked.extend(text[at..found].chars().map(tame));
            let rest = &text[found..];
            let (close, end) = reference_end(rest);
            match u32::try_from(uses.len()).ok().filter(|_| uses.len() < MOST).and_then(|n| char::from_u32(FIRST + n)) {
                Some(mark) => {
                    let (span, inner) = (found..found + end, close.map(|close| &rest[2..close]));
                    uses.push(Written { span, text: &rest[..end], inner });
                    marked.push(mark);
                }
                None => marked.push_str(&rest[..end]),
            }
            at = found + end;
            steps.push((marked.len(), at));
        }
        marked.extend(text[at..].chars().map(tame));
        Self { marked, steps, uses }
    }

    /// The Markdown's events; text is in whole runs.
    pub(crate) fn events(&self) -> Vec<Placed<'_>> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_SMART_PUNCTUATION;
        TextMergeWithOffset::new(Parser::new_ext(&self.marked, options).into_offset_iter()).collect()
    }

    /// Everything there is to check, in order. In code a reference stands for itself.
    pub(crate) fn items(&self, events: &[Placed<'_>]) -> Vec<Item> {
        let mut items = Vec::new();
        let mut code = false;
        for (i, (event, range)) in events.iter().enumerate() {
            match event {
                Event::Start(Tag::CodeBlock(_)) => code = true,
                Event::End(TagEnd::CodeBlock) => code = false,
                Event::Text(text) if !code => match alone(events, i) {
                    Some(n) => items.push(Item::Alone(n)),
                    None => items.extend(used(text).map(Item::Inline)),
                },
                Event::Start(Tag::Image { dest_url, title, .. }) => {
                    let span = self.original(range);
                    let reference = only(dest_url);
                    items.push(Item::Picture { reference, silent: silent(events, i), span });
                    items.extend(used(title).map(Item::Inline));
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    items.push(Item::Link { destination: self.restored(dest_url), span: self.original(range) });
                }
                _ => {}
            }
        }
        items
    }

    /// The headings in order, each with an anchor of its own.
    pub(crate) fn headings(&self, events: &[Placed<'_>]) -> Vec<Heading> {
        let mut headings: Vec<Heading> = Vec::new();
        let mut names = Names::default();
        let mut open: Option<(usize, String)> = None;
        for (event, _) in events {
            match event {
                Event::Start(Tag::Heading { level, .. }) => open = Some((*level as usize, String::new())),
                Event::Text(text) | Event::Code(text) => open.iter_mut().for_each(|(_, own)| own.push_str(text)),
                Event::End(TagEnd::Heading(_)) => {
                    if let Some((level, text)) = open.take() {
                        let id = names.free(&slug(&text));
                        headings.push(Heading { level, id, text });
                    }
                }
                _ => {}
            }
        }
        headings
    }

    /// Where a link within the page may lead: headings, then pictures.
    pub(crate) fn anchors(&self, events: &[Placed<'_>]) -> Vec<String> {
        let headings = self.headings(events).into_iter().map(|heading| heading.id);
        headings.chain(self.pictures(events).into_iter().map(|(_, id)| id)).collect()
    }

    /// The picture references in order, each with an anchor of its own: `curves-model-5-svg`.
    pub(crate) fn pictures(&self, events: &[Placed<'_>]) -> Vec<(usize, String)> {
        let mut names = Names::default();
        names.taken.extend(self.headings(events).into_iter().map(|heading| heading.id));
        let mut pictures: Vec<(usize, String)> = Vec::new();
        for (event, _) in events {
            if let Event::Start(Tag::Image { dest_url, .. }) = event
                && let Some(n) = only(dest_url)
            {
                let inner = self.uses[n].inner.unwrap_or_default().trim();
                let name = slug(inner.strip_prefix("outputs.").unwrap_or(inner));
                pictures.push((n, names.free(&name)));
            }
        }
        pictures
    }

    /// A text with its references as they are written.
    pub(crate) fn restored(&self, text: &str) -> String {
        let piece = |piece| match piece {
            Piece::Literal(text) => Cow::Borrowed(text),
            Piece::Use(n) => Cow::Owned(self.uses[n].text.to_owned()),
        };
        pieces(text).into_iter().map(piece).collect()
    }

    /// The bytes of the written text behind bytes of the marked one.
    pub(crate) fn original(&self, range: &Range<usize>) -> Range<usize> {
        let at = |marked: usize| {
            let step = self.steps.partition_point(|(at, _)| *at <= marked).checked_sub(1).map(|i| self.steps[i]);
            step.map_or(marked, |(at, written)| written + marked - at)
        };
        at(range.start)..at(range.end)
    }
}

/// Cuts a parsed text at its references.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if let Some(n) = number(c) {
            if at > from {
                pieces.push(Piece::Literal(&text[from..at]));
            }
            pieces.push(Piece::Use(n));
            from = at + c.len_utf8();
        }
    }
    if from < text.len() {
        pieces.push(Piece::Literal(&text[from..]));
    }
    pieces
}

/// The reference that is the whole text.
pub(crate) fn only(text: &str) -> Option<usize> {
    match pieces(text)[..] {
        [Piece::Use(n)] => Some(n),
        _ => None,
    }
}

/// The reference that is all of the paragraph around the event at `i`.
pub(crate) fn alone(events: &[Placed<'_>], i: usize) -> Option<usize> {
    let Event::Text(text) = &events[i].0 else { return None };
    let opens = i.checked_sub(1).is_some_and(|i| matches!(events[i].0, Event::Start(Tag::Paragraph)));
    let closes = events.get(i + 1).is_some_and(|(e, _)| matches!(e, Event::End(TagEnd::Paragraph)));
    if opens && closes { only(text.trim()) } else { None }
}

/// The anchor of a text: `What was asked` -> `what-was-asked`.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| number(*c).is_none()) {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let trimmed = out.trim_end_matches('-');
    if trimmed.is_empty() { "section".to_owned() } else { trimmed.to_owned() }
}

/// Names of which each is given once.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// The number to try next for a name.
    next: HashMap<String, usize>,
}

impl Names {
    /// `name`, or `name-2`, ... where that is taken.
    pub(crate) fn free(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_insert(2);
        loop {
            let numbered = format!("{name}-{next}");
            *next += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// Where the reference at the head of a text is closed, if it is, and ends. It goes no further than its paragraph, and not into another.
/// What is not closed ends with its line.
fn reference_end(rest: &str) -> (Option<usize>, usize) {
    let bytes = rest.as_bytes();
    let stops = |at: &usize| {
        let ahead = &bytes[*at..];
        [&b"}"[..], b"${", b"\n\n", b"\n\r\n"].iter().any(|stop| ahead.starts_with(stop))
    };
    let limit = (2..bytes.len()).find(stops).unwrap_or(bytes.len());
    if bytes.get(limit) == Some(&b'}') {
        return (Some(limit), limit + 1);
    }
    let line = rest[..limit].lines().next().unwrap_or_default();
    let cut = line.len() == limit && limit < rest.len();
    (None, if cut { limit } else { line.trim_end().len().max(2) })
}

/// A picture's text for those who cannot see it is empty.
fn silent(events: &[Placed<'_>], start: usize) -> bool {
    let inner = events[start + 1..].iter().take_while(|(e, _)| !matches!(e, Event::End(TagEnd::Image)));
    !inner.into_iter().any(|(e, _)| matches!(e, Event::Text(t) | Event::Code(t) if !t.trim().is_empty()))
}

fn used(text: &str) -> impl Iterator<Item = usize> {
    text.chars().filter_map(number)
}

fn number(c: char) -> Option<usize> {
    (c as u32).checked_sub(FIRST).map(|n| n as usize).filter(|n| *n < MOST)
}

/// A text that holds one of the characters would otherwise be taken for a reference.
fn tame(c: char) -> char {
    if number(c).is_some() { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<Item> {
        let document = Document::read(text);
        document.items(&document.events())
    }

    #[test]
    fn references_survive_markdown() {
        let text = "*It* is ${metrics.e[model=5].a_b:.2%}, __not__ ${params.x}.\n";
        let document = Document::read(text);
        let inner: Vec<_> = document.uses.iter().map(|u| u.inner.unwrap()).collect();
        assert_eq!(inner, ["metrics.e[model=5].a_b:.2%", "params.x"]);
        assert!(document.uses.iter().all(|u| text[u.span.clone()] == *u.text));
        assert!(matches!(items(text)[..], [Item::Inline(0), Item::Inline(1)]));
    }

    #[test]
    fn a_block_stands_alone_and_a_picture_has_a_text() {
        assert!(matches!(items("a\n\n${graph}\n\nb ${graph}\n")[..], [Item::Alone(0), Item::Inline(1)]));
        assert!(matches!(
            items("![x](${outputs.a[b=c].d} \"At ${run.id}\")\n\n![](y.png)\n")[..],
            [
                Item::Picture { reference: Some(0), silent: false, .. },
                Item::Inline(1),
                Item::Picture { reference: None, silent: true, .. }
            ]
        ));
    }

    #[test]
    fn in_code_and_escaped_it_stands_for_itself() {
        let text = "`${a.b}` $${c.d}\n\n    ${e.f}\n\n```\n${g.h}\n```\n";
        assert!(items(text).is_empty());
        let document = Document::read(text);
        assert_eq!(document.restored(&document.marked), text.replace("$$", "$"));
    }

    #[test]
    fn what_is_not_closed_ends_with_its_line() {
        let document = Document::read("${a\nb}\n\n${c d\n\n} ${e ${f}");
        let found: Vec<_> = document.uses.iter().map(|u| (u.text, u.inner)).collect();
        assert_eq!(found, [("${a\nb}", Some("a\nb")), ("${c d", None), ("${e ", None), ("${f}", Some("f"))]);
    }

    #[test]
    fn headings_have_anchors_of_their_own() {
        let text = "# A *b* `c`\n\n## Same\n\n## Same ${run.id}\n\n## ???\n";
        let document = Document::read(text);
        let ids: Vec<String> = document.headings(&document.events()).into_iter().map(|h| h.id).collect();
        assert_eq!(ids, ["a-b-c", "same", "same-2", "section"]);
    }

    #[test]
    fn places_are_those_of_the_written_text() {
        let text = "$${ ${params.long.name} ![x](y.png)";
        let document = Document::read(text);
        let events = document.events();
        let Some(Item::Picture { span, .. }) = document.items(&events).pop() else { panic!() };
        assert_eq!(&text[span], "![x](y.png)");
    }
}
