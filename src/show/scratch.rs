//! Paths of scratch directories in what commands have said, written as the user has them.

use std::borrow::Cow;

/// How the name of a command's scratch directory begins, how many more characters it has, and the folder in it where the project's paths are.
const NAME: &[u8] = b"/tmp/command-";
const DIGITS: usize = 16;
const FOLDER: &[u8] = b"/project";

/// A line in which `/home/me/p/cache/tmp/command-0123456789abcdef/project/src/a.py` is `src/a.py`.
pub fn users_paths(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    let mut from = 0;
    while let Some(found) = position(&line[from..], NAME) {
        let at = from + found;
        let end = at + NAME.len() + DIGITS + FOLDER.len();
        from = at + NAME.len();
        let digits = line.get(from..from + DIGITS).is_some_and(|name| name.iter().all(u8::is_ascii_hexdigit));
        if !digits || line.get(from + DIGITS..end) != Some(FOLDER) {
            continue;
        }
        let starts = |byte: &u8| byte.is_ascii_whitespace() || b"'\"`=:;,|&(<[{".contains(byte);
        let begin = line[done..at].iter().rposition(starts).map_or(done, |before| done + before + 1);
        out.extend_from_slice(&line[done..begin]);
        done = match line.get(end) {
            Some(b'/') => end + 1,
            // The folder itself.
            _ => {
                out.push(b'.');
                end
            }
        };
        from = done;
    }
    if done == 0 {
        return Cow::Borrowed(line);
    }
    out.extend_from_slice(&line[done..]);
    Cow::Owned(out)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_a_scratch_directory_are_the_projects() {
        let shown = |line: &str| String::from_utf8(users_paths(line.as_bytes()).into_owned()).unwrap();
        let root = "/home/me/p/cache/tmp/command-0123456789abcdef/project";
        assert_eq!(shown(&format!("  File \"{root}/src/a.py\", line 3")), "  File \"src/a.py\", line 3");
        assert_eq!(shown(&format!("cp {root}/a {root}/b")), "cp a b");
        assert_eq!(shown(&format!("at {root}: {root}")), "at .: .");
        for line in ["/tmp/command-x/project/a", "nothing", "/tmp/command-0123456789abcdef/home", "/tmp/command-"] {
            assert_eq!(shown(line), line);
        }
    }
}
