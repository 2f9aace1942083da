//! A terminal for bars that is never waited for: a frame is put together here and queued to standard error in one piece.

use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, PoisonError};

use console::Term;
use indicatif::TermLike;

use super::outbox::STDERR;

/// The terminal on standard error.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Asked for its size and nothing else.
    term: Term,
    frame: Mutex<String>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { term: Term::stderr(), frame: Mutex::default() }
    }

    fn add(&self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner).write_fmt(text).map_err(io::Error::other)
    }

    /// Moves the cursor by an escape sequence that ends with a letter.
    fn shift(&self, by: usize, letter: char) -> io::Result<()> {
        if by > 0 { self.add(format_args!("\x1b[{by}{letter}")) } else { Ok(()) }
    }
}

impl TermLike for Frames {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.shift(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.shift(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.shift(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.shift(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        STDERR.push(frame.as_bytes());
        Ok(())
    }
}
