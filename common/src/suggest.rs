//! The name that was probably meant.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The candidate nearest to a name, if one is near: a third of its letters may differ, or only the case. Of names that are no paths
/// one is near as well that begins alike and is much longer or shorter.
pub fn nearest<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = name.chars().count();
    // Beyond this it is no slip of a finger, and the comparison is quadratic.
    if length > 200 {
        return None;
    }
    let allowed = (length / 3).max(1);
    let candidates: Vec<&str> = candidates.into_iter().filter(|c| *c != name).collect();
    let slips = candidates
        .iter()
        .filter(|c| c.len().abs_diff(name.len()) <= allowed * 4)
        .map(|c| (if c.eq_ignore_ascii_case(name) { 0 } else { strsim::osa_distance(name, c) }, *c))
        .filter(|(distance, _)| *distance <= allowed && *distance < length)
        .min_by_key(|(distance, c)| (*distance, !c.starts_with(name) && !name.starts_with(c)))
        .map(|(_, c)| c);
    slips.or_else(|| alike(name, &candidates))
}

/// How alike names are that begin alike, from 0 to 1.
const ALIKE: f64 = 0.85;

fn alike<'n>(name: &str, candidates: &[&'n str]) -> Option<&'n str> {
    // Paths begin with the same folders.
    let names = candidates.iter().filter(|c| !c.contains('/') && c.len() <= 64 && !name.contains('/'));
    let likeness = names.map(|c| (strsim::jaro_winkler(name, c), *c)).max_by(|a, b| a.0.total_cmp(&b.0));
    likeness.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, c)| c)
}

/// A hint that one name was meant by another. Names of the same letters in other characters look the same, so that is said.
pub fn did_you_mean(written: &str, meant: &str) -> String {
    if composed(written) == composed(meant) && written != meant {
        return format!(
            "`{meant}` has the same letters in other characters: there `{}`, here `{}`",
            escaped(meant),
            escaped(written)
        );
    }
    format!("did you mean `{meant}`?")
}

/// The candidate with the same letters in other characters: `é` may be one, or an `e` with an accent.
pub fn composed_otherwise<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if name.is_ascii() {
        return None;
    }
    let wanted = composed(name);
    candidates.into_iter().find(|candidate| *candidate != name && composed(candidate) == wanted)
}

fn composed(name: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(name)
}

/// A name with each character beyond ASCII as its number.
fn escaped(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

/// Names for a message: `a`, `b` and `c`, shortened if there are many.
pub fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.into_iter().take(SHOWN + 1).collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match (shown.as_slice(), names.len() > SHOWN) {
        ([], _) => "none".to_owned(),
        (shown, true) => format!("{}, ...", shown.join(", ")),
        ([one], false) => one.clone(),
        ([head @ .., last], false) => format!("{} and {last}", head.join(", ")),
    }
}

/// All names for a message, however many.
pub fn list_all(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_a_different_word_is_not() {
        let names = ["train", "evaluate", "split"];
        assert_eq!(nearest("tarin", names), Some("train"));
        assert_eq!(nearest("Evaluate", names), Some("evaluate"));
        assert_eq!(nearest("fetch", names), None);
        assert_eq!(nearest("train", names), None);
        assert_eq!(nearest("convolution", ["conv", "dense"]), Some("conv"));
        assert_eq!(nearest("encodng", ["encoding_a", "dense"]), Some("encoding_a"));
        assert_eq!(nearest("data/raw/one", ["data/raw/seventeen"]), None);
    }

    #[test]
    fn the_same_letters_in_other_characters_are_shown_as_such() {
        let (one, other) = ("donn\u{e9}es.csv", "donne\u{301}es.csv");
        assert_eq!(composed_otherwise(one, ["a", other]), Some(other));
        assert_eq!(composed_otherwise(one, [one]), None);
        assert!(did_you_mean(one, other).ends_with("there `donne\\u{301}es.csv`, here `donn\\u{e9}es.csv`"));
        assert_eq!(did_you_mean("tarin", "train"), "did you mean `train`?");
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert!(list(["x"; 20]).ends_with("`x`, ..."));
    }
}
