//! Keys that sign results.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::address::{BASE64, Mistake, PublicKey, SECRET};
use crate::store::{Parcel, Signature};

/// Whether a parcel, whose bytes these are, was signed with the secret of a key.
pub(super) fn vouches(key: &PublicKey, parcel: &Parcel, bytes: &[u8]) -> bool {
    let (Some(signature), Some(text)) = (parcel.signature, Parcel::signed_text(bytes)) else { return false };
    is_signed_by(key, &signature, &text)
}

/// Whether a signature of a text was made with the secret of a key.
pub(super) fn is_signed_by(key: &PublicKey, signature: &Signature, text: &[u8]) -> bool {
    signature.signer == key.bytes()
        && UnparsedPublicKey::new(&ED25519, key.bytes()).verify(text, &signature.bytes).is_ok()
}

/// A key pair that signs results.
pub struct SecretKey(Ed25519KeyPair);

impl SecretKey {
    /// A new key, and the text to keep of it.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate() -> Result<(Self, String), Mistake> {
        let mut seed = [0; 32];
        let none = |error: &dyn fmt::Display| Mistake::new(format!("cannot make a key: {error}"), "try again");
        getrandom::fill(&mut seed).map_err(|error| none(&error))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| none(&error))?;
        Ok((Self(pair), format!("{SECRET}{}", BASE64.encode(seed))))
    }

    /// Reads what [`SecretKey::generate`] gave.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let wrong = || Mistake::new("this is no secret key of Kiln's", "make one with `kiln remote keygen`");
        let seed = text.trim().strip_prefix(SECRET).and_then(|text| BASE64.decode(text).ok()).ok_or_else(wrong)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| wrong())
    }

    /// The key that `KILN_SIGNING_KEY` names: a file, or the key itself. `None` if it names none.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn of_environment() -> Result<Option<Self>, Mistake> {
        let Some(value) = std::env::var("KILN_SIGNING_KEY").ok().filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        if value.starts_with(SECRET) {
            return Self::parse(&value).map(Some);
        }
        let text = fs::read_to_string(&value).map_err(|error| {
            Mistake::new(
                format!("cannot read the key `{value}` that KILN_SIGNING_KEY names: {error}"),
                "name a file that `kiln remote keygen` made, or give the key itself",
            )
        })?;
        Self::parse(&text).map(Some).map_err(|mistake| Mistake { message: format!("{value}: {mistake}"), ..mistake })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::of_bytes(bytes)
    }

    /// Signs a text.
    pub(super) fn sign(&self, text: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(text).as_ref());
        Signature { signer: self.public().bytes(), bytes }
    }
}

/// Writes a secret key to a new file that nobody else can read.
///
/// # Errors
/// If there is such a file, or it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Mistake> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{text}")?;
        file.sync_data()
    };
    write().map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "name another file; a key that is there is never replaced",
            io::ErrorKind::NotFound => "make the folder first, or name another file",
            _ => "name another file",
        };
        Mistake::new(format!("cannot write the secret key to {}: {error}", path.display()), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_are_told_apart() {
        let (secret, text) = SecretKey::generate().unwrap();
        assert_eq!(SecretKey::parse(&text).unwrap().public(), secret.public());
        assert_eq!(secret.public().to_string().parse(), Ok(secret.public()));
        assert!(text.parse::<PublicKey>().unwrap_err().message.contains("secret"));
        assert!("kiln-ed25519:abc".parse::<PublicKey>().is_err() && SecretKey::parse("kiln-ed25519:abc").is_err());
    }
}
