//! Kiln's side of jobs that share no file system with it: what they need is sent to the remote cache, and what they leave there is put
//! into the folder of the attempt, as if they had written it. So whoever waits for a job looks at that folder in any case.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::attempt_folder::{Assignment, AttemptFolder, read, write};
use super::bundle::{Bundle, Links};
use super::letter::Seal;
use super::mailbox::{Mailbox, News};
use super::scheduler::State;
use super::sealed::Sealed;
use super::tracks::Track;
use crate::engine::executor::Work;
use crate::hash::Memo;
use crate::remote::{Post, Remote, Trouble};
use crate::store;

/// The remote cache, for jobs that share nothing else.
pub(super) struct Away {
    post: Post,
    /// Where it is, as jobs are told.
    address: String,
    /// The folder on a node that jobs work in, as a shell reads it.
    scratch: String,
    /// How many jobs are listened to.
    followed: AtomicUsize,
}

/// How far news were heard, and whose.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Heard {
    claim: String,
    next: u64,
}

const HEARD: &str = "heard.json";
const ARRIVING: &str = "arriving";

/// Between two looks for news: at least so long, and at most so long where none come. With many jobs it is more.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(5);
/// So many looks a second there are at most, for all jobs.
const LOOKS: f64 = 20.0;

/// Of a job that is not heard the user is told after this time.
const SILENCE: Duration = Duration::from_secs(15);

/// Before something is tried again that came to nothing.
const AGAIN: Duration = Duration::from_secs(2);

impl Away {
    /// # Errors
    /// Why there is no way to jobs that do not see the project, and a hint.
    pub(super) fn make(scratch: &str, remote: Option<&Remote>) -> Result<Self, String> {
        let Some(remote) = remote else {
            return Err("jobs in a `scratch` of their own need a remote cache, and there is none\nhint: name one with `remote:` (docs/remote.md), or take `scratch` out of the executor if nodes see the project".into());
        };
        let post = remote.messages().map_err(|mistake| format!("{mistake}\nhint: {}", mistake.hint))?;
        let (address, scratch) = (remote.address().to_string(), scratch.to_owned());
        Ok(Self { post, address, scratch, followed: AtomicUsize::new(0) })
    }

    /// Where the remote cache is, and the folder on a node.
    pub(super) fn places(&self) -> (&str, &str) {
        (&self.address, &self.scratch)
    }

    /// Whether an attempt is made by way of this cache.
    pub(super) fn has(&self, folder: &AttemptFolder) -> bool {
        Sealed::of(folder).is_some_and(|sealed| sealed.address == self.address)
    }

