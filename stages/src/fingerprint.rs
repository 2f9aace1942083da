//! Code fingerprints: texts that change when the code that decides a stage's outputs may have changed.
//!
//! Code that was only moved or renamed has another fingerprint and the same outputs. `equal-code.toml` lists such code: it
//! counts as the oldest code that it is equal to, so that results made by that are found. The test `golden` holds every
//! entry against golden outputs.

use crate::kind::Kind;

// `FINGERPRINTS`: source file -> digest, sorted; `build.rs` says what is in a digest.
// `EQUAL`: kind, code fingerprint, and the oldest one that it counts as.
include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// What stands for a kind's code in the keys of its results: its [code fingerprint](code), or the oldest one that the
/// list of equal code names as equal.
///
/// # Panics
/// As [`code`].
pub fn fingerprint(kind: &Kind) -> &'static str {
    let code = code(kind);
    EQUAL.iter().find(|(name, newer, _)| (*name, *newer) == (kind.name, code)).map_or(code, |(_, _, oldest)| oldest)
}

/// The code fingerprint of a kind: BLAKE3 in hex over the tokens of every source file that can be reached from its
/// [`Kind::module`], the files embedded in them, and the versions of the external crates that they use. Comments,
/// documentation, formatting and tests do not count. The same checkout gives the same text on every machine.
///
/// # Panics
/// If the kind names a module that does not exist; a test walks all kinds.
pub fn code(kind: &Kind) -> &'static str {
    match FINGERPRINTS.binary_search_by_key(&kind.module, |(module, _)| *module) {
        Ok(found) => FINGERPRINTS[found].1,
        Err(_) => {
            panic!("kind `{}` says that it is in `{}`, which is no source file of this crate", kind.name, kind.module)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one() {
        for kind in crate::kinds() {
            assert_eq!((code(kind).len(), fingerprint(kind).len()), (64, 64), "{}", kind.name);
        }
    }
}
