//! A job that shares no file system with Kiln: it fetches what it needs into a folder of its node, runs the stage there as any job does, and
//! sends what it says meanwhile and leaves in the end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt_folder::{Assignment, AttemptFolder, Beginning, JobRecord, now};
use super::bundle::{Bundle, Links};
use super::gauge::Beyond;
use super::letter::Seal;
use super::mailbox::{Claim, Mailbox, News};
use super::{earlier, job};
use crate::address::Address;
use crate::engine::executor::{End, Reach, Work};
use crate::interrupt::Interrupt;
use crate::kind::Event;
use crate::remote::{Post, Trouble};
use crate::store::{self, Scratch, Store};

/// The variable with the seal of the attempt.
const SEAL: &str = "KILN_JOB_SEAL";

/// Between two looks at what the stage says, and whether the job is still wanted.
const LOOKS: Duration = Duration::from_secs(1);
const WANTED: Duration = Duration::from_secs(5);

/// So much of a log goes with one message.
const PART: u64 = 8 << 20;

/// So long it is tried to fetch what is needed, and to send what came of it. A time limit may end it sooner.
const PATIENCE: Duration = Duration::from_secs(600);
const AGAIN: Duration = Duration::from_secs(2);

/// Fetches the assignment of an attempt from a remote cache, runs it in a folder of this machine, and sends what came of it. `name` is the attempt's.
///
/// # Errors
/// If nothing can be told to whoever waits for it.
pub fn job_away(name: &str, address: &str, scratch: &Path) -> anyhow::Result<()> {
    let interrupt = Interrupt::default();
    interrupt.listen()?;
    let seal = std::env::var(SEAL).ok().and_then(|text| Seal::parse(&text));
    let seal = seal.ok_or_else(|| anyhow::anyhow!("{SEAL} is not set"))?;
    let post = Post::open(&Address::parse(address)?)?;
    let nonce = AttemptFolder::at(name.into()).nonce().to_owned();
    let mailbox = Mailbox::new(&post, &nonce, seal);
    let told = |trouble: Trouble| anyhow::anyhow!("{address}: {trouble}");
    let Some((assignment, files)) = again(&interrupt, || mailbox.assignment()).map_err(told)? else {
        // The attempt is over: a controller that was started again after a crash runs jobs again that it has forgotten.
        return Ok(());
    };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let beginning = Beginning { host, at: now() };
    let claim = again(&interrupt, || mailbox.claim(Some(beginning.clone()))).map_err(told)?;
    // Another job has it, or it was given up.
    let Some(claim) = claim else { return Ok(()) };
    let mut record = job::record(&assignment.nonce, &beginning.host);
    let place = around(scratch).map(|around| AttemptFolder::at(around.join(name)));
    let worked = place.and_then(|folder| {
        // A job of the same name that died here has left it.
        let made = store::remove_all(folder.path()).and_then(|()| fs::create_dir_all(folder.stage()));
        made.map_err(|error| format!("cannot make {}: {error}", folder.path().display()))?;
        let ended = work(&folder, assignment, &files, &mailbox, &claim, &interrupt, &mut record)
            .map(|mut courier| courier.end(record.clone()));
        folder.remove();
        ended
    });
    let ended = worked.unwrap_or_else(|why| {
        // What kept it from working has to be told, too. Who told it to leave is for the scheduler to say.
        record.told_to_leave = interrupt.is_set();
        record.why = Some(why).filter(|_| !record.told_to_leave);
        let news = News::of_end(record);
        again(&Interrupt::default(), || mailbox.tell(&claim, 0, &news, &[]))
    });
    ended.map_err(told)
}

/// The folder of a user's jobs, with those removed that died here.
fn around(scratch: &Path) -> Result<PathBuf, Trouble> {
    let user = rustix::process::getuid().as_raw();
    let folder = scratch.join(format!("kiln-jobs-{user}"));
    let failed = |error: io::Error| format!("cannot work in {}: {error}", folder.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let metadata = fs::symlink_metadata(&folder).map_err(failed)?;
    if !metadata.is_dir() || metadata.uid() != user {
        return Err(format!("{} belongs to somebody else", folder.display()));
    }
    let folder = folder.canonicalize().map_err(failed)?;
    earlier::sweep_dead(&folder);
    Ok(folder)
}

/// Does something until it comes to an end, for some time.
fn again<T>(interrupt: &Interrupt, mut work: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let began = Instant::now();
    loop {
        match work() {
            Err(_) if began.elapsed() < PATIENCE && !interrupt.is_set() => std::thread::sleep(AGAIN),
            ended => return ended,
        }
    }
}

/// Runs the stage, and sends what it says meanwhile.
fn work<'a>(
    folder: &'a AttemptFolder,
    assignment: Assignment,
    files: &Bundle,
    mailbox: &'a Mailbox<'a>,
    claim: &'a Claim,
    interrupt: &Interrupt,
    record: &mut JobRecord,
) -> Result<Courier<'a>, Trouble> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (stage, home) = (folder.stage(), assignment.home.clone());
    // Others who look for what is left of dead jobs leave it alone.
    let lock = Scratch::at(folder.path()).map_err(|error| text(&error))?;
    folder.claim().map_err(|error| text(&error))?;
    let cache = Store::open(&folder.path().join("store")).map_err(|error| text(&error))?;
    again(interrupt, || files.unpack(&stage, &|large| mailbox.post.bring(large)))?;
    let ports = assignment.ports.clone();
    let assignment = moved(assignment, &stage, cache.root(), folder.path().parent().unwrap_or(folder.path()));
    let shapes: BTreeMap<PathBuf, Vec<Shape>> =
        ports.inputs.iter().map(|input| (input.clone(), shapes(&stage.join(input)))).collect();
    let mut courier = Courier::new(folder, mailbox, claim, home, cache, lock);
    courier.states.clone_from(&ports.states);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let carries = scope.spawn(|| courier.carry(&over));
        if let Err(why) = job::run(folder, assignment, interrupt, record) {
            record.why = Some(why);
        }
        over.store(true, Ordering::Relaxed);
        let _ = carries.join();
    });
    if record.end == Some(End::Code(0)) {
        courier.outputs = ports.outputs;
    }
    let written = shapes.into_iter().filter(|(input, before)| self::shapes(&stage.join(input)) != *before);
    courier.written = written.filter_map(|(input, before)| first_written(&stage, &input, &before)).collect();
    Ok(courier)
}

