//! What is said of a remote cache before anything is asked of it, and after: its URL, what may be done with it, whose results are accepted;
//! and what went to and fro. Data only; `remote/` does the rest.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
pub(crate) use base64::prelude::BASE64_STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// How a public key begins.
const PUBLIC: &str = "kiln-ed25519:";
/// How a secret key begins.
pub(crate) const SECRET: &str = "kiln-ed25519-secret:";

/// Where a remote cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As it was written.
    text: String,
    pub(crate) place: Place,
    /// The front of all names there; empty or without slashes at its ends.
    pub(crate) prefix: String,
}

/// What holds the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder that several machines see.
    Folder(PathBuf),
    /// A bucket behind the protocol of S3.
    S3(String),
    /// A bucket of Google's.
    Gcs(String),
    /// A container of Azure's.
    Azure(String),
}

/// What is wrong with a URL or with the settings around it, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Mistake::new(
                format!("`{text}` is no URL of a remote cache"),
                "write for example `s3://bucket/prefix`, or `file:///mnt/shared/kiln` for a shared folder",
            ));
        };
        if rest.chars().any(|c| c.is_control() || c == '?' || c == '#') {
            return Err(Mistake::new(
                format!("`{text}` holds a character that no URL of a remote cache has"),
                "a URL here is a scheme, a bucket and a prefix; options and credentials do not go into it",
            ));
        }
        if rest.contains('@') {
            return Err(Mistake::new(
                "credentials do not go into the URL of a remote cache",
                "the pipeline file is for everybody to read; give them in the environment",
            ));
        }
        if scheme == "file" {
            let path = PathBuf::from(rest);
            if !path.is_absolute() || rest.trim_matches('/').is_empty() {
                return Err(Mistake::new(
                    format!("`{text}` names no folder"),
                    "write the whole path behind two slashes: `file:///mnt/shared/kiln`",
                ));
            }
            return Ok(Self { text: text.to_owned(), place: Place::Folder(path), prefix: String::new() });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let place = match scheme {
            "s3" => Place::S3(bucket.to_owned()),
            "gs" => Place::Gcs(bucket.to_owned()),
            "az" => Place::Azure(bucket.to_owned()),
            _ => {
                return Err(Mistake::new(
                    format!("`{scheme}` is no scheme of a remote cache"),
                    "there are s3://, gs:// (Google), az:// (Azure) and file:// (a shared folder)",
                ));
            }
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
            return Err(Mistake::new(
                format!("`{bucket}` cannot be the name of a bucket"),
                "a bucket's name is 3 to 63 lower-case letters, digits, `-` and `.`",
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let good = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
        if !prefix.is_empty() && !prefix.split('/').all(good) {
            return Err(Mistake::new(
                format!("`{prefix}` cannot be the prefix of a remote cache"),
                "a prefix is made of letters, digits, `-`, `_`, `.` and single slashes: other characters mean different things to different servers",
            ));
        }
        Ok(Self { text: text.to_owned(), place, prefix: prefix.to_owned() })
    }

    /// A short name for it in the store: one for each place, however it is written.
    pub(crate) fn short(&self) -> String {
        let place = format!("{:?} {}", self.place, self.prefix);
        blake3::hash(place.as_bytes()).to_hex()[..16].to_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What may be done with a remote cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Results are taken from it.
    Read,
    /// Results are sent to it.
    Write,
    /// Both.
    Both,
}

impl Access {
    /// Whether results are taken from it.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether results are sent to it.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// What went to and fro.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Where the remote cache is.
    pub url: String,
    /// Results that were asked for.
    pub asked: usize,
    /// Results that were there.
    pub found: usize,
    /// Results that were there and not accepted.
    pub refused: usize,
    /// Contents that were fetched.
    pub fetched: usize,
    /// Bytes that were received.
    pub received_bytes: u64,
    /// Results that were sent.
    pub sent: usize,
    /// Contents that were sent.
    #[serde(default)]
    pub contents_sent: usize,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Results that are still to be sent.
    pub left: usize,
    /// For how many seconds something was under way.
    #[serde(default)]
    pub seconds: f64,
}

impl Traffic {
    /// Whether there was any.
    pub fn is_any(&self) -> bool {
        self.asked + self.fetched + self.sent + self.left > 0
    }

    /// Bytes a second, to and fro, while something was under way; `None` if that is too little to tell.
    pub fn rate(&self) -> Option<u64> {
        let bytes = self.received_bytes + self.sent_bytes;
        (bytes >= 1 << 20 && self.seconds > 0.0).then_some((bytes as f64 / self.seconds) as u64)
    }
}

/// A public key: whose results are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", BASE64.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let hint = "`kiln remote keygen` prints the public key: `kiln-ed25519:` and 44 characters";
        if text.starts_with(SECRET) {
            return Err(Mistake::new(
                "this is a secret key",
                "it is for the machine that signs; the pipeline file gets the public one. Make a new pair: this one has been seen",
            ));
        }
        let bytes = text.strip_prefix(PUBLIC).and_then(|text| BASE64.decode(text).ok());
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or_else(|| Mistake::new(format!("`{text}` is no public key"), hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_mistakes_named() {
        let address = Address::parse("s3://team-cache/kiln/a/").unwrap();
        assert_eq!((address.place, address.prefix.as_str()), (Place::S3("team-cache".into()), "kiln/a"));
        assert_eq!(Address::parse("gs://bucket").unwrap().place, Place::Gcs("bucket".into()));
        assert_eq!(Address::parse("file:///mnt/x").unwrap().place, Place::Folder("/mnt/x".into()));
        let same = Address::parse("s3://team-cache/kiln/a").unwrap().short();
        assert_eq!(Address::parse("s3://team-cache/kiln/a/").unwrap().short(), same);
        for (text, part) in [
            ("bucket/prefix", "no URL"),
            ("ss3://bucket", "no scheme"),
            ("s3://ab", "name of a bucket"),
            ("s3://Bucket", "name of a bucket"),
            ("s3://bucket/a//b", "prefix"),
            ("s3://bucket/../b", "prefix"),
            ("s3://bucket/a%20b", "prefix"),
            ("s3://key:secret@bucket", "credentials"),
            ("s3://bucket?region=x", "character"),
            ("file://mnt/x", "no folder"),
            ("file:///", "no folder"),
        ] {
            let mistake = Address::parse(text).unwrap_err();
            assert!(mistake.message.contains(part), "{text}: {mistake}");
            assert!(!mistake.hint.is_empty());
        }
        assert!(Address::parse("s4://bucket").unwrap_err().hint.contains("s3://"));
    }
}
