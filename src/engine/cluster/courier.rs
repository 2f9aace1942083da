//! Who sends what a stage of a job says and leaves, where the job shares no file system with Kiln.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt_folder::{AttemptFolder, JobRecord};
use super::bundle::{Bundle, Links};
use super::gauge::Beyond;
use super::mailbox::{Claim, Mailbox, News};
use crate::hash::Memo;
use crate::kind::Event;
use crate::remote::Trouble;
use crate::store::{self, Scratch, Store};

/// Between two looks at what the stage says, and whether the job is still wanted.
const LOOKS: Duration = Duration::from_secs(1);
const WANTED: Duration = Duration::from_secs(5);

/// So much of a log goes with one message.
const PART: u64 = 8 << 20;

/// So long it is tried to fetch what is needed, and to send what came of it. A time limit may end it sooner.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// Who sends what a stage says and leaves.
pub(super) struct Courier<'a> {
    folder: &'a AttemptFolder,
    mailbox: &'a Mailbox<'a>,
    claim: &'a Claim,
    /// The folder of the stage as Kiln knows it.
    home: PathBuf,
    cache: Store,
    _lock: Scratch,
    /// The folder in which a command leaves states, and its file of metrics.
    pub(super) states: Option<(PathBuf, PathBuf)>,
    /// The outputs to send in the end.
    pub(super) outputs: Vec<PathBuf>,
    /// The inputs that were written to.
    pub(super) written: Vec<PathBuf>,
    /// The number of the next message, and what was sent so far.
    number: u64,
    log: u64,
    events: u64,
    /// How much was read of what the stage announces.
    read: u64,
    /// Whether it was told that the job takes more memory than it has.
    beyond: bool,
}

impl<'a> Courier<'a> {
    pub(super) fn new(
        folder: &'a AttemptFolder,
        mailbox: &'a Mailbox<'a>,
        claim: &'a Claim,
        home: PathBuf,
        cache: Store,
        lock: Scratch,
    ) -> Self {
        Self {
            folder,
            mailbox,
            claim,
            home,
            cache,
            _lock: lock,
            states: None,
            outputs: vec![],
            written: vec![],
            number: 0,
            log: 0,
            events: 0,
            read: 0,
            beyond: false,
        }
    }

