//! The last lines of a log, read from its end so that a log of any size costs the same.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::log::last_attempt;

/// So many bytes at the end are looked at.
const WINDOW: u64 = 64 * 1024;

/// So many if there is little but calls in these.
const LARGE_WINDOW: u64 = 4 << 20;

/// A line that is longer is shown by its beginning and its end, of so many characters each.
const LONG: usize = 400;
const BEGINNING: usize = 240;
const END: usize = 120;

/// The last `count` lines of the last attempt that tell something; nothing if the file cannot be read. Blank lines do not count, nor do the calls that a program of
/// Rust lists after what went wrong.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let short = telling(path, WINDOW, count);
    let is_all = short.len() >= count || std::fs::metadata(path).is_ok_and(|log| log.len() <= WINDOW);
    if is_all { short } else { telling(path, LARGE_WINDOW, count) }
}

fn telling(path: &Path, window: u64, count: usize) -> Vec<String> {
    let text = end(path, window).unwrap_or_default();
    let mut calls = Calls::default();
    let lines: Vec<&str> = text.lines().filter(|line| !calls.has(line) && !line.trim().is_empty()).collect();
    let lines = last_attempt(&lines);
    lines[lines.len().saturating_sub(count)..].iter().map(|line| shortened(line)).collect()
}

fn end(path: &Path, window: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(window)))?;
    let mut bytes = Vec::new();
    file.take(window).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Finds the lines in which a program of Rust lists its calls.
#[derive(Default)]
struct Calls {
    /// The number of the last call, while it is among them.
    last: Option<u64>,
}

impl Calls {
    /// Whether the next line is one of them: `   3: std::rt::lang_start`, `             at /rustc/.../rt.rs:12`, and the lines around such.
    /// Once a list has begun, it goes on with whatever function has the next number, and what is written beneath it.
    fn has(&mut self, line: &str) -> bool {
        let text = line.trim_start();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let call = text[digits..].strip_prefix(": ");
        let number: Option<u64> = call.and_then(|_| text[..digits].parse().ok());
        let begins = line.starts_with(' ')
            && call.is_some_and(|call| call.contains("::") || call.trim_start().starts_with("0x"));
        if number.is_some() && (begins || number == self.last.map(|last| last + 1)) {
            self.last = number;
            return true;
        }
        let place = text.starts_with("at ") && text.contains(".rs:");
        if line.starts_with("      ") && (self.last.is_some() || place) {
            return true;
        }
        self.last = None;
        text == "stack backtrace:"
            || text.starts_with("note: run with `RUST_BACKTRACE=")
            || text.starts_with("note: Some details are omitted, run with `RUST_BACKTRACE=")
    }
}

/// A line that is not too long to be shown.
fn shortened(line: &str) -> String {
    let length = line.chars().count();
    if length <= LONG {
        return line.to_owned();
    }
    let beginning: String = line.chars().take(BEGINNING).collect();
    let end: String = line.chars().skip(length - END).collect();
    format!("{beginning} ... ({} characters) ... {end}", length - BEGINNING - END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_after_a_panic_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut text = "memory allocation of 16000000000 bytes failed\nstack backtrace:\n".to_owned();
        for number in 0..40 {
            text += &format!(
                "  {number}: std::alloc::rust_oom\n             at /rustc/1/library/std/src/alloc.rs:{number}:5\n"
            );
        }
        text += "note: run with `RUST_BACKTRACE=full` for a verbose backtrace.\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_lines(&path, 5), ["memory allocation of 16000000000 bytes failed"]);
        // Frames of C, functions without a path, what was inlined, and more of it than is looked at first.
        let mut text = "said before\nerror: cannot add: shapes differ\n".to_owned();
        for number in 0..990 {
            text += &format!(
                "{number:4}: <candle_core::Error>::bt\n             at /c/registry/src/candle-core/src/error.rs:{number}:5\n"
            );
        }
        text += " 990: main\n      core::hint::black_box\n             at ./csu/../csu/libc-start.c:360:3\n 991: <unknown>\n\n\n";
        assert!(text.len() as u64 > WINDOW);
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_lines(&path, 5), ["said before", "error: cannot add: shapes differ"]);
        std::fs::write(&path, "  1: not a call\n   at noon\n").unwrap();
        assert_eq!(last_lines(&path, 5).len(), 2);
    }

    #[test]
    fn a_long_line_is_shortened() {
        let line = format!("begin{}end", "x".repeat(16_000));
        let short = shortened(&line);
        assert!(short.len() < 500 && short.starts_with("begin") && short.ends_with("end"), "{short}");
        assert!(short.contains("(15648 characters)"), "{short}");
        assert_eq!(shortened("é"), "é");
    }
}