/// An assignment as it is to be done in another folder, with a store of its own.
fn moved(mut assignment: Assignment, stage: &Path, cache: &Path, around: &Path) -> Assignment {
    let home = assignment.home.clone();
    let path =
        |path: &mut PathBuf| *path = PathBuf::from(put_for(path.as_os_str(), home.as_os_str(), stage.as_os_str()));
    let text = |text: &OsStr| put_for(text, home.as_os_str(), stage.as_os_str());
    match &mut assignment.work {
        Work::Kind(job) => {
            job.inputs.values_mut().flatten().for_each(|input| path(&mut input.path));
            job.outputs.values_mut().for_each(path);
            job.checkpoints.folder.iter_mut().for_each(path);
            job.checkpoints.resume.iter_mut().for_each(|(_, place)| path(place));
            // All that it reads is in its folder.
            assignment.reach = Reach { everything: assignment.reach.everything, ..Reach::default() };
        }
        Work::Command(program) => {
            program.program = text(&program.program);
            program.arguments = program.arguments.iter().map(|argument| text(argument)).collect();
            program.variables.values_mut().for_each(|value| *value = text(value));
            path(&mut program.folder);
            assignment.reach.read.retain(|place| place.exists());
            assignment.reach.write.retain(|place| fs::create_dir_all(place).is_ok());
        }
    }
    // Others' attempts on this machine are as hidden as the project is at home.
    (assignment.store, assignment.project) = (cache.to_owned(), around.to_owned());
    assignment
}

/// A text with a path in it put for another.
fn put_for(text: &OsStr, from: &OsStr, to: &OsStr) -> OsString {
    let (mut rest, from) = (text.as_bytes(), from.as_bytes());
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = rest.windows(from.len().max(1)).position(|bytes| bytes == from) {
        out.extend(&rest[..at]);
        out.extend(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend(rest);
    OsString::from_vec(out)
}

/// What changes when a file is written to, or another takes its place.
type Shape = (PathBuf, u64, u64, i64, i64);

/// The shapes of a file, or of those in a folder.
fn shapes(path: &Path) -> Vec<Shape> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return vec![] };
    let is_leftover = crate::hash::is_leftover(path, metadata.is_dir());
    if metadata.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        return entries.iter().filter(|_| !is_leftover).flat_map(|entry| shapes(entry)).collect();
    }
    if !metadata.is_file() || is_leftover {
        return vec![];
    }
    vec![(path.to_owned(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())]
}

/// The first file of an input that was written to; one that is gone harms nobody.
fn first_written(stage: &Path, input: &Path, before: &[Shape]) -> Option<PathBuf> {
    let now = shapes(&stage.join(input));
    let changed = before.iter().find(|shape| now.iter().any(|other| other.0 == shape.0 && other != *shape));
    changed.and_then(|shape| shape.0.strip_prefix(stage).ok()).map(Path::to_owned)
}

impl News {
    fn of_end(record: JobRecord) -> Self {
        let (files, whole, written) = (Bundle::default(), vec![], vec![]);
        Self { log: (0, 0), events: (0, 0), files, whole, record: Some(record), written, beyond: None }
    }
}

/// Who sends what a stage says and leaves.
struct Courier<'a> {
    folder: &'a AttemptFolder,
    mailbox: &'a Mailbox<'a>,
    claim: &'a Claim,
    /// The folder of the stage as Kiln knows it.
    home: PathBuf,
    cache: Store,
    _lock: Scratch,
    /// The folder in which a command leaves states, and its file of metrics.
    states: Option<(PathBuf, PathBuf)>,
    outputs: Vec<PathBuf>,
    written: Vec<PathBuf>,
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
    fn new(
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
    fn carry(&mut self, over: &AtomicBool) {
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
    fn end(&mut self, mut record: JobRecord) -> Result<(), Trouble> {
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
    fn add(&mut self, stage: &Path, path: PathBuf, memo: &crate::hash::Memo) -> io::Result<()> {
        self.files.add(stage, &path, Links::Stay, memo)?;
        self.whole.push(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_for_another_wherever_it_stands() {
        let put = |text: &str| put_for(text.as_ref(), "/a/b".as_ref(), "/long/c".as_ref()).into_string().unwrap();
        assert_eq!(put("/a/b/home:/usr:/a/b"), "/long/c/home:/usr:/long/c");
        assert_eq!((put("/a"), put(""), put("x/a/bc")), ("/a".into(), String::new(), "x/long/cc".into()));
    }
}
