//! Runs that have a name in a remote cache: a tag that somebody gave, a commit, or the files of a commit.
//!
//! `runs/` has records of runs, by the digests of their bytes. `tags/` and `commits/` say, by the digest of a name, which run has it:
//!
//! | bytes | |
//! | --- | --- |
//! | 0..8 | `kilnrun` and the version, 1 |
//! | 8..40 | BLAKE3 of all bytes from 136 on |
//! | 40..136 | the public key that signed it and the signature, or zeros |
//! | then | JSON: the name itself, the run, the digest of its record, and when it got the name |
//!
//! A name may be given to another run; who did it last counts. Who reads one trusts nothing: the digests have to be right, the name has to be
//! the one that was asked for, and the record has to be of that run.

use std::sync::Arc;

use futures_util::{TryStreamExt as _, stream};
use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Name;
use serde::{Deserialize, Serialize};

use super::keys::{SecretKey, is_signed_by};
use super::names::{COMMITS, Names, TAGS};
use super::problem::{Kind, Problem};
use super::shared::{SMALL_AT_ONCE, Shared};
use super::{Mistake, PublicKey, Remote};
use crate::hash::Digest;
use crate::record::{RunId, RunRecord};
use crate::store::Signature;

const MARK: [u8; 8] = *b"kilnrun\x01";

/// Where the signed part begins.
const HEAD: usize = 8 + 32 + 32 + 64;

/// What a signature is over: this and the digest.
const SIGNED: &[u8] = b"kiln 2026-11 name of a run\0";

/// The format of records that this Kiln reads.
const RECORD: u32 = 1;

/// What a run can be called by everybody who has the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunName {
    /// A name that a person gave.
    Tag(String),
    /// A commit, for a pipeline file by its path in the repository.
    Commit {
        /// The commit's hash.
        id: String,
        /// The pipeline file.
        pipeline: String,
    },
    /// The files of a commit, for a pipeline file by its path in the repository.
    Files {
        /// The hash of the tree.
        tree: String,
        /// The pipeline file.
        pipeline: String,
    },
}

impl RunName {
    /// The name as a text, in which no two are the same.
    fn text(&self) -> String {
        match self {
            Self::Tag(name) => format!("tag {name}"),
            Self::Commit { id, pipeline } => format!("commit {id} {pipeline}"),
            Self::Files { tree, pipeline } => format!("files {tree} {pipeline}"),
        }
    }

    /// Where it is said which run it stands for.
    fn at(&self, names: &Names) -> Name {
        let folder = if matches!(self, Self::Tag(_)) { TAGS } else { COMMITS };
        names.run_name(folder, &Digest(blake3::hash(self.text().as_bytes()).into()))
    }

    /// The names that a run has of itself: that of its commit and of the commit's files, if it is a run of just these.
    pub fn of(record: &RunRecord) -> Vec<Self> {
        let Some(git) = record.git.as_ref().filter(|git| git.dirty == Some(false)) else { return vec![] };
        let Some(pipeline) = &git.pipeline else { return vec![] };
        let commit = git.commit.iter().map(|id| Self::Commit { id: id.clone(), pipeline: pipeline.clone() });
        let files = git.tree.iter().map(|tree| Self::Files { tree: tree.clone(), pipeline: pipeline.clone() });
        commit.chain(files).collect()
    }
}

/// Which run has a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedRun {
    /// The name as a text.
    name: String,
    /// The run.
    pub run: RunId,
    /// The digest of its record.
    record: Digest,
    /// When it got the name.
    pub named: Timestamp,
}

impl NamedRun {
    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.name.strip_prefix("tag ")
    }

    pub(super) fn record(&self) -> Digest {
        self.record
    }

    fn encode(&self, key: Option<&SecretKey>) -> serde_json::Result<Vec<u8>> {
        let mut out = vec![0; HEAD];
        out.extend(serde_json::to_vec(self)?);
        let digest = blake3::hash(&out[HEAD..]);
        out[..8].copy_from_slice(&MARK);
        out[8..40].copy_from_slice(digest.as_bytes());
        if let Some(signature) = key.map(|key| key.sign(&signed(digest.as_bytes()))) {
            out[40..72].copy_from_slice(&signature.signer);
            out[72..HEAD].copy_from_slice(&signature.bytes);
        }
        Ok(out)
    }

    /// What some bytes say, and whether one of these keys signed it; `None` if they are none of such.
    fn decode(bytes: &[u8], accept: &[PublicKey]) -> Option<(Self, bool)> {
        let (head, body) = bytes.split_at_checked(HEAD)?;
        let (digest, signer, signature) = (&head[8..40], &head[40..72], &head[72..]);
        if head[..8] != MARK || digest != blake3::hash(body).as_bytes() {
            return None;
        }
        let signature = Signature { signer: signer.try_into().ok()?, bytes: signature.try_into().ok()? };
        let accepted = accept.is_empty() || accept.iter().any(|key| is_signed_by(key, &signature, &signed(digest)));
        Some((serde_json::from_slice(body).ok()?, accepted))
    }
}

