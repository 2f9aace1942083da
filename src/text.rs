//! Texts that people and programs wrote: UTF-8, with or without a byte order mark at the head.

use std::fmt;

/// What editors on Windows, and Python's `utf-8-sig`, put at the head of a text. It is no part of it.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotText {
    /// UTF-16, by the mark at its head.
    Utf16,
    /// Something else.
    At {
        /// The first byte that begins no character, from 0.
        byte: usize,
        /// Its line, from 1.
        line: usize,
    },
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => f.write_str("it is UTF-16, and has to be UTF-8"),
            Self::At { byte, line } => write!(f, "it is not UTF-8: byte {byte}, on line {line}, begins no character"),
        }
    }
}

/// The bytes of a text without the mark.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// The text that some bytes are, without the mark.
///
/// # Errors
/// If they are no UTF-8.
pub fn of(bytes: &[u8]) -> Result<&str, NotText> {
    let bytes = without_mark(bytes);
    str::from_utf8(bytes).map_err(|error| {
        let byte = error.valid_up_to();
        match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => NotText::Utf16,
            _ => NotText::At { byte, line: bytes[..byte].iter().filter(|b| **b == b'\n').count() + 1 },
        }
    })
}

/// The same of bytes that are no longer needed: a large text is not copied.
///
/// # Errors
/// If they are no UTF-8.
pub fn owned(mut bytes: Vec<u8>) -> Result<String, NotText> {
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).or_else(|error| of(error.as_bytes()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_no_part_of_a_text() {
        assert_eq!(of(b"\xef\xbb\xbfa: 1"), Ok("a: 1"));
        assert_eq!(of("a: é".as_bytes()), Ok("a: é"));
        assert_eq!(of(b"\xff\xfea\0"), Err(NotText::Utf16));
        assert_eq!(of(b"a\nb\xe9"), Err(NotText::At { byte: 3, line: 2 }));
        assert_eq!(owned(b"\xef\xbb\xbfa: 1".to_vec()), Ok("a: 1".to_owned()));
        assert_eq!(owned(b"a\nb\xe9".to_vec()), Err(NotText::At { byte: 3, line: 2 }));
        assert_eq!(of(b""), Ok(""));
    }
}
