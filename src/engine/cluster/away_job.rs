//! A job that shares no file system with Kiln: it fetches what it needs into a folder of its node and runs the stage there as any job does. Its
//! `courier` sends what the stage says meanwhile and leaves in the end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::attempt_folder::{Assignment, AttemptFolder, Beginning, JobRecord, now};
use super::bundle::Bundle;
use super::courier::{AGAIN, Courier, PATIENCE};
use super::letter::Seal;
use super::mailbox::{Claim, Mailbox, News};
use super::{earlier, job};
use crate::address::Address;
use crate::engine::executor::{End, Reach, Work};
use crate::interrupt::Interrupt;
use crate::remote::{Post, Trouble};
use crate::store::{self, Scratch, Store};

/// The variable with the seal of the attempt.
const SEAL: &str = "KILN_JOB_SEAL";

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