fn signed(digest: &[u8]) -> Vec<u8> {
    [SIGNED, digest].concat()
}

impl Remote {
    /// Which run has a name; the first counts that some run has.
    ///
    /// # Errors
    /// If the cache cannot be asked, or what it has is damaged or not signed by an accepted key.
    pub fn who_is(&self, names: &[RunName]) -> Result<Option<NamedRun>, Mistake> {
        self.check()?;
        for name in names {
            let (shared, text, at) = (Arc::clone(&self.shared), name.text(), name.at(&self.shared.names));
            let found = self.wait_for(async move { shared.named(&at, Some(&text)).await });
            if let Some(found) = self.had(found)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The record of a run that has a name.
    ///
    /// # Errors
    /// If the cache cannot be asked, or has it no more.
    pub fn run_of(&self, named: &NamedRun) -> Result<RunRecord, Mistake> {
        let (shared, digest) = (Arc::clone(&self.shared), named.record);
        let found = self.wait_for(async move { shared.record(&digest).await });
        let bytes = self.had(found)?;
        let hint = "whoever has the run sends it again with `kiln push`";
        let Some(bytes) = bytes else {
            return Err(Mistake::new(
                format!("{} has the name of run {}, and its record no more", self.address(), named.run),
                hint,
            ));
        };
        let record: Option<RunRecord> = serde_json::from_slice(&bytes).ok();
        match record.filter(|record| record.id == named.run && record.version <= RECORD) {
            Some(record) => Ok(record),
            None => Err(Mistake::new(
                format!("the record of run {} in {} cannot be read", named.run, self.address()),
                "a later Kiln may have made it; use that one",
            )),
        }
    }

    /// Gives a run names that everybody has. Its record goes first.
    ///
    /// # Errors
    /// If the cache cannot be asked, or refuses it.
    pub fn give_names(&self, names: &[RunName], record: &RunRecord) -> Result<(), Mistake> {
        self.check()?;
        let unwritten = |error: serde_json::Error| Mistake::new(format!("cannot write a record: {error}"), "try again");
        let bytes = serde_json::to_vec(record).map_err(unwritten)?;
        let digest = Digest(blake3::hash(&bytes).into());
        let mut entries = Vec::new();
        for name in names {
            let entry = NamedRun { name: name.text(), run: record.id.clone(), record: digest, named: Timestamp::now() };
            let text = entry.encode(self.settings.key.as_ref()).map_err(unwritten)?;
            entries.push((name.at(&self.shared.names), text));
        }
        let shared = Arc::clone(&self.shared);
        let sent = self.wait_for(async move {
            let at = shared.names.run_record(&digest);
            // One that is there already is put there again, which makes it younger.
            shared.put(&at, bytes.into()).await?;
            stream::iter(entries.into_iter().map(Ok))
                .try_for_each_concurrent(SMALL_AT_ONCE, |(at, text)| {
                    let shared = &shared;
                    async move { shared.put(&at, text.into()).await }
                })
                .await
        });
        self.had(sent)
    }

    /// Takes a name away; tells whether it was there.
    ///
    /// # Errors
    /// If the cache cannot be asked, or refuses it.
    pub fn take_name(&self, name: &RunName) -> Result<bool, Mistake> {
        if self.who_is(std::slice::from_ref(name))?.is_none() {
            return Ok(false);
        }
        let (shared, at) = (Arc::clone(&self.shared), name.at(&self.shared.names));
        let gone = self.wait_for(async move {
            match shared.clients.small.delete(&at).await.map_err(|error| shared.problem(&error)) {
                Err(problem) if problem.kind != Kind::Missing => Err(problem),
                _ => Ok(true),
            }
        });
        self.had(gone)
    }

    /// The runs that have tags, in the order of these. What is damaged or not signed by an accepted key is left out.
    ///
    /// # Errors
    /// If the cache cannot be listed.
    pub fn tagged(&self) -> Result<Vec<NamedRun>, Mistake> {
        self.check()?;
        let shared = Arc::clone(&self.shared);
        let found = self.wait_for(async move {
            let tags = shared.tags().await?;
            Ok(tags.into_iter().filter(|(_, accepted)| *accepted).map(|(tag, _)| tag).collect::<Vec<_>>())
        });
        let mut tags = self.had(found)?;
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tags)
    }

    fn had<T>(&self, answer: Option<Result<T, Problem>>) -> Result<T, Mistake> {
        let silent = || Err(self.shared.health.why().unwrap_or_else(|| Problem::silent("the server does not answer")));
        answer.unwrap_or_else(silent).map_err(|problem| self.mistake(&problem))
    }
}

impl Shared {
    /// Which run a name stands for, by where that is said. What came wrong may have been spoilt on the way, and is asked for once more.
    async fn named(&self, at: &Name, text: Option<&str>) -> Result<Option<NamedRun>, Problem> {
        for _ in 0..2 {
            let Some((bytes, _)) = self.get(at).await? else { return Ok(None) };
            match NamedRun::decode(&bytes, &self.accept) {
                Some((named, true)) if text.is_none_or(|text| named.name == text) => return Ok(Some(named)),
                Some((named, false)) if text.is_none_or(|text| named.name == text) => {
                    let hint = "`remote: {accept: [...]}` in the pipeline file lists the keys that are accepted";
                    return Err(Problem {
                        kind: Kind::Refused,
                        hint: Some(hint.to_owned()),
                        ..Problem::silent("no accepted key signed what it says of this name")
                    });
                }
                _ => {}
            }
        }
        let hint = "`kiln tag RUN NAME --force` gives the name anew";
        Err(Problem { hint: Some(hint.to_owned()), ..Problem::silent("what it says of this name is damaged") })
    }

