//! The `${...}` syntax: cuts a text into literal pieces and uses of names.

use std::borrow::Cow;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Stands for itself; `$${` has become `${`.
    Literal(Cow<'t, str>),
    /// A name to replace.
    Use(Use<'t>),
}

/// `${params.a.b}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use<'t> {
    /// What stands between the braces, without blanks: `params.a.b`.
    pub(super) name: &'t str,
    /// Which `${` of the text it is, from 0 (escaped ones count).
    pub(super) nth: usize,
}

impl<'t> Use<'t> {
    /// The names between the dots.
    pub(super) fn segments(&self) -> std::str::Split<'t, char> {
        self.name.split('.')
    }
}

/// A `${` that begins no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: String,
    /// Which `${` of the text it is.
    pub(super) nth: usize,
}

/// Cuts a text into pieces.
///
/// # Errors
/// If a `${` is not closed, or holds something that is no name.
pub(super) fn parse(text: &str) -> Result<Vec<Part<'_>>, Fault> {
    let mut parts = Vec::new();
    let mut literal: Cow<'_, str> = Cow::Borrowed("");
    let mut rest = text;
    let mut nth = 0;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            append(&mut literal, &rest[..at - 1]);
            append(&mut literal, "${");
            rest = &rest[at + 2..];
        } else {
            append(&mut literal, &rest[..at]);
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let inner = &rest[at + 2..];
            let Some(end) = inner.find('}') else {
                return Err(Fault { message: "`${` without a closing `}`".into(), nth });
            };
            parts.push(Part::Use(Use { name: name(&inner[..end], nth)?, nth }));
            rest = &inner[end + 1..];
        }
        nth += 1;
    }
    append(&mut literal, rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// The use that is the whole text, if it is one.
pub(super) fn whole(text: &str) -> Option<Use<'_>> {
    if !text.starts_with("${") {
        return None;
    }
    match parse(text).as_deref() {
        Ok([Part::Use(only)]) => Some(*only),
        _ => None,
    }
}

fn append<'t>(literal: &mut Cow<'t, str>, text: &'t str) {
    if literal.is_empty() {
        *literal = Cow::Borrowed(text);
    } else if !text.is_empty() {
        literal.to_mut().push_str(text);
    }
}

fn name(inner: &str, nth: usize) -> Result<&str, Fault> {
    let name = inner.trim();
    let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if name.split('.').all(word) {
        Ok(name)
    } else {
        Err(Fault { message: format!("`${{{inner}}}` is not a name"), nth })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str) -> String {
        let parts = parse(text).unwrap();
        parts
            .iter()
            .map(|p| match p {
                Part::Literal(l) => format!("({l})"),
                Part::Use(u) => format!("<{}#{}>", u.name, u.nth),
            })
            .collect()
    }

    #[test]
    fn cuts_literals_and_uses() {
        assert_eq!(show("a ${x.y} b${ z }"), "(a )<x.y#0>( b)<z#1>");
        assert_eq!(show("$${x} ${y} $x $$"), "(${x} )<y#1>( $x $$)");
        assert_eq!(show("$$${x}"), "($${x})");
        assert_eq!(show(""), "");
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["${", "${}", "${a b}", "${a..b}", "${a:-b}", "x ${a.}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("${a} ${").unwrap_err().nth, 1);
    }

    #[test]
    fn a_whole_use_is_told_from_a_splice() {
        assert_eq!(whole("${a.b}").map(|u| u.name), Some("a.b"));
        assert_eq!(whole("${a} "), None);
        assert_eq!(whole("$${a}"), None);
    }

    proptest! {
        /// Writing the pieces out again and reading them gives the same pieces.
        #[test]
        fn pieces_survive_a_round_trip(text in "[a${}. ]{0,24}") {
            if let Ok(parts) = parse(&text) {
                let written: String = parts.iter().map(|p| match p {
                    Part::Literal(l) => l.replace("${", "$${"),
                    Part::Use(u) => format!("${{{}}}", u.name),
                }).collect();
                prop_assert_eq!(parse(&written), Ok(parts));
            }
        }
    }
}
