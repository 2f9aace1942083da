//! What a run and a job write each other where others may read along: a head and bytes, closed under a seal that only the two have.
//!
//! The seal goes with the script that the scheduler is handed. So a letter is secret, as variables of a stage may be, and nobody but the
//! two can write one: who may write to a remote cache cannot have a job run something else.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What closes the letters of an attempt.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// A new one; `None` if the system gives no random numbers.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut bytes = [0; 32];
        let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (at, byte) in bytes.iter_mut().enumerate().filter(|_| good) {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        good.then_some(Self(bytes))
    }

    /// Closes a letter, which has a name. `None` if the system gives no random numbers.
    pub(super) fn close<T: Serialize>(&self, name: &str, head: &T, body: &[u8]) -> Option<Vec<u8>> {
        let head = serde_json::to_vec(head).ok()?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut text = Vec::with_capacity(8 + head.len() + body.len() + 32);
        text.extend((head.len() as u64).to_le_bytes());
        text.extend(head);
        text.extend(body);
        let aad = Aad::from(name.as_bytes());
        self.key()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        text.splice(0..0, nonce);
        Some(text)
    }

    /// Opens what was closed under the same name; `None` if it is anything else.
    pub(super) fn open<T: DeserializeOwned>(&self, name: &str, mut letter: Vec<u8>) -> Option<(T, Vec<u8>)> {
        let nonce = Nonce::try_assume_unique_for_key(letter.get(..NONCE_LEN)?).ok()?;
        let aad = Aad::from(name.as_bytes());
        let text = self.key()?.open_in_place(nonce, aad, letter.get_mut(NONCE_LEN..)?).ok()?;
        let (length, rest) = text.split_first_chunk::<8>()?;
        let (head, body) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        Some((serde_json::from_slice(head).ok()?, body.to_vec()))
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok().map(LessSafeKey::new)
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_by_who_has_the_seal_and_under_its_name() {
        let (seal, other) = (Seal::new().unwrap(), Seal::new().unwrap());
        let letter = seal.close("claim", &7_u64, b"body").unwrap();
        assert!(!letter.windows(4).any(|bytes| bytes == b"body"));
        assert_eq!(seal.open::<u64>("claim", letter.clone()), Some((7, b"body".to_vec())));
        assert_eq!(Seal::parse(&seal.to_string()).unwrap().open::<u64>("claim", letter.clone()).unwrap().0, 7);
        assert_eq!(seal.open::<u64>("news", letter.clone()), None);
        assert_eq!(other.open::<u64>("claim", letter.clone()), None);
        for at in 0..letter.len() {
            let mut spoilt = letter.clone();
            spoilt[at] ^= 1;
            assert_eq!(seal.open::<u64>("claim", spoilt), None, "{at}");
            assert_eq!(seal.open::<u64>("claim", letter[..at].to_vec()), None, "{at}");
        }
        assert!(Seal::parse("00").is_none() && Seal::parse(&"x".repeat(64)).is_none());
    }
}