    /// A record's bytes by their digest; `None` if they are not there, or are others.
    pub(super) async fn record(&self, digest: &Digest) -> Result<Option<bytes::Bytes>, Problem> {
        for _ in 0..2 {
            let Some((bytes, _)) = self.get_with(&*self.clients.large, &self.names.run_record(digest)).await? else {
                return Ok(None);
            };
            if Digest(blake3::hash(&bytes).into()) == *digest {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All tags, and whether an accepted key signed each. What is none is left out.
    pub(super) async fn tags(&self) -> Result<Vec<(NamedRun, bool)>, Problem> {
        let listed = self.clients.large.list(Some(&self.names.folder(TAGS)));
        let listed: Vec<_> = listed.try_collect().await.map_err(|error| self.problem(&error))?;
        let found = std::sync::Mutex::new(Vec::new());
        stream::iter(listed.into_iter().map(Ok))
            .try_for_each_concurrent(SMALL_AT_ONCE, |meta| {
                let found = &found;
                async move {
                    if let Some((bytes, _)) = self.get_with(&*self.clients.large, &meta.location).await?
                        && let Some(tag) = NamedRun::decode(&bytes, &self.accept)
                    {
                        found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(tag);
                    }
                    Ok(())
                }
            })
            .await?;
        Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_a_flipped_bit_is_noticed() {
        let named = NamedRun {
            name: RunName::Tag("paper".to_owned()).text(),
            run: "abcdefgh".to_owned(),
            record: Digest([3; 32]),
            named: Timestamp::from_second(1_700_000_000).unwrap(),
        };
        let (key, _) = SecretKey::generate().unwrap();
        let (other, _) = SecretKey::generate().unwrap();
        let bytes = named.encode(Some(&key)).unwrap();
        assert_eq!(NamedRun::decode(&bytes, &[]), Some((named.clone(), true)));
        assert_eq!(NamedRun::decode(&bytes, &[other.public(), key.public()]), Some((named.clone(), true)));
        assert_eq!(NamedRun::decode(&bytes, &[other.public()]), Some((named.clone(), false)));
        assert_eq!(NamedRun::decode(&named.encode(None).unwrap(), &[key.public()]), Some((named.clone(), false)));
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 4;
            assert!(NamedRun::decode(&spoilt, &[key.public()]).is_none_or(|(_, accepted)| !accepted), "byte {at}");
            assert_eq!(NamedRun::decode(&bytes[..at], &[]), None);
        }
        assert_eq!(named.tag(), Some("paper"));
    }
}
