//! How a stream wants to be written to: in colour or not, and how wide.

use std::io::IsTerminal;

use console::Term;

/// How a stream wants to be written to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Whether escape codes for colour are welcome.
    pub(crate) colour: bool,
    /// Columns; `None` where lines may be of any length (a file, a pipe).
    pub(crate) width: Option<usize>,
    /// Whether lines can be redrawn.
    pub(crate) terminal: bool,
}

impl Look {
    /// Standard output as it is.
    pub(crate) fn stdout() -> Self {
        Self::of(std::io::stdout().is_terminal(), &Term::stdout())
    }

    /// Standard error as it is.
    pub(crate) fn stderr() -> Self {
        Self::of(std::io::stderr().is_terminal(), &Term::stderr())
    }

    fn of(is_terminal: bool, term: &Term) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal = is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let width = if is_terminal { term.size_checked().map(|(_, columns)| usize::from(columns)) } else { None };
        Self { colour: terminal && !set("NO_COLOR"), width: width.filter(|&columns| columns > 0), terminal }
    }

    /// For headings.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what is less important.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For failures.
    pub(crate) fn red(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what went well.
    pub(crate) fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what was not done.
    pub(crate) fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `text` on one line, without control characters: what a stage says must not be able to steer the terminal.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).trim().to_owned()
}

/// A note and, on a line of its own, what to do about it.
pub(crate) fn note(text: &str) -> String {
    let (text, hint) = text.split_once("\nhint: ").unwrap_or((text, ""));
    let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {}", one_line(hint)) };
    format!("{}{hint}", one_line(text))
}

/// As [`one_line`], with the blanks at its start.
pub(crate) fn plain(text: &str) -> String {
    let text: String = console::strip_ansi_codes(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_where_it_is_welcome() {
        assert_eq!(Look::default().red("x"), "x");
        assert_eq!(Look { colour: true, ..Look::default() }.red("x"), "\x1b[1;31mx\x1b[0m");
    }

    #[test]
    fn a_stage_cannot_steer_the_terminal() {
        assert_eq!(one_line("  a\r\n\x1b[2Jb\u{7}\t"), "a  b");
    }
}
