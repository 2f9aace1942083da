//! The names that Kiln gives to files of a store. What is deleted has one of these; a file with any other name is somebody's, and stays.

use std::path::Path;

/// So many characters of a hint are in a name.
pub(super) const HINT: usize = 40;

/// How many hexadecimal digits a name made from random numbers has.
pub(super) const RANDOM: usize = 16;

/// A file that is being written, or was when its process was killed: `.new-a1B2c3`, or the trace of a run.
pub(super) fn is_unfinished(name: &str) -> bool {
    let random = |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.strip_prefix(UNFINISHED).is_some_and(|rest| random(rest) || is_trace(rest))
}

/// The trace of a run: `20260726T101500.123456Z-kqzvbnme.events`.
pub(super) fn is_trace(name: &str) -> bool {
    let name = name.strip_suffix(".events").and_then(|name| name.split_once('-'));
    name.is_some_and(|(stamp, run)| is_stamp(stamp) && is_run(run))
}

/// How such a name begins.
pub(super) const UNFINISHED: &str = ".new-";

/// A scratch directory, or what was salvaged from one: `HINT-16 digits`.
pub(super) fn is_scratch(name: &str) -> bool {
    let Some((hint, random)) = name.rsplit_once('-') else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    hint.len() <= HINT && hint.bytes().all(plain) && random.len() == RANDOM && is_hex(random)
}

/// A run, as it is named in the names of its record and its logs: eight letters.
pub(super) fn is_run(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The time in the name of a run's record: `20260726T101500.123456Z`, perhaps longer.
pub(super) fn is_stamp(name: &str) -> bool {
    let Some((date, time)) = name.split_once('T') else { return false };
    let digits =
        |text: &str, count: usize| text.get(..count).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    date.len() == 8 && digits(date, 8) && digits(time, 6)
}

/// How many hexadecimal digits the name of a claim has.
pub(super) const CLAIM: usize = 32;

/// The claim to a project.
pub(super) fn is_claim(name: &str) -> bool {
    name.len() == CLAIM && is_hex(name)
}

/// Where something is built beside the place it is for, on another disk than the store's: `.kiln-16 digits`.
pub(super) fn is_beside(name: &str) -> bool {
    name.strip_prefix(BESIDE)
        .and_then(|name| name.strip_prefix('-'))
        .is_some_and(|rest| rest.len() == RANDOM && is_hex(rest))
}

/// How such a name begins.
pub(super) const BESIDE: &str = ".kiln";

/// The log of a stage.
pub(super) fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

/// Something damaged that was put aside: the digest that it had for a name and what tells it from others of that name, or the record
/// of a run.
pub(super) fn is_put_aside(name: &str) -> bool {
    let digest = name.split_once('-').is_some_and(|(digest, _)| digest.len() == 64 && is_hex(digest));
    let record = name.strip_suffix(".json").and_then(|name| name.split_once('-'));
    digest || record.is_some_and(|(stamp, _)| is_stamp(stamp))
}

/// The name of a file, if it is one that a test here can say something of.
pub(super) fn of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kilns_are_told_from_others() {
        assert!(is_unfinished(".new-a1B2c3") && !is_unfinished(".new-notes.txt") && !is_unfinished("new-a1B2c3"));
        assert!(is_unfinished(".new-20260726T101500.123456Z-kqzvbnme.events") && !is_trace("notes-on-today.events"));
        assert!(is_scratch("command-0123456789abcdef") && is_scratch("train-model-5--0123456789abcdef"));
        for name in ["features.npy", "command", "command-0123", "run-20260101", "a b-0123456789abcdef"] {
            assert!(!is_scratch(name), "{name}");
        }
        assert!(is_run("kqzvbnme") && !is_run("exp") && !is_run("backup-1"));
        assert!(is_stamp("20260726T101500.123456Z") && is_stamp("20260726T101500.123456Z~"));
        assert!(!is_stamp("notes") && !is_stamp("2026T1") && !is_stamp("20260726Tnoon"));
        let digest = "0f".repeat(32);
        assert!(is_put_aside(&format!("{digest}-123")) && is_put_aside("20260726T101500.123456Z-kqzvbnme.json"));
        assert!(!is_put_aside("damaged") && !is_put_aside("a-b.json") && !is_put_aside(&digest));
    }
}