    /// Sends what there is from time to time, until it is over. Looks whether the job is still wanted.
    pub(super) fn carry(&mut self, over: &AtomicBool) {
        let (mut looked, mut next) = (Instant::now(), Instant::now());
        while !over.load(Ordering::Relaxed) {
            // It may be killed for its memory any moment.
            let is_urgent = self.folder.beyond().is_some() != self.beyond;
            if is_urgent || Instant::now() >= next {
                let began = Instant::now();
                if let Err(trouble) = self.send() {
                    tracing::debug!("cannot send what the stage says: {trouble}");
                }
                // It is no more than a quarter of what the job does.
                next = Instant::now() + LOOKS.max(began.elapsed() * 3);
            }
            if looked.elapsed() >= WANTED {
                looked = Instant::now();
                if let Ok(claim) = self.mailbox.claimed()
                    && claim.is_none_or(|claim| claim != *self.claim)
                {
                    self.folder.call_off();
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends all that is left, and the end. Nobody waits for a job that was called off.
    pub(super) fn end(&mut self, mut record: JobRecord) -> Result<(), Trouble> {
        let began = Instant::now();
        while !self.folder.is_called_off() {
            let gathered = self.gather(Some(&record)).or_else(|error| {
                record.why = Some(format!("what it wrote cannot be sent: {error}"));
                self.outputs.clear();
                self.gather(Some(&record))
            });
            match gathered.map_err(|error| error.to_string())?.map_or(Ok(false), |gathered| self.post(gathered)) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(trouble) if began.elapsed() >= PATIENCE => return Err(trouble),
                Err(_) => std::thread::sleep(AGAIN),
            }
        }
        Ok(())
    }

    /// Sends what is new, if anything is.
    fn send(&mut self) -> Result<(), Trouble> {
        let gathered = self.gather(None).map_err(|error| error.to_string())?;
        gathered.map_or(Ok(()), |gathered| self.post(gathered).map(drop))
    }

    /// What is new; nothing if nothing is.
    fn gather(&self, record: Option<&JobRecord>) -> io::Result<Option<Gathered>> {
        let stage = self.folder.stage();
        let (mut log, mut from) = (vec![], self.log);
        let mut more = false;
        if let Ok(mut file) = File::open(self.folder.log()) {
            let length = file.metadata()?.len();
            if length < from {
                // One that grew too long was shortened in its middle.
                from = 0;
            }
            file.seek(io::SeekFrom::Start(from))?;
            file.take(PART).read_to_end(&mut log)?;
            more = from + (log.len() as u64) < length;
        }
        let beyond = self.folder.beyond();
        let mut gathered = Gathered { from, log, read: self.read, beyond, ..Gathered::default() };
        self.announced(&stage, &mut gathered)?;
        if let Some((states, metrics)) = &self.states {
            let finished = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
            let entries = fs::read_dir(stage.join(states)).into_iter().flatten().flatten();
            let names: Vec<OsString> = entries.map(|entry| entry.file_name()).filter(|name| finished(name)).collect();
            if !names.is_empty() {
                gathered.add(&stage, metrics.clone(), self.cache.memo())?;
            }
            for name in names {
                gathered.given_up.push(stage.join(states).join(&name));
                gathered.add(&stage, states.join(name), self.cache.memo())?;
            }
        }
        if let Some(record) = record.filter(|_| !more) {
            for output in &self.outputs {
                gathered.add(&stage, output.clone(), self.cache.memo())?;
            }
            gathered.written.clone_from(&self.written);
            gathered.record = Some(record.clone());
        }
        let any = !gathered.log.is_empty() || gathered.read > self.read || !gathered.whole.is_empty();
        let any = any || gathered.beyond.is_some() != self.beyond;
        Ok((any || gathered.record.is_some()).then_some(gathered))
    }

    /// What was announced since: of progress the last, of states the folders that they are in.
    fn announced(&self, stage: &Path, gathered: &mut Gathered) -> io::Result<()> {
        let Ok(mut file) = File::open(self.folder.events()) else { return Ok(()) };
        file.seek(io::SeekFrom::Start(self.read))?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes)?;
        // The last line may be half written.
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        gathered.read = self.read + end as u64 + 1;
        let mut progress = None;
        let mut add = |event: &Event| -> io::Result<()> {
            serde_json::to_writer(&mut gathered.events, event)?;
            gathered.events.push(b'\n');
            Ok(())
        };
        let mut folders = vec![];
        for event in bytes[..end].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
            match event {
                Event::Progress { .. } => progress = Some(event),
                // The job had no room for it.
                Event::Checkpoint { folder, .. } if !folder.exists() => {}
                Event::Checkpoint { step, folder } => {
                    let Ok(path) = folder.strip_prefix(stage) else { continue };
                    add(&Event::Checkpoint { step, folder: self.home.join(path) })?;
                    folders.push(path.to_owned());
                }
                event @ Event::Message { .. } => add(&event)?,
            }
        }
        progress.map_or(Ok(()), |event| add(&event))?;
        for path in folders {
            gathered.given_up.push(stage.join(&path));
            gathered.add(stage, path, self.cache.memo())?;
        }
        Ok(())
    }

    fn post(&mut self, gathered: Gathered) -> Result<bool, Trouble> {
        let Gathered { from, log, events, read, files, whole, given_up, record, written, beyond } = gathered;
        let (log_part, events_part) = ((from, log.len()), (self.events, events.len()));
        let news = News { log: log_part, events: events_part, files, whole, record, written, beyond };
        let bytes = [log.as_slice(), &events, &news.files.small].concat();
        self.mailbox.tell(self.claim, self.number, &news, &bytes)?;
        self.number += 1;
        self.log = from + log.len() as u64;
        self.events += events.len() as u64;
        self.read = read;
        self.beyond = beyond.is_some();
        for folder in given_up {
            let _ = store::remove_all(&folder);
        }
        Ok(news.record.is_some())
    }
}

/// What is new.
#[derive(Default)]
struct Gathered {
    /// Where in the log it begins.
    from: u64,
    log: Vec<u8>,
    events: Vec<u8>,
    read: u64,
    files: Bundle,
    whole: Vec<PathBuf>,
    /// What is removed once it was sent.
    given_up: Vec<PathBuf>,
    record: Option<JobRecord>,
    written: Vec<PathBuf>,
    beyond: Option<Beyond>,
}

impl Gathered {
    fn add(&mut self, stage: &Path, path: PathBuf, memo: &Memo) -> io::Result<()> {
        self.files.add(stage, &path, Links::Stay, memo)?;
        self.whole.push(path);
        Ok(())
    }
}
