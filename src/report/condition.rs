//! Conditions in a report: `${if A < B}` text `${else}` text `${end}`. One of the two texts is kept, by the numbers of the
//! run, before the Markdown is read. So a sentence can be true of whatever the run comes to.
//!
//! A and B are numbers (`0.5`), references to numbers (`metrics.train[model=5].loss`), or the difference of two of them
//! (`A - B`). A reference with a number of decimals (`:.3`) is compared as it is written with that format: what reads as
//! equal is equal.

use std::ops::Range;

use super::document::{Document, Item, Placed};
use super::format::Format;
use super::reference::{Fault, Reference, parse};

/// How numbers are compared, as it is written; longer ones are no part of shorter ones since blanks stand around them.
const COMPARISONS: &[(&str, Comparison)] = &[
    ("<", |a, b| a < b),
    ("<=", |a, b| a <= b),
    (">", |a, b| a > b),
    (">=", |a, b| a >= b),
    ("=", |a, b| a == b),
    ("!=", |a, b| a != b),
];

const SHAPE: &str = "write `${if A < B}` with blanks around `<`, `<=`, `>`, `>=`, `=` or `!=`; A and B are numbers, \
                     references to numbers, or `A - B` of them";

type Comparison = fn(f64, f64) -> bool;

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct Condition<'t> {
    left: Amount<'t>,
    right: Amount<'t>,
    comparison: Comparison,
}

/// A number, or the difference of two.
#[derive(Clone, Debug, PartialEq)]
struct Amount<'t> {
    of: Term<'t>,
    less: Option<Term<'t>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term<'t> {
    Number(f64),
    /// As it is written, and what that means.
    Reference(&'t str, Reference<'t>, Option<Format>),
}

/// What stands in a text for the sake of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Marker<'t> {
    /// `${if A < B}`.
    If(Box<Condition<'t>>),
    /// `${else}`.
    Else,
    /// `${end}`.
    End,
}

/// A condition and the texts that it decides about.
#[derive(Clone, Debug)]
pub(crate) struct Block<'t> {
    /// The condition.
    pub(crate) condition: Condition<'t>,
    /// Where its `${if ...}`, `${else}` and `${end}` stand. One that is alone on its line has the line.
    opening: Range<usize>,
    otherwise: Option<Range<usize>>,
    closing: Range<usize>,
}

/// A condition whose end is yet to come: where its `${if ...}` stands, what it says if it is sound, the line of that, and the
/// line of its `${else}`.
type Open<'t> = (Range<usize>, Option<Condition<'t>>, Range<usize>, Option<Range<usize>>);

/// All conditions of a text.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'t> {
    /// Those that are whole, the inner ones first.
    pub(crate) blocks: Vec<Block<'t>>,
    /// What is wrong with the others, and where.
    pub(crate) faults: Vec<(Range<usize>, Fault)>,
    /// Where all markers stand.
    markers: Vec<Range<usize>>,
}

/// Reads what stands between `${` and `}` as a marker; `None` if it is none.
pub(crate) fn marker(inner: &str) -> Option<Result<Marker<'_>, Fault>> {
    let inner = inner.trim();
    match inner {
        "else" => Some(Ok(Marker::Else)),
        "end" => Some(Ok(Marker::End)),
        "if" => Some(Err(Fault::new("`${if}` compares nothing", SHAPE))),
        _ => {
            let rest = inner.strip_prefix("if")?;
            rest.starts_with(char::is_whitespace)
                .then(|| condition(rest.trim()).map(|condition| Marker::If(Box::new(condition))))
        }
    }
}

fn condition(text: &str) -> Result<Condition<'_>, Fault> {
    let found: Vec<(Range<usize>, Comparison)> = words(text)
        .filter_map(|word| {
            let known = COMPARISONS.iter().find(|(name, _)| *name == &text[word.clone()])?;
            Some((word, known.1))
        })
        .collect();
    let [(at, comparison)] = &found[..] else {
        let message = match found.len() {
            0 => format!("`${{if {text}}}` compares nothing"),
            _ => format!("`${{if {text}}}` compares more than two numbers"),
        };
        let equal = words(text).any(|word| &text[word] == "==");
        return Err(Fault::new(message, if equal { "equality is written `=`" } else { SHAPE }));
    };
    let (left, right) = (amount(&text[..at.start])?, amount(&text[at.end..])?);
    Ok(Condition { left, right, comparison: *comparison })
}

fn amount(text: &str) -> Result<Amount<'_>, Fault> {
    let mut minus = words(text).filter(|word| &text[word.clone()] == "-");
    Ok(match (minus.next(), minus.next()) {
        (None, _) => Amount { of: term(text)?, less: None },
        (Some(at), None) => Amount { of: term(&text[..at.start])?, less: Some(term(&text[at.end..])?) },
        _ => return Err(Fault::new(format!("`{}` is more than one difference", text.trim()), SHAPE)),
    })
}

