//! The token trees of a source file in a normal form: what the compiler sees, without what only people see.

use proc_macro2::{Delimiter, LexError, Spacing, TokenStream, TokenTree};

/// A token tree in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or keyword.
    Ident(String),
    /// A whole operator: `::`, `+=`, `;`.
    Op(String),
    /// A literal as it is written.
    Literal(String),
    /// An opening delimiter (or a blank for an invisible one) and what stands inside.
    Group(char, Vec<Token>),
}

impl Token {
    pub(crate) fn is_op(&self, op: &str) -> bool {
        matches!(self, Self::Op(text) if text == op)
    }

    pub(crate) fn is_ident(&self, ident: &str) -> bool {
        matches!(self, Self::Ident(text) if text == ident)
    }

    pub(crate) fn ident(&self) -> Option<&str> {
        if let Self::Ident(text) = self { Some(text) } else { None }
    }

    pub(crate) fn group(&self, delimiter: char) -> Option<&[Token]> {
        match self {
            Self::Group(d, inner) if *d == delimiter => Some(inner),
            _ => None,
        }
    }
}

/// Reads a source file. Comments, documentation, modules under `#[cfg(test)]` and trailing commas that formatting puts
/// in or takes out are gone.
pub(crate) fn parse(source: &str) -> Result<Vec<Token>, String> {
    let stream: TokenStream =
        source.parse().map_err(|e: LexError| format!("line {}: it is no Rust: {e}", e.span().start().line))?;
    Ok(normal(stream))
}

/// The BLAKE3 digest of token trees.
pub(crate) fn digest(tokens: &[Token]) -> blake3::Hash {
    fn add(hasher: &mut blake3::Hasher, tokens: &[Token]) {
        for token in tokens {
            let (tag, text) = match token {
                Token::Ident(text) => (b'i', text),
                Token::Op(text) => (b'o', text),
                Token::Literal(text) => (b'l', text),
                Token::Group(delimiter, inner) => {
                    hasher.update(&[b'(', *delimiter as u8]);
                    add(hasher, inner);
                    hasher.update(b")");
                    continue;
                }
            };
            hasher.update(&[tag]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
    let mut hasher = blake3::Hasher::new();
    add(&mut hasher, tokens);
    hasher.finalize()
}

fn normal(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    // Punctuation characters that touch one another.
    let mut run = String::new();
    for tree in stream {
        match tree {
            TokenTree::Punct(punct) => {
                run.push(punct.as_char());
                if punct.spacing() == Spacing::Alone {
                    split(&mut run, &mut tokens);
                }
                continue;
            }
            // Only a lifetime's quote touches what follows it.
            _ => split(&mut run, &mut tokens),
        }
        match tree {
            TokenTree::Ident(ident) => tokens.push(Token::Ident(ident.to_string())),
            TokenTree::Literal(literal) => tokens.push(Token::Literal(literal.to_string())),
            TokenTree::Group(group) => {
                let mut inner = normal(group.stream());
                let delimiter = match group.delimiter() {
                    Delimiter::Brace => '{',
                    Delimiter::Bracket => '[',
                    Delimiter::Parenthesis => '(',
                    Delimiter::None => ' ',
                };
                if idle_comma(delimiter, &inner, tokens.last()) {
                    inner.pop();
                }
                tokens.push(Token::Group(delimiter, inner));
            }
            TokenTree::Punct(_) => unreachable!("handled above"),
        }
    }
    split(&mut run, &mut tokens);
    without_hidden(tokens)
}

/// Operators of more than one character, longest first.
const OPERATORS: &[&str] = &[
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=", "%=",
    "^=", "&=", "|=", "<<", ">>", "..",
];

/// Cuts a run of punctuation into operators, so that `|a|-b` and `|a| -b` are the same and `a &&b` and `a & &b` are not.
fn split(run: &mut String, tokens: &mut Vec<Token>) {
    let mut rest = run.as_str();
    while let Some(first) = rest.chars().next() {
        let operator = OPERATORS.iter().find(|op| rest.starts_with(**op)).map_or(first.len_utf8(), |op| op.len());
        tokens.push(Token::Op(rest[..operator].to_owned()));
        rest = &rest[operator..];
    }
    run.clear();
}

/// Whether a group ends in a comma that says nothing. It does in a macro call, and in the tuple `(a,)`.
fn idle_comma(delimiter: char, inner: &[Token], before: Option<&Token>) -> bool {
    if !inner.last().is_some_and(|t| t.is_op(",")) || before.is_some_and(|t| t.is_op("!")) {
        return false;
    }
    let call = before.and_then(Token::ident).is_some_and(|name| !BEFORE_TUPLE.contains(&name));
    delimiter != '(' || call || inner.iter().filter(|t| t.is_op(",")).count() > 1
}

/// Keywords after which parentheses hold a value rather than arguments.
const BEFORE_TUPLE: &[&str] =
    &["as", "break", "else", "if", "in", "let", "match", "move", "mut", "ref", "return", "while", "yield"];

/// Takes out documentation and modules under `#[cfg(test)]`.
fn without_hidden(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some(token) = rest.first() {
        let skip = documentation(rest).or_else(|| test_module(rest)).unwrap_or(0);
        if skip == 0 {
            kept.push(token.clone());
        }
        rest = &rest[skip.max(1)..];
    }
    kept
}

/// The length of `#[doc ...]` or `#![doc ...]` at the front.
fn documentation(tokens: &[Token]) -> Option<usize> {
    let (inside, length) = attribute(tokens)?;
    inside.first()?.is_ident("doc").then_some(length)
}

/// The length of `#[cfg(test)] ... mod name { ... }` (or `;`) at the front.
fn test_module(tokens: &[Token]) -> Option<usize> {
    let (inside, mut at) = attribute(tokens)?;
    let [cfg, condition] = inside else { return None };
    let [condition] = condition.group('(')? else { return None };
    if !(cfg.is_ident("cfg") && condition.is_ident("test")) {
        return None;
    }
    while let Some((_, length)) = attribute(&tokens[at..]) {
        at += length;
    }
    if tokens.get(at)?.is_ident("pub") {
        at += 1;
        at += usize::from(tokens.get(at)?.group('(').is_some());
    }
    let [keyword, Token::Ident(_), end, ..] = &tokens[at..] else { return None };
    (keyword.is_ident("mod") && (end.is_op(";") || end.group('{').is_some())).then_some(at + 3)
}

/// What stands inside an attribute at the front, and the number of its tokens.
fn attribute(tokens: &[Token]) -> Option<(&[Token], usize)> {
    match tokens {
        [hash, Token::Group('[', inside), ..] if hash.is_op("#") => Some((inside, 2)),
        [hash, bang, Token::Group('[', inside), ..] if hash.is_op("#") && bang.is_op("!") => Some((inside, 3)),
        _ => None,
    }
}
