//! What programs say when they cannot have a file, taken apart: what is the matter, and which names it may be about.

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The system has no such file.
    Missing,
    /// A program cannot find something, in words of its own: it need not be a file.
    NotFound,
    /// The system refuses.
    Denied,
}

/// A line of a log that complains.
#[derive(Debug)]
pub(super) struct Complaint<'l> {
    pub(super) fault: Fault,
    /// Whether something was to be written.
    pub(super) writes: bool,
    /// What it may be about.
    pub(super) names: Vec<&'l str>,
}

/// What the system calls its errors, in small letters.
const MISSING: [&str; 4] = ["no such file", "enoent", "nosuchfileexception", "directory nonexistent"];

/// What a shell says, at the end of a line; elsewhere that may be anything.
const NO_COMMAND: &str = ": not found";

const DENIED: [&str; 6] = [
    "permission denied",
    "eacces",
    "operation not permitted",
    "read-only file system",
    "cross-device link",
    "device or resource busy",
];

/// What programs say otherwise.
const NOT_FOUND: [&str; 14] = [
    "not found",
    "does not exist",
    "doesn't exist",
    "cannot find",
    "can't find",
    "could not find",
    "unable to find",
    "cannot open",
    "can't open",
    "could not open",
    "unable to open",
    "failed to open",
    "cannot read",
    "no rule to make target",
];

/// What programs say of what they were about to write.
const WRITES: [&str; 7] = [
    "cannot create",
    "cannot remove",
    "cannot touch",
    "cannot move",
    "cannot truncate",
    "failed to truncate",
    "for writing",
];

/// What stands before a name that is not quoted.
const VERBS: [&str; 9] = [
    "cannot open ",
    "cannot create ",
    "cannot stat ",
    "cannot access ",
    "can't open ",
    "can't open file ",
    "failed to open ",
    "opening file ",
    "open ",
];

const QUOTES: [(char, char); 5] =
    [('\'', '\''), ('"', '"'), ('`', '`'), ('\u{2018}', '\u{2019}'), ('\u{201c}', '\u{201d}')];

/// Takes a line apart; `None` if it complains of nothing.
pub(super) fn complaint<'l>(line: &'l str) -> Option<Complaint<'l>> {
    let small = line.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| small.contains(phrase));
    let missing = says(&MISSING) || small.trim_end().ends_with(NO_COMMAND);
    let fault = match () {
        () if says(&DENIED) => Fault::Denied,
        () if missing => Fault::Missing,
        () if says(&NOT_FOUND) => Fault::NotFound,
        () => return None,
    };
    let mut names: Vec<&str> = Vec::new();
    let mut add = |name: &'l str| {
        // What a server was asked for is no file.
        let good = !name.is_empty() && !name.contains("://") && !name.starts_with('-') && name.len() < 4096;
        if good && !names.contains(&name) {
            names.push(name);
        }
    };
    quoted(line).into_iter().for_each(&mut add);
    let segments: Vec<&str> = line.split(": ").collect();
    // The first is the program, or the kind of the error, unless there is nothing but the name and what is the matter.
    let rest = if segments.len() > 2 { &segments[1..] } else { &segments[..] };
    for segment in rest {
        let segment = segment.trim();
        add(VERBS.iter().find_map(|verb| segment.strip_prefix(verb)).unwrap_or(segment));
        // `NAME (No such file or directory)`, `no such file or directory, open NAME`.
        add(segment.split(" (").next().unwrap_or(segment).trim());
    }
    for word in rest.iter().flat_map(|segment| segment.split_whitespace()).filter(|word| !word.contains("://")) {
        let word = word.trim_matches(|c: char| "'\"`()[]{}<>,;=\u{2018}\u{2019}\u{201c}\u{201d}".contains(c));
        // `FILE:12`, `PermissionError:/path`.
        for part in std::iter::once(word).chain(word.split(':')) {
            add(part.trim_end_matches([':', '.']));
        }
    }
    Some(Complaint { fault, names, writes: says(&WRITES) })
}

/// What stands between quotes.
fn quoted(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in QUOTES {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once(open)
            && let Some((inner, next)) = after.split_once(close)
        {
            found.push(inner);
            // The end of one may be the beginning of the next: `can't open 'x'`.
            rest = if inner.contains(' ') { after } else { next };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_what_programs_say() {
        for (line, fault, name) in [
            ("cat: data/my file.txt: No such file or directory", Fault::Missing, "data/my file.txt"),
            ("/bin/sh: 1: cannot open data/x: No such file", Fault::Missing, "data/x"),
            ("/bin/sh: 1: .: cannot open .venv/bin/activate: No such file", Fault::Missing, ".venv/bin/activate"),
            ("/bin/sh: 1: .venv/bin/python: not found", Fault::Missing, ".venv/bin/python"),
            ("/bin/bash: line 1: ./tool.sh: Permission denied", Fault::Denied, "./tool.sh"),
            ("/bin/sh: 1: cannot create in.txt: Permission denied", Fault::Denied, "in.txt"),
            ("awk: cannot open \"x.csv\" (No such file or directory)", Fault::Missing, "x.csv"),
            ("FileNotFoundError: [Errno 2] No such file or directory: 'conf/a.yaml'", Fault::Missing, "conf/a.yaml"),
            (
                "python3: can't open file '/p/train.py': [Errno 2] No such file or directory",
                Fault::Missing,
                "/p/train.py",
            ),
            ("Error: ENOENT: no such file or directory, open 'data/x'", Fault::Missing, "data/x"),
            ("open data/x.json: no such file or directory", Fault::Missing, "data/x.json"),
            ("java.io.FileNotFoundException: data/x (No such file or directory)", Fault::Missing, "data/x"),
            ("ls: cannot access 'data/x': No such file or directory", Fault::Missing, "data/x"),
            ("mkdir: cannot create directory ‘data/x’: Permission denied", Fault::Denied, "data/x"),
            ("main.c:1:10: fatal error: common.h: No such file or directory", Fault::Missing, "common.h"),
            ("  cannot open file 'data/x.csv': No such file or directory", Fault::Missing, "data/x.csv"),
            ("ValueError: class src not found", Fault::NotFound, "src"),
        ] {
            let found = complaint(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found.fault, fault, "{line}");
            assert!(found.names.contains(&name), "{line}: {:?}", found.names);
        }
    }

    #[test]
    fn a_program_and_a_server_are_no_names() {
        let names = |line: &'static str| complaint(line).map_or(vec![], |complaint| complaint.names);
        assert!(!names("/bin/sh: 1: ./tool.sh: Permission denied").contains(&"/bin/sh"));
        let refused =
            names("curl: (22) The requested URL returned error: 403 Permission denied for https://host/api/v1/x");
        assert!(!refused.iter().any(|name| name.contains("host") || name.contains("api")), "{refused:?}");
        assert!(complaint("curl: (22) error: 403 Access denied for https://host/api/v1/x").is_none());
    }
}