fn term(text: &str) -> Result<Term<'_>, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new("a number is missing in a condition", SHAPE));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        return number.map(Term::Number).ok_or_else(|| Fault::new(format!("`{text}` is no number"), SHAPE));
    }
    let (reference, format) = parse(text)?;
    if !matches!(format, None | Some(Format::Decimals(_) | Format::Percent(_))) {
        return Err(Fault::new(
            format!("`{text}` is not compared as it is written"),
            "write decimals, `:.2`, or no format",
        ));
    }
    Ok(Term::Reference(text, reference, format))
}

/// The words of a text.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_whitespace().map(move |word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

impl<'t> Condition<'t> {
    /// The references that are compared, as they are written.
    pub(crate) fn references(&self) -> Vec<&'t str> {
        let terms = [&self.left, &self.right].into_iter().flat_map(|a| std::iter::once(&a.of).chain(&a.less));
        let written = |term: &Term<'t>| match term {
            Term::Number(_) => None,
            Term::Reference(text, ..) => Some(*text),
        };
        terms.filter_map(written).collect()
    }

    /// Whether it holds; `number` gives the value of a reference.
    ///
    /// # Errors
    /// If a value is not there, or is no number.
    pub(crate) fn holds(&self, number: &dyn Fn(&Reference<'_>) -> Result<f64, Fault>) -> Result<bool, Fault> {
        let term = |term: &Term<'_>| match term {
            Term::Number(value) => Ok(*value),
            Term::Reference(text, reference, format) => {
                let value = number(reference)?;
                if value.is_nan() {
                    return Err(Fault { message: format!("`{text}` is not a number"), hint: None });
                }
                Ok(format.map_or(value, |format| format.rounded(value)))
            }
        };
        let amount = |amount: &Amount<'_>| match &amount.less {
            Some(less) => Ok(term(&amount.of)? - term(less)?),
            None => term(&amount.of),
        };
        Ok((self.comparison)(amount(&self.left)?, amount(&self.right)?))
    }
}

impl<'t> Conditions<'t> {
    /// Finds the conditions of a text, of which this is the document and these its events. In code they stand for
    /// themselves.
    pub(crate) fn find(text: &str, document: &Document<'t>, events: &[Placed<'_>]) -> Self {
        let mut found = Self::default();
        let mut open: Vec<Open<'t>> = vec![];
        let used = document.items(events).into_iter().filter_map(|item| match item {
            Item::Inline(n) | Item::Alone(n) => Some(n),
            Item::Picture { .. } | Item::Link { .. } => None,
        });
        for written in used.map(|n| &document.uses[n]) {
            let Some(marker) = written.inner.and_then(marker) else { continue };
            let (place, line) = (written.span.clone(), line(text, &written.span));
            found.markers.push(line.clone());
            match marker {
                Ok(Marker::If(condition)) => open.push((place, Some(*condition), line, None)),
                Err(fault) => {
                    found.faults.push((place.clone(), fault));
                    open.push((place, None, line, None));
                }
                Ok(Marker::Else) => match open.last_mut() {
                    Some((_, _, _, otherwise @ None)) => *otherwise = Some(line),
                    Some(_) => found.faults.push((place, Fault::new("a second `${else}`", "a condition has one"))),
                    None => found.faults.push((place, Fault::new("`${else}` without `${if ...}`", SHAPE))),
                },
                Ok(Marker::End) => match open.pop() {
                    Some((_, condition, opening, otherwise)) => {
                        let block = |condition| Block { condition, opening, otherwise, closing: line };
                        found.blocks.extend(condition.map(block));
                    }
                    None => found.faults.push((place, Fault::new("`${end}` without `${if ...}`", SHAPE))),
                },
            }
        }
        let unclosed = open.into_iter().map(|(place, ..)| place);
        let fault = || Fault::new("`${if ...}` without `${end}`", "write `${end}` behind the text that depends on it");
        found.faults.extend(unclosed.map(|place| (place, fault())));
        found
    }

    /// Where all markers stand: without them both texts of every condition are left.
    pub(crate) fn markers(&self) -> Vec<Range<usize>> {
        union(self.markers.clone())
    }

    /// What is to be left out of the text where conditions hold or not. One that cannot be decided leaves both its texts
    /// out, and its `${if ...}` in place, so that this can be said there.
    pub(crate) fn left_out(&self, holds: impl Fn(&Condition<'_>) -> Result<bool, Fault>) -> Vec<Range<usize>> {
        let mut out = vec![];
        for Block { condition, opening, otherwise, closing } in &self.blocks {
            let middle = otherwise.clone().unwrap_or(closing.start..closing.start);
            match holds(condition) {
                Ok(true) => out.extend([opening.clone(), middle.start..closing.end]),
                Ok(false) => out.extend([opening.start..middle.end, closing.clone()]),
                Err(_) => out.push(opening.end..closing.end),
            }
        }
        union(out)
    }
}

/// The span of a marker, or of its line where nothing else stands on it.
fn line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at + 1);
    let alone = text[start..span.start].trim().is_empty() && text[span.end..end].trim().is_empty();
    if alone { start..end } else { span.clone() }
}

