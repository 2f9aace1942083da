//! What Git says of a project: at which commit it is, what differs from that, which commit a name stands for, earlier versions of a
//! file, and a commit's files in a folder of their own. Nothing here decides a key, and nothing here writes to the user's repository.

mod checkout;
mod look;
mod past;
mod repository;
mod revision;

pub use look::{Head, Look, THREAD};
pub use repository::{GitError, Repository};
pub use revision::{Commit, Range};
