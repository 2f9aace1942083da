//! The messages of an attempt whose job shares no file system with Kiln: they lie on the remote cache, each closed under the seal of the attempt.
//!
//! There is the assignment; the claim, which one job makes, and which is written over to call it off; and news, which a job numbers from 0,
//! the last with its record. What a job that has not the claim says is under another name and read by nobody.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::attempt_folder::{Assignment, Beginning, JobRecord, nonce};
use super::bundle::Bundle;
use super::gauge::Beyond;
use super::letter::Seal;
use crate::remote::{Post, Trouble};

const ASSIGNMENT: &str = "assignment";
const CLAIM: &str = "claim";

/// Where the messages of an attempt are.
pub(super) struct Mailbox<'p> {
    pub(super) post: &'p Post,
    /// The attempt.
    nonce: String,
    seal: Seal,
}

/// Who has an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// What tells it from all others.
    pub(super) id: String,
    /// The beginning of the job; `None` if Kiln gives the attempt up.
    pub(super) beginning: Option<Beginning>,
}

/// What a job tells, with bytes: what was added to its log, then to what it announces, then what is small of its files.
#[derive(Serialize, Deserialize)]
pub(super) struct News {
    /// Where in the log and among the announcements what is new begins, and how long it is.
    pub(super) log: (u64, usize),
    pub(super) events: (u64, usize),
    /// Files and folders, by their paths in the stage's folder.
    pub(super) files: Bundle,
    /// Those of them that are to be put in place as a whole, in this order.
    pub(super) whole: Vec<PathBuf>,
    /// The end.
    pub(super) record: Option<JobRecord>,
    /// Inputs that the stage has written to.
    pub(super) written: Vec<PathBuf>,
    /// Whether it takes more memory than it has.
    pub(super) beyond: Option<Beyond>,
}

impl<'p> Mailbox<'p> {
    pub(super) fn new(post: &'p Post, nonce: &str, seal: Seal) -> Self {
        Self { post, nonce: nonce.to_owned(), seal }
    }

    /// Leaves what is to be done, after the files for it.
    pub(super) fn assign(&self, assignment: &Assignment, files: &Bundle) -> Result<(), Trouble> {
        self.post.send(files.large.clone())?;
        self.leave(ASSIGNMENT, &(assignment, files), &files.small)
    }

    /// What is to be done, and the files for it; `None` if the attempt is over.
    pub(super) fn assignment(&self) -> Result<Option<(Assignment, Bundle)>, Trouble> {
        let found: Option<((Assignment, Bundle), Vec<u8>)> = self.take(ASSIGNMENT)?;
        Ok(found.map(|((assignment, mut files), small)| {
            files.small = small;
            (assignment, files)
        }))
    }

    /// Claims the attempt; `None` if somebody else has.
    pub(super) fn claim(&self, beginning: Option<Beginning>) -> Result<Option<Claim>, Trouble> {
        let claim = Claim { id: nonce(), beginning };
        let letter = self.close(CLAIM, &claim, &[])?;
        Ok(self.post.create(&self.nonce, CLAIM, letter)?.then_some(claim))
    }

    /// Who has claimed it, if anybody has.
    pub(super) fn claimed(&self) -> Result<Option<Claim>, Trouble> {
        Ok(self.take(CLAIM)?.map(|(claim, _)| claim))
    }

    /// Tells whoever works on it to leave.
    pub(super) fn call_off(&self) -> Result<(), Trouble> {
        self.leave(CLAIM, &Claim { id: nonce(), beginning: None }, &[])
    }

    /// Tells news, after the files in them.
    pub(super) fn tell(&self, claim: &Claim, number: u64, news: &News, bytes: &[u8]) -> Result<(), Trouble> {
        self.post.send(news.files.large.clone())?;
        self.leave(&format!("{}-{number}", claim.id), news, bytes)
    }

    /// News of a number; `None` if there are none yet.
    pub(super) fn news(&self, claim: &str, number: u64) -> Result<Option<(News, Vec<u8>)>, Trouble> {
        self.take(&format!("{claim}-{number}"))
    }

    /// Removes all messages.
    pub(super) fn clear(&self) -> Result<(), Trouble> {
        self.post.clear(&self.nonce)
    }

    fn close<T: Serialize>(&self, name: &str, head: &T, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.seal
            .close(name, head, body)
            .ok_or_else(|| "a message cannot be written: a path in it is no text".to_owned())
    }

    fn leave<T: Serialize>(&self, name: &str, head: &T, body: &[u8]) -> Result<(), Trouble> {
        let letter = self.close(name, head, body)?;
        self.post.put(&self.nonce, name, letter)
    }

    fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<(T, Vec<u8>)>, Trouble> {
        let Some(letter) = self.post.get(&self.nonce, name)? else { return Ok(None) };
        let opened = self.seal.open(name, letter);
        opened.map(Some).ok_or_else(|| format!("the message `{name}` is damaged, or was not written by Kiln"))
    }
}
