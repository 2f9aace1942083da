//! Where in a shell script a value is about to be put: the quoting decides how a variable may stand there.

/// The quoting around a position of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Outside quotes.
    Bare,
    /// Where variables are expanded and not split: double quotes, and here-documents without quotes.
    Double,
    /// Between single quotes.
    Single,
    /// In a here-document whose delimiter is quoted.
    Verbatim,
    /// In a comment.
    Comment,
    /// In `$((...))`.
    Arithmetic,
    /// Between backticks.
    Backticks,
    /// After a backslash.
    Escaped,
    /// In the delimiter of a here-document.
    Delimiter,
}

#[derive(Clone, Debug)]
enum Frame {
    /// Commands. `nested` for `$(...)`; `parentheses` are those open within; `fresh` right after `$(`.
    Code {
        nested: bool,
        parentheses: usize,
        fresh: bool,
    },
    Double,
    Single,
    Backticks,
    Comment,
    Arithmetic {
        parentheses: usize,
    },
    Here {
        end: Here,
        line: String,
    },
}

/// A here-document that was announced.
#[derive(Clone, Debug, Default)]
struct Here {
    delimiter: String,
    quoted: bool,
    tabs: bool,
}

/// Reads a script piece by piece and knows the quoting at its end. It follows POSIX quoting, nested `$(...)`,
/// comments and here-documents; where it should ever be misled, a value may be split into words, yet never run.
#[derive(Debug)]
pub(super) struct Lexer {
    stack: Vec<Frame>,
    previous: char,
    escaped: bool,
    /// The delimiter being read, with the quote that is open in it.
    announcing: Option<(Here, Option<char>)>,
    announced: Vec<Here>,
}

impl Lexer {
    /// At the beginning of a script.
    pub(super) fn new() -> Self {
        let root = Frame::Code { nested: false, parentheses: 0, fresh: false };
        Self { stack: vec![root], previous: '\n', escaped: false, announcing: None, announced: vec![] }
    }

    /// The quoting here.
    pub(super) fn context(&self) -> Context {
        if self.announcing.is_some() {
            return Context::Delimiter;
        }
        if self.escaped {
            return Context::Escaped;
        }
        match self.stack.last() {
            None | Some(Frame::Code { .. }) => Context::Bare,
            Some(Frame::Double) => Context::Double,
            Some(Frame::Here { end, .. }) => {
                if end.quoted {
                    Context::Verbatim
                } else {
                    Context::Double
                }
            }
            Some(Frame::Single) => Context::Single,
            Some(Frame::Backticks) => Context::Backticks,
            Some(Frame::Comment) => Context::Comment,
            Some(Frame::Arithmetic { .. }) => Context::Arithmetic,
        }
    }

    /// Whether a word could begin here.
    pub(super) fn at_boundary(&self) -> bool {
        boundary(self.previous)
    }

    /// Passes over a value that was put here.
    pub(super) fn value(&mut self) {
        self.plain('x');
    }

    /// Reads on.
    pub(super) fn read(&mut self, text: &str) {
        for c in text.chars() {
            if self.announcing.is_some() {
                self.delimiter(c);
            }
            // The character that ends a delimiter counts as code again.
            if self.announcing.is_none() {
                self.step(c);
            }
        }
    }

    fn plain(&mut self, c: char) {
        self.previous = c;
        self.escaped = false;
        match self.stack.last_mut() {
            Some(Frame::Code { fresh, .. }) => *fresh = false,
            Some(Frame::Here { line, .. }) => line.push(c),
            _ => {}
        }
    }

    fn step(&mut self, c: char) {
        if self.escaped {
            self.plain(c);
            // What is escaped neither ends a word nor begins a substitution.
            self.previous = 'x';
            return;
        }
        let before = self.previous;
        let Some(top) = self.stack.last_mut() else { return };
        match (top, c) {
            (Frame::Single, '\'') | (Frame::Double, '"') | (Frame::Backticks, '`') => {
                self.stack.pop();
                self.plain('x');
                return;
            }
            (Frame::Single, _) => {}
            (Frame::Here { end, .. }, '\n') if end.quoted => self.end_of_line(),
            (Frame::Here { end, line }, _) if end.quoted => line.push(c),
            (Frame::Comment, '\n') => {
                self.stack.pop();
                self.step(c);
                return;
            }
            (Frame::Comment, _) => {}
            (Frame::Here { .. }, '\n') => self.end_of_line(),
            (_, '\\') => {
                self.escaped = true;
                if let Some(Frame::Here { line, .. }) = self.stack.last_mut() {
                    line.push(c);
                }
            }
            (Frame::Backticks, _) => {}
            (Frame::Code { fresh, .. }, '(') if *fresh => {
                self.stack.pop();
                self.stack.push(Frame::Arithmetic { parentheses: 2 });
            }
            (Frame::Double | Frame::Here { .. } | Frame::Code { .. } | Frame::Arithmetic { .. }, '(')
                if before == '$' =>
            {
                self.stack.push(Frame::Code { nested: true, parentheses: 0, fresh: true });
                self.previous = '(';
                return;
            }
            (Frame::Double | Frame::Here { .. } | Frame::Code { .. }, '`') => self.stack.push(Frame::Backticks),
            (Frame::Here { line, .. }, _) => line.push(c),
            (Frame::Double, _) => {}
            (Frame::Arithmetic { parentheses }, '(') => *parentheses += 1,
            (Frame::Arithmetic { parentheses }, ')') => {
                *parentheses -= 1;
                if *parentheses == 0 {
                    self.stack.pop();
                }
            }
            (Frame::Arithmetic { .. }, _) => {}
            (Frame::Code { .. }, '\'') => self.stack.push(Frame::Single),
            (Frame::Code { .. }, '"') => self.stack.push(Frame::Double),
            (Frame::Code { .. }, '#') if boundary(before) => self.stack.push(Frame::Comment),
            (Frame::Code { .. }, '\n') => self.begin_here(),
            (Frame::Code { .. }, '<') if before == '<' => {
                self.announcing = Some((Here::default(), None));
                self.previous = c;
                return;
            }
            (Frame::Code { parentheses, .. }, '(') => *parentheses += 1,
            (Frame::Code { nested, parentheses, .. }, ')') => {
                if *nested && *parentheses == 0 {
                    self.stack.pop();
                } else {
                    *parentheses = parentheses.saturating_sub(1);
                }
            }
            (Frame::Code { .. }, _) => {}
        }
        if let Some(Frame::Code { fresh, .. }) = self.stack.last_mut() {
            *fresh = false;
        }
        self.previous = c;
    }

