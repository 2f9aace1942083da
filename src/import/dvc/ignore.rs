//! `.dvcignore`: which files DVC passes over, in the syntax of `.gitignore`.

use std::fs;
use std::path::Path;

/// What the `.dvcignore` files from the project's root down to a folder say.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// The folder of the file that says it; empty for the root.
    base: String,
    pattern: String,
    /// Whether it is a path from `base`, not a name anywhere below.
    anchored: bool,
    folders_only: bool,
    negated: bool,
}

impl Ignore {
    /// The rules of a folder's own `.dvcignore`, behind those that hold there already.
    pub(super) fn and_of(&self, root: &Path, folder: &str) -> Self {
        let mut rules = self.clone();
        let text = fs::read(root.join(folder).join(".dvcignore")).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (folders_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
            let anchored = line.contains('/');
            let pattern = line.trim_start_matches('/').to_owned();
            rules.rules.push(Rule { base: folder.to_owned(), pattern, anchored, folders_only, negated });
        }
        rules
    }

    /// The rules for a folder of the project.
    pub(super) fn down_to(root: &Path, folder: &str) -> Self {
        let mut ignore = Self::default().and_of(root, "");
        let mut at = String::new();
        for part in folder.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if !at.is_empty() {
                at.push('/');
            }
            at.push_str(part);
            ignore = ignore.and_of(root, &at);
        }
        ignore
    }

    /// Whether DVC passes over a path of the project, given that it does not over the folder that it is in.
    pub(super) fn passes_over(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        if matches!(name, ".git" | ".hg" | ".dvc" | ".dvcignore") {
            return true;
        }
        let mut ignored = false;
        for rule in &self.rules {
            let inner = match rule.base.as_str() {
                "" => Some(path),
                base => path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')),
            };
            let Some(inner) = inner else { continue };
            if rule.folders_only && !is_folder {
                continue;
            }
            let text = if rule.anchored { inner } else { name };
            if matches(rule.pattern.as_bytes(), text.as_bytes()) {
                ignored = !rule.negated;
            }
        }
        ignored
    }
}

/// Whether a pattern of `.gitignore` fits a whole text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        b'*' if rest.first() == Some(&b'*') => {
            let rest = &rest[1..];
            let after_slash = rest.strip_prefix(b"/").unwrap_or(rest);
            matches(after_slash, text) || (0..=text.len()).any(|at| matches(rest, &text[at..]))
        }
        b'*' => {
            let end = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..]))
        }
        b'?' => text.first().is_some_and(|b| *b != b'/') && matches(rest, &text[1..]),
        b'[' => {
            let Some(close) = rest.iter().skip(1).position(|b| *b == b']').map(|at| at + 1) else {
                return text.first() == Some(&b'[') && matches(rest, &text[1..]);
            };
            let (class, rest) = (&rest[..close], &rest[close + 1..]);
            let (negated, class) = match class.split_first() {
                Some((b'!' | b'^', class)) => (true, class),
                _ => (false, class),
            };
            let Some((&byte, after)) = text.split_first() else { return false };
            let mut fits = false;
            let mut i = 0;
            while i < class.len() {
                if i + 2 < class.len() && class[i + 1] == b'-' {
                    fits |= (class[i]..=class[i + 2]).contains(&byte);
                    i += 3;
                } else {
                    fits |= class[i] == byte;
                    i += 1;
                }
            }
            fits != negated && matches(rest, after)
        }
        b'\\' if !rest.is_empty() => text.first() == Some(&rest[0]) && matches(&rest[1..], &text[1..]),
        byte => text.first() == Some(&byte) && matches(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_git() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".dvcignore"), "# note\n*.tmp\n/top\nbuild/\na/**/z\n!keep.tmp\nx[0-9]\n")
            .unwrap();
        let ignore = Ignore::down_to(folder.path(), "a/b");
        let over = |path: &str| ignore.passes_over(path, false);
        assert!(over("a/x.tmp") && over("top") && over("a/b/c/z") && over("a/z") && over("x3"));
        assert!(!over("a/keep.tmp") && !over("a/top") && !over("build") && !over("xy"));
        assert!(ignore.passes_over("a/build", true) && over(".git"));
    }
}
