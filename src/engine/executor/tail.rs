//! The last lines of a log, read from its end so that a log of any size costs the same.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::log::last_attempt;

/// So many bytes at the end are looked at.
const WINDOW: u64 = 64 * 1024;

/// A line that is longer is shown by its beginning and its end, of so many characters each.
const LONG: usize = 400;
const BEGINNING: usize = 240;
const END: usize = 120;

/// The last `count` lines of the last attempt that tell something; nothing if the file cannot be read. Blank lines do not count, nor do the calls that a program of
/// Rust lists after what went wrong.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let text = end(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty() && !is_call(line)).collect();
    let lines = last_attempt(&lines);
    lines[lines.len().saturating_sub(count)..].iter().map(|line| shortened(line)).collect()
}

fn end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `   3: std::rt::lang_start`, `             at /rustc/.../rt.rs:12`, and the lines around such.
fn is_call(line: &str) -> bool {
    let text = line.trim_start();
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    let frame = line.starts_with(' ') && number > 0 && text[number..].starts_with(": ") && text.contains("::");
    let raw = line.starts_with(' ') && number > 0 && text[number..].starts_with(": 0x");
    let place = line.starts_with("      ") && text.starts_with("at ") && text.contains(".rs:");
    frame
        || raw
        || place
        || text == "stack backtrace:"
        || text.starts_with("note: run with `RUST_BACKTRACE=")
        || text.starts_with("note: Some details are omitted, run with `RUST_BACKTRACE=")
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
