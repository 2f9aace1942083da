//! Code fingerprints: texts that change when the code that decides a stage's outputs may have changed.

use crate::kind::Kind;

// `FINGERPRINTS`: source file -> digest, sorted; `build.rs` says what is in a digest.
include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// The code fingerprint of a kind: BLAKE3 in hex over the tokens of every source file that can be reached from its
/// [`Kind::module`], the files embedded in them, and the versions of the external crates that they use. Comments,
/// documentation, formatting and tests do not count. The same checkout gives the same text on every machine.
///
/// # Panics
/// If the kind names a module that does not exist; a test walks all kinds.
pub fn fingerprint(kind: &Kind) -> &'static str {
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
            assert_eq!(fingerprint(kind).len(), 64, "{}", kind.name);
        }
    }
}
