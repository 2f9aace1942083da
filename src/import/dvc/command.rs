//! DVC's commands for Kiln, with the same meaning.
//!
//! DVC gives each line of a text, and each item of a list, to a shell of its own that knows neither `-e` nor `-u`, and goes on to the
//! next if that one ends with 0. Where a script of Kiln's means the same it is written as one; where it does not (`;`, pipes,
//! loops, values that a shell takes apart), the shell is named as the program, and gets the very text that DVC gives it.

use std::collections::BTreeSet;

use super::template::{Carried, Piece, is_word, quoted};

/// What a stage runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// `sh` or `bash`.
    pub(super) shell: &'static str,
    /// In Kiln's words.
    pub(super) text: String,
    /// Whether the shell is the program, and not `run: text`.
    pub(super) exact: bool,
    /// Variables that it names and does not set.
    pub(super) variables: BTreeSet<String>,
}

/// What bash understands and `sh` need not.
const BASH: &[&str] =
    &["&>", "[[", "<(", ">(", "source ", "$'", "pipefail", "((", "|&", "<<<", "function ", "declare ", "shopt "];

/// Words with which something begins that goes on, or that changes the shell that hears them.
const OPENS: &[&str] =
    &["if", "for", "while", "until", "case", "{", "(", "!", "function", "set", "trap", "exec", "eval", "exit"];

/// What changes only the shell that hears it: another line does not see it.
const STAYS: &[&str] = &["cd", "export", "unset", "umask", "alias", ".", "source", "ulimit", "pushd", "popd"];

/// The command of a stage that runs in `folder` (`None` for the project's), and leaves a `mark` if it has no outputs.
pub(super) fn run(commands: &[Carried], folder: Option<&str>, make_folder: bool, mark: Option<&str>) -> Run {
    let looks: Vec<Look> = commands.iter().map(look).collect();
    let all: String = commands.iter().map(|command| command.resolved() + "\n").collect();
    let shell = if BASH.iter().any(|sign| all.contains(sign)) { "bash" } else { "sh" };
    let several = commands.len() > 1;
    let simple = looks.iter().all(|look| !look.complex && (!several || !look.stays));
    let mut variables = BTreeSet::new();
    looks.iter().for_each(|look| variables.extend(look.variables.iter().cloned()));
    let enter = folder.map(|folder| {
        let make = if make_folder { format!("mkdir -p {} && ", word(folder)) } else { String::new() };
        format!("{make}cd {}", word(folder))
    });
    // The mark lies at its path in the project.
    let mark = mark.map(|path| match folder {
        None => format!(": > {}", word(path)),
        Some(folder) => format!(": > {}", word(&(up(folder) + path))),
    });
    if simple {
        let mut lines: Vec<String> = enter.into_iter().collect();
        for (i, (command, look)) in commands.iter().zip(&looks).enumerate() {
            let text = command.kiln().trim().to_owned();
            let last = i + 1 == commands.len() && mark.is_none();
            match () {
                () if text.is_empty() => {}
                // A part of `a && b` that fails does not end a script unless it is the last.
                () if look.lists && !last => lines.push(format!("( {text} )")),
                () => lines.push(text),
            }
        }
        lines.extend(mark);
        return Run { shell, text: lines.join("\n"), exact: false, variables };
    }
    let texts: Vec<String> = commands.iter().map(Carried::kiln).filter(|text| !text.trim().is_empty()).collect();
    let mut text = match (texts.as_slice(), &mark) {
        ([only], None) => only.clone(),
        (all, _) => all.iter().map(|text| format!("(\n{}\n)", text.trim_end())).collect::<Vec<_>>().join(" &&\n"),
    };
    if let Some(mark) = mark {
        text.push_str(&format!(" &&\n{mark}"));
    }
    if let Some(enter) = enter {
        text = format!("{enter} || exit\n{text}");
    }
    Run { shell, text, exact: true, variables }
}

/// The way from a folder of the project up to it.
fn up(folder: &str) -> String {
    "../".repeat(folder.split('/').filter(|part| !part.is_empty()).count())
}

/// A path in a script; one that holds `${...}` becomes a word by itself.
fn word(path: &str) -> String {
    if path.contains("${") { path.to_owned() } else { quoted(path) }
}

/// What a text is to a shell.
struct Look {
    /// More than simple commands with `&&` and `||` between them.
    complex: bool,
    /// `&&` or `||`.
    lists: bool,
    /// It changes only its own shell.
    stays: bool,
    variables: BTreeSet<String>,
}

