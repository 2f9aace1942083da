//! Child processes: started in a group of their own, waited for without spinning, stopped with everything they started.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, waitpid};

use super::guard::Confinement;
use crate::engine::executor::End;
use crate::engine::executor::surroundings::MARK;
use crate::interrupt::Interrupt;

/// How a child ended.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// Stopped because its time was up.
    TimedOut,
    /// Stopped because who waited for it said so.
    Stopped,
    /// Stopped because the user asked to stop.
    Interrupted,
}

impl Ending {
    /// In the words of an executor.
    pub(crate) fn end(self) -> End {
        match self {
            Self::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => End::Code(code),
                (None, number) => End::Signal { number: number.unwrap_or_default(), core_dumped: status.core_dumped() },
            },
            Self::TimedOut => End::TimedOut,
            Self::Stopped => End::Stopped,
            Self::Interrupted => End::Interrupted,
        }
    }
}

/// How often the interrupt flag is looked at while a child runs.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Starts a child in a process group of its own, so that a Ctrl-C on the terminal reaches Kiln alone.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0).spawn()
}

/// Makes the kernel kill this process when the one that started it dies, however it dies, and puts it under limits. For a
/// child that knows nothing of Kiln; it makes system calls and allocates nothing.
///
/// # Errors
/// If the system does not know of this, or Kiln is gone already.
pub(crate) fn bind(kiln: Pid, limits: Option<&Confinement>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Kiln may have died before that.
    if rustix::process::getppid() != Some(kiln) {
        return Err(io::Error::from_raw_os_error(libc::ECHILD));
    }
    limits.map_or(Ok(()), Confinement::enter)
}

/// Makes what a child leaves behind when it ends this process's own children, so that [`left_behind`] finds them.
///
/// # Errors
/// If the system knows nothing of this.
pub(crate) fn adopt() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Kills what a command left behind, which is known by its home (see [`MARK`]), and tells whether anything else that a child left
/// behind still runs, or may; what has ended is reaped. `known` is a child that is to run.
///
/// The kernel hands orphans to the first thread, in which no command is started.
pub(crate) fn left_behind(home: &Path, known: Option<Pid>) -> bool {
    // The kernel passes over some children if others are reaped while it lists them.
    static LISTING: Mutex<Option<File>> = Mutex::new(None);
    let mut list = LISTING.lock().unwrap_or_else(PoisonError::into_inner);
    let patience = Instant::now() + PATIENCE;
    for _ in 0..GENERATIONS {
        let (ours, others, changing) = loop {
            let Ok(children) = orphans(&mut list) else { return true };
            let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw));
            let (mut ours, mut others, mut changing) = (vec![], 0, 0);
            // One that has ended meanwhile is reaped by this look.
            let running =
                |pid: &Pid| Some(*pid) != known && matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None));
            for pid in pids.filter(running) {
                match lives_in(pid, |it| it == home) {
                    Some(true) => ours.push(pid),
                    Some(false) => others += 1,
                    None => changing += 1,
                }
            }
            if !ours.is_empty() || changing == 0 || Instant::now() > patience {
                break (ours, others, changing);
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if ours.is_empty() {
            return others + changing > 0;
        }
        for pid in ours {
            // Its number is its own until it is reaped. What it started itself comes to be a child of this process then.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
    true
}

/// The children of the first thread as the kernel lists them in a file, which is opened once.
fn orphans(list: &mut Option<File>) -> io::Result<String> {
    let file = match list {
        Some(file) => file,
        None => {
            let main = rustix::process::getpid().as_raw_nonzero();
            list.insert(File::open(format!("/proc/self/task/{main}/children"))?)
        }
    };
    let (mut text, mut room) = (Vec::new(), [0; 512]);
    loop {
        match file.read_at(&mut room, text.len() as u64)? {
            0 => return String::from_utf8(text).map_err(io::Error::other),
            count => text.extend_from_slice(&room[..count]),
        }
    }
}

/// How long it is waited for a process to have become another program.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether a process that was killed has left others.
const GENERATIONS: usize = 100;

/// Whether a process was started with a home of which something holds. `None` while it is about to become another program: its
/// environment cannot be told then, and looks empty.
pub(crate) fn lives_in(pid: Pid, is: impl Fn(&Path) -> bool) -> Option<bool> {
    let Ok(variables) = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())) else { return Some(false) };
    if variables.is_empty() && !has_environment(pid) {
        return None;
    }
    let mut homes = variables.split(|byte| *byte == 0).filter_map(|variable| {
        variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=").map(|home| Path::new(OsStr::from_bytes(home)))
    });
    Some(homes.any(is))
}

/// Whether a process has an environment, be it an empty one; not so when it is about to become another program, or to end.
fn has_environment(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // `pid (name) state ...`; a name may hold anything. Where the environment ends is the 51st field.
    let end = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(48));
    end.is_none_or(|end| end != "0")
}

/// A child that is waited for.
pub(crate) trait Waited {
    /// Its process, which leads a group.
    fn pid(&self) -> Pid;
    /// Waits for its end; afterwards its number may be another's.
    fn reap(&mut self) -> io::Result<ExitStatus>;
}

impl Waited for Child {
    fn pid(&self) -> Pid {
        Pid::from_child(self)
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.wait()
    }
}

/// Whether a process of a group runs, be it that its leader has ended.
fn goes_on_without(group: Pid) -> bool {
    let group = group.as_raw_nonzero().get().to_string();
    let runs = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // `pid (name) state parent group ...`; a name may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let (state, of) = (fields.next()?, fields.nth(1)?);
        (of == group && !["Z", "X"].contains(&state)).then_some(())
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| runs(entry).is_some())
}

/// Between two looks at a group that is to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits for a child, calling `tick` now and then. If its time runs out, the user interrupts or `tick` says no, the whole group is asked to leave, and
/// killed once the time of grace is over.
///
/// # Errors
/// If the operating system refuses to watch the child.
pub(crate) fn wait(
    child: &mut impl Waited,
    timeout: Option<Duration>,
    grace: Duration,
    interrupt: &Interrupt,
    tick: &dyn Fn() -> bool,
) -> io::Result<Ending> {
    let group = child.pid();
    let watch = rustix::process::pidfd_open(group, PidfdFlags::empty())?;
    let deadline = timeout.map(|t| Instant::now() + t);
    let mut stopping: Option<(Ending, Instant)> = None;
    let mut goes_on = true;
    loop {
        let mut fds = [PollFd::new(&watch, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&TICK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => goes_on &= tick(),
            Ok(_) => break,
            Err(e) => return Err(e.into()),
        }
        if let Some((_, since)) = &stopping {
            if since.elapsed() > grace {
                // A group that is already gone needs no killing.
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            continue;
        }
        let ending = if interrupt.is_set() {
            Ending::Interrupted
        } else if deadline.is_some_and(|d| Instant::now() >= d) {
            Ending::TimedOut
        } else if !goes_on {
            Ending::Stopped
        } else {
            continue;
        };
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
        stopping = Some((ending, Instant::now()));
    }
    if let Some((_, since)) = &stopping {
        // A shell leaves at once. What it started may need the time that it was given.
        while since.elapsed() <= grace && goes_on_without(group) {
            tick();
            std::thread::sleep(PAUSE);
        }
    }
    // What the child left running in its group would write into a scratch directory that is no longer its own. The
    // child has not been reaped yet, so its number cannot have been given to another group.
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let status = child.reap()?;
    Ok(stopping.map_or(Ending::Exited(status), |(ending, _)| ending))
}