/// Spans in order, none of which reaches into another.
fn union(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| span.start);
    let mut apart: Vec<Range<usize>> = vec![];
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a text if `params.NAME` is the number of that index.
    fn kept(text: &str, numbers: &[f64]) -> String {
        let document = Document::read(text);
        let events = document.events();
        let conditions = Conditions::find(text, &document, &events);
        assert!(conditions.faults.is_empty(), "{:?}", conditions.faults);
        let number = |reference: &Reference<'_>| match reference {
            Reference::Param(name) => Ok(numbers[name.parse::<usize>().unwrap()]),
            other => Err(Fault { message: format!("no {other:?}"), hint: None }),
        };
        let out = conditions.left_out(|condition| condition.holds(&number));
        let mut left = String::new();
        let mut at = 0;
        for span in out {
            left.push_str(&text[at..span.start]);
            at = span.end;
        }
        left + &text[at..]
    }

    fn holds(condition: &str, numbers: &[f64]) -> bool {
        kept(&format!("${{if {condition}}}y${{else}}n${{end}}"), numbers) == "y"
    }

    #[test]
    fn numbers_are_compared() {
        let numbers = [0.5, 0.25, 0.50004];
        for (condition, expected) in [
            ("params.0 < params.2", true),
            ("params.0:.3 < params.2:.3", false),
            ("params.0:.3 = params.2:.3", true),
            ("params.2:.1% = 0.5", true),
            ("params.0 >= 0.5", true),
            ("params.0 > .5", false),
            ("params.1 != 0.25", false),
            ("params.1 <= -1", false),
            ("params.0 - params.1 = 0.25", true),
            ("0 < params.1 - params.0", false),
            ("  params.0\n<  1 ", true),
        ] {
            assert_eq!(holds(condition, &numbers), expected, "{condition}");
        }
    }

    #[test]
    fn one_of_two_texts_is_kept_and_lines_of_markers_go() {
        let text = "It ${if params.0 > 0}grows${else}shrinks${end}.\n";
        assert_eq!((kept(text, &[1.0]), kept(text, &[-1.0])), ("It grows.\n".into(), "It shrinks.\n".into()));
        let text = "a\n\n${if params.0 > 0}\nb\n${if params.1 > 0}\nc\n${end}\n${else}\nd\n${end}\n\ne\n";
        assert_eq!(kept(text, &[1.0, 1.0]), "a\n\nb\nc\n\ne\n");
        assert_eq!(kept(text, &[1.0, 0.0]), "a\n\nb\n\ne\n");
        assert_eq!(kept(text, &[0.0, 1.0]), "a\n\nd\n\ne\n");
        assert_eq!(kept("${if params.0 > 0}x${end}y", &[0.0]), "y");
    }

    #[test]
    fn what_cannot_be_decided_stays_to_be_told() {
        let text = "a ${if params.0 < 1}b${else}c${end} d";
        assert_eq!(kept(text, &[f64::NAN]), "a ${if params.0 < 1} d");
        assert_eq!(kept(text, &[f64::INFINITY]), "a c d");
        assert_eq!(kept("a ${if run.cpus < 1}b${end} d", &[]), "a ${if run.cpus < 1} d");
    }

    #[test]
    fn in_code_and_elsewhere_it_is_left_alone() {
        let text = "`${if x}` $${end} <!-- ${else} --> ${params.0}\n\n    ${if y}\n";
        assert_eq!(kept(text, &[1.0]), text);
    }

    #[test]
    fn mistakes_are_told_in_their_places() {
        let faults = |text: &str| {
            let document = Document::read(text);
            let events = document.events();
            let found = Conditions::find(text, &document, &events).faults;
            found.into_iter().map(|(span, fault)| (text[span].to_owned(), fault.message)).collect::<Vec<_>>()
        };
        for (text, place, message) in [
            ("a ${if params.a < 1} b", "${if params.a < 1}", "without `${end}`"),
            ("a ${else} b", "${else}", "without `${if"),
            ("a ${end} b", "${end}", "without `${if"),
            ("${if params.a < 1}a${else}b${else}c${end}", "${else}", "a second"),
            ("${if}a${end}", "${if}", "compares nothing"),
            ("${if params.a}a${end}", "${if params.a}", "compares nothing"),
            ("${if params.a == 1}a${end}", "${if params.a == 1}", "compares nothing"),
            ("${if 0 < params.a < 1}a${end}", "${if 0 < params.a < 1}", "more than two"),
            ("${if 1 - 2 - 3 < 1}a${end}", "${if 1 - 2 - 3 < 1}", "more than one difference"),
            ("${if params.a < }a${end}", "${if params.a < }", "is missing"),
            ("${if params.a < 1x}a${end}", "${if params.a < 1x}", "no number"),
            ("${if params.a:duration < 1}a${end}", "${if params.a:duration < 1}", "not compared"),
            ("${if parms.a < 1}a${end}", "${if parms.a < 1}", "unknown name"),
        ] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].0 == place && found[0].1.contains(message), "{text}: {found:?}");
        }
    }
}