fn look(command: &Carried) -> Look {
    let mut look = Look { complex: false, lists: false, stays: false, variables: BTreeSet::new() };
    let mut scan = Scan { quote: None, escaped: false };
    let mut text = String::new();
    for piece in &command.0 {
        match piece {
            Piece::Text(piece) => {
                for c in piece.chars() {
                    scan.step(c);
                    text.push(c);
                }
            }
            Piece::Use { value, .. } => {
                // Kiln hands it over as one word that is no code.
                look.complex |= scan.quote == Some('\'') || scan.escaped || !is_word(value);
                text.push('x');
            }
        }
    }
    look.complex |= scan.quote.is_some() || scan.escaped;
    let chars: Vec<char> = text.chars().collect();
    let mut scan = Scan { quote: None, escaped: false };
    for (i, &c) in chars.iter().enumerate() {
        let (quote, escaped) = (scan.quote, scan.escaped);
        scan.step(c);
        if escaped || quote == Some('\'') {
            continue;
        }
        let (before, after) = (i.checked_sub(1).map(|i| chars[i]), chars.get(i + 1).copied());
        match c {
            '`' => look.complex = true,
            '$' => match after {
                Some('(') => look.complex = true,
                Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                    let name: String =
                        chars[i + 1..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
                    look.variables.insert(name);
                }
                Some('{') => {
                    let inner: String = chars[i + 2..].iter().take_while(|c| **c != '}').collect();
                    let name: String = inner.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    // `${X:-1}` is made for variables that are not set.
                    look.complex |= name.is_empty() || name != inner;
                    if !name.is_empty() {
                        look.variables.insert(name);
                    }
                }
                Some(c) if c.is_ascii_digit() || matches!(c, '?' | '@' | '*' | '#' | '$' | '!' | '-') => {
                    look.complex = true
                }
                _ => {}
            },
            _ if quote.is_some() => {}
            ';' | '\n' | '(' | ')' => look.complex = true,
            '|' if before == Some('|') || after == Some('|') => look.lists = true,
            '|' => look.complex = true,
            '&' if before == Some('&') || after == Some('&') => look.lists = true,
            '&' if after == Some('>') || matches!(before, Some('>' | '<')) => {}
            '&' => look.complex = true,
            '<' if after == Some('<') => look.complex = true,
            _ => {}
        }
    }
    for part in text.split("&&").flat_map(|part| part.split("||")) {
        let first = part.split_whitespace().next().unwrap_or_default();
        look.complex |= OPENS.contains(&first);
        look.stays |= STAYS.contains(&first);
        // `X=1` alone, or before a command, which is no matter.
        look.stays |= is_assignment(first) && part.split_whitespace().all(is_assignment);
    }
    let set: Vec<String> = text
        .split_whitespace()
        .filter(|word| is_assignment(word))
        .filter_map(|word| word.split_once('=').map(|(name, _)| name.to_owned()))
        .collect();
    look.variables.retain(|name| !set.contains(name));
    look
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Where in a shell's quotes a text is.
struct Scan {
    quote: Option<char>,
    escaped: bool,
}

impl Scan {
    fn step(&mut self, c: char) {
        match (self.quote, c) {
            _ if self.escaped => self.escaped = false,
            (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
            (Some('\''), _) => {}
            (_, '\\') => self.escaped = true,
            (None, '\'' | '"') => self.quote = Some(c),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(commands: &[&str]) -> Run {
        let commands: Vec<Carried> = commands.iter().map(|text| Carried::plain(text)).collect();
        run(&commands, None, false, None)
    }

    #[test]
    fn what_is_simple_stays_a_script() {
        let simple = made(&["python train.py --lr 1 > 'a b.log' 2>&1"]);
        assert!(!simple.exact && simple.shell == "sh");
        assert_eq!(made(&["a && b"]).text, "a && b");
        assert_eq!(made(&["a && b", "c"]).text, "( a && b )\nc");
        let variables = made(&["$PY train.py \"$X\" '$Y' Z=1 $Z"]);
        assert_eq!(variables.variables.into_iter().collect::<Vec<_>>(), ["PY", "X"]);
    }

    #[test]
    fn what_is_not_gets_the_shell_that_dvc_gives_it() {
        for text in ["a; b", "a | b", "for i in 1 2", "echo `date`", "a &", "x $(y)", "echo ${X:-1}", "cat <<E", "a 'b"]
        {
            assert!(made(&[text]).exact, "{text}");
        }
        assert_eq!(made(&["cd x", "ls"]).text, "(\ncd x\n) &&\n(\nls\n)");
        assert!(!made(&["cd x && ls"]).exact);
        assert_eq!(made(&["a &> log"]).shell, "bash");
    }

    #[test]
    fn a_folder_and_a_mark_are_added() {
        let run = |text: &str| run(&[Carried::plain(text)], Some("sub"), false, Some("out/done/s"));
        assert_eq!(run("python x.py").text, "cd sub\npython x.py\n: > ../out/done/s");
        assert_eq!(run("a; b").text, "cd sub || exit\n(\na; b\n) &&\n: > ../out/done/s");
    }
}