    /// Reads the word after `<<`.
    fn delimiter(&mut self, c: char) {
        let Some((here, quote)) = &mut self.announcing else { return };
        match (*quote, c) {
            (Some(open), c) if c == open => *quote = None,
            (Some(_), c) => here.delimiter.push(c),
            (None, '-') if here.delimiter.is_empty() && !here.quoted && !here.tabs => here.tabs = true,
            (None, ' ' | '\t') if here.delimiter.is_empty() && !here.quoted => {}
            (None, '\'' | '"') => {
                here.quoted = true;
                *quote = Some(c);
            }
            (None, '\\') => here.quoted = true,
            (None, c) if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '<' | '>' | '(' | ')') => {
                let (here, _) = self.announcing.take().unwrap_or_default();
                // Nothing after `<<` (or a third `<`) announces nothing.
                if !here.delimiter.is_empty() || here.quoted {
                    self.announced.push(here);
                }
                self.previous = 'x';
            }
            (None, c) => here.delimiter.push(c),
        }
    }

    fn begin_here(&mut self) {
        if !self.announced.is_empty() {
            let end = self.announced.remove(0);
            self.stack.push(Frame::Here { end, line: String::new() });
        }
    }

    fn end_of_line(&mut self) {
        let Some(Frame::Here { end, line }) = self.stack.last_mut() else { return };
        let text = if end.tabs { line.trim_start_matches('\t') } else { line.as_str() };
        let done = text == end.delimiter;
        line.clear();
        if done {
            self.stack.pop();
            self.begin_here();
        }
    }
}

/// Whether a character ends a word.
pub(super) fn boundary(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(script: &str) -> Context {
        let mut lexer = Lexer::new();
        lexer.read(script);
        lexer.context()
    }

    #[test]
    fn quotes() {
        assert_eq!(after("echo "), Context::Bare);
        assert_eq!(after("echo \"a "), Context::Double);
        assert_eq!(after("echo 'a "), Context::Single);
        assert_eq!(after("echo 'a' \"it's\" "), Context::Bare);
        assert_eq!(after("echo \\"), Context::Escaped);
        assert_eq!(after("echo \\' "), Context::Bare);
        assert_eq!(after("echo \"\\\" "), Context::Double);
        assert_eq!(after("echo `a "), Context::Backticks);
    }

    #[test]
    fn substitutions_start_afresh() {
        assert_eq!(after("echo \"$(cat "), Context::Bare);
        assert_eq!(after("echo \"$(cat 'x') "), Context::Double);
        assert_eq!(after("echo $((1 + "), Context::Arithmetic);
        assert_eq!(after("echo $((1 + (2))) "), Context::Bare);
        assert_eq!(after("echo \"$( (cd x) ) "), Context::Double);
        assert_eq!(after("(cd x; echo ')') "), Context::Bare);
    }

    #[test]
    fn comments_hide_quotes() {
        assert_eq!(after("# don't\necho "), Context::Bare);
        assert_eq!(after("echo a#'b "), Context::Single);
        assert_eq!(after("echo # x "), Context::Comment);
        assert_eq!(after("echo ${#x}' "), Context::Single);
    }

    #[test]
    fn here_documents() {
        assert_eq!(after("cat <<EOF\nit's "), Context::Double);
        assert_eq!(after("cat <<'EOF'\n"), Context::Verbatim);
        assert_eq!(after("cat <<\\EOF\n$(x "), Context::Verbatim);
        assert_eq!(after("cat <<EOF > x\nit's\nEOF\necho "), Context::Bare);
        assert_eq!(after("cat <<-EOF\n\tit's\n\tEOF\necho "), Context::Bare);
        assert_eq!(after("cat <<A <<'B'\na'\nA\n"), Context::Verbatim);
        assert_eq!(after("cat <<EOF\n$(echo "), Context::Bare);
        assert_eq!(after("cat <<E"), Context::Delimiter);
        assert_eq!(after("cat <<EOF\nx\n EOF\n"), Context::Double);
    }
}