    fn mailbox(&self, folder: &AttemptFolder) -> Option<Mailbox<'_>> {
        let sealed = Sealed::of(folder).filter(|sealed| sealed.address == self.address)?;
        Some(Mailbox::new(&self.post, folder.nonce(), Seal::parse(&sealed.seal)?))
    }

    /// Sends what a job needs: what is in the stage's folder, and what is to be done. Tries again for as long as it may.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub(super) fn send(
        &self,
        folder: &AttemptFolder,
        assignment: &Assignment,
        memo: &Memo,
        patience: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), Trouble> {
        let seal = Seal::new().ok_or("the system gives no random numbers")?;
        let sealed = Sealed { seal: seal.to_string(), address: self.address.clone() };
        sealed.put_into(folder).map_err(|error| error.to_string())?;
        // A built-in kind reads through links into the store. Those of a command lead to what it is not handed.
        let links = if matches!(assignment.work, Work::Kind(_)) { Links::Lead } else { Links::Stay };
        let mut files = Bundle::default();
        let stage = folder.stage().canonicalize().map_err(|error| error.to_string())?;
        for entry in fs::read_dir(&stage).map_err(|error| error.to_string())?.flatten() {
            files.add(&stage, Path::new(&entry.file_name()), links, memo).map_err(|error| error.to_string())?;
        }
        let mailbox = Mailbox::new(&self.post, folder.nonce(), seal);
        let began = Instant::now();
        loop {
            match mailbox.assign(assignment, &files) {
                Ok(()) => return Ok(()),
                Err(trouble) if began.elapsed() >= patience || !goes_on() => return Err(trouble),
                Err(trouble) => tracing::debug!("cannot send {}: {trouble}", folder.name()),
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Claims an attempt, so that no job can begin; `false` if one has.
    ///
    /// # Errors
    /// If that cannot be told.
    pub(super) fn claim(&self, folder: &AttemptFolder) -> io::Result<bool> {
        let Some(mailbox) = self.mailbox(folder) else { return Ok(true) };
        // Once more: a server may be restarted.
        let claimed = mailbox.claim(None).or_else(|_| {
            std::thread::sleep(AGAIN);
            mailbox.claim(None)
        });
        Ok(claimed.map_err(io::Error::other)?.is_some())
    }

    /// Tells the job of an attempt to leave.
    pub(super) fn call_off(&self, folder: &AttemptFolder) {
        if let Some(Err(trouble)) = self.mailbox(folder).map(|mailbox| mailbox.call_off()) {
            tracing::debug!("cannot call {} off: {trouble}", folder.name());
        }
    }

    /// Removes what there is of an attempt.
    pub(super) fn forget(&self, folder: &AttemptFolder) {
        if let Some(Err(trouble)) = self.mailbox(folder).map(|mailbox| mailbox.clear()) {
            tracing::debug!("cannot remove the messages of {}: {trouble}", folder.name());
        }
    }

    /// Listens to the job of an attempt; `None` if it is not made away.
    pub(super) fn listen<'a>(&'a self, folder: &'a AttemptFolder) -> Option<Ear<'a>> {
        let mailbox = self.mailbox(folder)?;
        self.followed.fetch_add(1, Ordering::Relaxed);
        let heard = read(&folder.path().join(HEARD)).ok().flatten().unwrap_or_default();
        let now = Instant::now();
        Some(Ear { away: self, folder, mailbox, heard, next: now, pause: SOON, good: now, trouble: None, told: false })
    }
}

/// Who listens to a job.
pub(super) struct Ear<'a> {
    away: &'a Away,
    folder: &'a AttemptFolder,
    mailbox: Mailbox<'a>,
    heard: Heard,
    next: Instant,
    pause: Duration,
    /// When it last heard all that there was.
    good: Instant,
    /// What keeps it from hearing, and since when.
    trouble: Option<(Instant, Trouble)>,
    /// Whether the user was told of it.
    told: bool,
}

impl Ear<'_> {
    /// Puts what the job has told into the folder of the attempt, if it is time to look.
    pub(super) fn hear(&mut self, track: &Track) {
        let begun = !self.heard.claim.is_empty();
        let waits = matches!(track.state, Some(State::Queued(_))) && !track.is_over();
        if Instant::now() < self.next || (waits && !begun) {
            return;
        }
        let found = self.take();
        let busy = self.away.followed.load(Ordering::Relaxed) as f64 / LOOKS;
        self.pause = match &found {
            Ok(true) => SOON,
            // Slurm says that it is over: then there is something to come, or nothing any more.
            _ if track.is_over() => SOON,
            _ => (self.pause * 3 / 2).min(LATE),
        };
        self.next = Instant::now() + self.pause.max(Duration::from_secs_f64(busy));
        match found {
            Ok(_) => (self.good, self.trouble, self.told) = (Instant::now(), None, false),
            Err(trouble) => {
                let since = self.trouble.take().map_or_else(Instant::now, |(since, _)| since);
                self.trouble = Some((since, trouble));
            }
        }
    }

    /// What the user is to be told, once: the job goes on, and is not heard.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let (_, trouble) = self.trouble.as_ref().filter(|(since, _)| !self.told && since.elapsed() >= SILENCE)?;
        self.told = true;
        Some(format!("its job is not heard, and Kiln goes on listening: {trouble}"))
    }

    /// Why there is no hope to hear of a job that is over, if there is none.
    pub(super) fn hopeless(&self, track: &Track, patience: Duration) -> Option<String> {
        let (_, trouble) = self.trouble.as_ref().filter(|(since, _)| track.is_over() && since.elapsed() >= patience)?;
        Some(format!("its job is over, and what it left cannot be had: {trouble}"))
    }

    /// For how long something that is so since then was so when all was heard.
    pub(super) fn for_long(&self, since: Instant) -> Duration {
        self.good.saturating_duration_since(since)
    }

    /// Takes what there is; tells whether there was anything.
    fn take(&mut self) -> Result<bool, Trouble> {
        if self.heard.claim.is_empty() {
            let Some(claim) = self.mailbox.claimed()? else { return Ok(false) };
            let Some(beginning) = claim.beginning else { return Ok(false) };
            let noted = self.folder.begin(&beginning).and_then(|()| self.folder.claim());
            noted.map_err(|error| error.to_string())?;
            self.heard.claim = claim.id;
        }
        let mut any = false;
        while let Some((news, bytes)) = self.mailbox.news(&self.heard.claim, self.heard.next)? {
            self.note(news, &bytes).map_err(|error| error.to_string())?;
            self.heard.next += 1;
            write(&self.folder.path().join(HEARD), &self.heard).map_err(|error| error.to_string())?;
            any = true;
        }
        Ok(any)
    }

    /// Puts news into the folder. Whoever is killed meanwhile does it again.
    fn note(&self, mut news: News, bytes: &[u8]) -> io::Result<()> {
        let short = || io::Error::other("a message of the job is too short");
        let (log, rest) = bytes.split_at_checked(news.log.1).ok_or_else(short)?;
        let (events, small) = rest.split_at_checked(news.events.1).ok_or_else(short)?;
        news.files.small = small.to_vec();
        let arriving = self.folder.path().join(ARRIVING);
        store::remove_all(&arriving)?;
        if !news.whole.is_empty() {
            fs::create_dir(&arriving)?;
            news.files.unpack(&arriving, &|large| self.mailbox.post.bring(large)).map_err(io::Error::other)?;
        }
        for path in &news.whole {
            super::take(&arriving.join(path), &self.folder.stage().join(path))?;
        }
        store::remove_all(&arriving)?;
        add(&self.folder.log(), news.log.0, log)?;
        add(&self.folder.events(), news.events.0, events)?;
        for input in &news.written {
            // Whoever looks after the inputs finds that this one is not as it was.
            let input = self.folder.stage().join(input);
            fs::set_permissions(&input, Permissions::from_mode(0o644))?;
            File::options().append(true).open(&input)?.write_all(b"\n")?;
        }
        self.folder.note_beyond(news.beyond)?;
        news.record.map_or(Ok(()), |record| self.folder.end(&record))
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.away.followed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes from a place on in a file, which ends there then.
fn add(path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() && (at > 0 || !path.exists()) {
        return Ok(());
    }
    let file = File::options().create(true).write(true).truncate(false).open(path)?;
    if file.metadata()?.len() > at {
        file.set_len(at)?;
    }
    file.write_all_at(bytes, at)
}
