//! Observing what a command and all that it starts open, start and ask for: a filter of system calls (seccomp) holds each such call until a
//! thread of Kiln's has noted the path. It needs no rights, sees static programs and calls that fail, and changes no call.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::executor::Seen;
use crate::engine::executor::software::is_software;

/// The kind of processor that system calls are numbered for.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: u32 = 0;

/// What a system call does with a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Open,
    Start,
    Ask,
}

/// Where a system call has what: its number, what it does, the arguments with the folder, the path and the flags.
type Call = (libc::c_long, Does, Option<usize>, usize, Flags);

/// Where the flags of an open are.
#[derive(Clone, Copy)]
enum Flags {
    None,
    At(usize),
    /// In a structure.
    Behind(usize),
}

#[cfg(target_arch = "x86_64")]
const OWN: [Call; 5] = [
    (libc::SYS_open, Does::Open, None, 0, Flags::At(1)),
    (libc::SYS_stat, Does::Ask, None, 0, Flags::None),
    (libc::SYS_lstat, Does::Ask, None, 0, Flags::None),
    (libc::SYS_access, Does::Ask, None, 0, Flags::None),
    (libc::SYS_execve, Does::Start, None, 0, Flags::None),
];
#[cfg(not(target_arch = "x86_64"))]
const OWN: [Call; 1] = [(libc::SYS_execve, Does::Start, None, 0, Flags::None)];

const CALLS: [Call; 7] = [
    (libc::SYS_openat, Does::Open, Some(0), 1, Flags::At(2)),
    (libc::SYS_openat2, Does::Open, Some(0), 1, Flags::Behind(2)),
    (libc::SYS_execveat, Does::Start, Some(0), 1, Flags::None),
    (libc::SYS_newfstatat, Does::Ask, Some(0), 1, Flags::None),
    (libc::SYS_statx, Does::Ask, Some(0), 1, Flags::None),
    (libc::SYS_faccessat, Does::Ask, Some(0), 1, Flags::None),
    (libc::SYS_faccessat2, Does::Ask, Some(0), 1, Flags::None),
];

/// So many paths are noted of each sort; a program that opens more is told by fewer.
const MOST: usize = 300_000;

/// How long the thread waits before it looks whether it is to end.
const PATIENCE: libc::c_int = 50;

/// The filter, and the way by which the child hands over who answers it.
pub(super) struct Observer {
    program: Vec<libc::sock_filter>,
    ours: OwnedFd,
    theirs: Option<OwnedFd>,
}

impl Observer {
    /// Gets ready.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn new() -> io::Result<Self> {
        let mut pair: [RawFd; 2] = [-1; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: the call fills the array in.
        if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both were just opened, and belong to nobody else.
        let [ours, theirs] = pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(Self { program: program(), ours, theirs: Some(theirs) })
    }

    /// Puts the calling process under the filter, and hands over who answers it. Makes system calls and allocates nothing.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn enter(&self) -> io::Result<()> {
        rustix::thread::set_no_new_privs(true)?;
        let length = u16::try_from(self.program.len()).unwrap_or(0);
        let filter = libc::sock_fprog { len: length, filter: self.program.as_ptr().cast_mut() };
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        // A call that is held is not begun anew for each signal, where the kernel knows that.
        for flags in [
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        ] {
            // SAFETY: the filter lives until the call is over.
            let listener = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) };
            if let Ok(listener) = RawFd::try_from(listener)
                && listener >= 0
            {
                let Some(theirs) = &self.theirs else { return Err(io::ErrorKind::BrokenPipe.into()) };
                return send(theirs.as_raw_fd(), listener);
            }
        }
        Err(io::Error::last_os_error())
    }

    /// Is told that the child is started, or will never be.
    pub(super) fn started(&mut self) {
        self.theirs = None;
    }
}

/// The side of the observer that answers, for a thread of its own.
pub(super) struct Answerer(OwnedFd);

impl Observer {
    /// The side that answers.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn answerer(&self) -> io::Result<Answerer> {
        Ok(Answerer(self.ours.try_clone()?))
    }
}

impl Answerer {
    /// Answers until everybody under the filter has ended or `over` says so, and tells what was seen below these folders, and what was read elsewhere.
    pub(super) fn answer(self, roots: &[PathBuf], over: &AtomicBool) -> Seen {
        let mut notes = Notes { roots, seen: Seen::default(), known: HashSet::new() };
        let Some(listener) = receive(self.0.as_raw_fd()) else { return notes.seen };
        loop {
            let mut wanted = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure that lives here.
            let ready = unsafe { libc::poll(&raw mut wanted, 1, PATIENCE) };
            if ready > 0 && wanted.revents & libc::POLLIN != 0 {
                answer_one(&listener, &mut notes);
            } else if ready > 0 || over.load(Ordering::Relaxed) {
                return notes.seen;
            }
        }
    }
}

/// What is noted.
struct Notes<'r> {
    roots: &'r [PathBuf],
    seen: Seen,
    /// What needs no second look.
    known: HashSet<(u8, PathBuf)>,
}

impl Notes<'_> {
    fn note(&mut self, path: PathBuf, does: Does, flags: u64) {
        let flags = libc::c_int::try_from(flags & 0x7fff_ffff).unwrap_or(0);
        let writes = does == Does::Open && (flags & libc::O_ACCMODE == libc::O_WRONLY || flags & libc::O_TRUNC != 0);
        let lists = does == Does::Open && flags & libc::O_DIRECTORY != 0;
        let asks = does == Does::Ask || flags & libc::O_PATH != 0;
        if writes {
            return;
        }
        let is_outside = !self.roots.iter().any(|root| path.starts_with(root));
        if is_outside && (asks || lists || is_software(&path)) {
            return;
        }
        let (sort, set) = match () {
            () if is_outside => (3, &mut self.seen.outside),
            () if asks => (0, &mut self.seen.asked),
            () if lists => (1, &mut self.seen.listed),
            () => (2, &mut self.seen.read),
        };
        if set.len() < MOST && self.known.insert((sort, path.clone())) {
            set.insert(path);
        }
    }
}

/// Lets one call go on that is held, once it is noted.
fn answer_one(listener: &OwnedFd, notes: &mut Notes<'_>) {
    // SAFETY: plain numbers, which the call fills in.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one that the call is about.
    if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) } != 0 {
        // Whoever asked is gone.
        return;
    }
    let number = libc::c_long::from(asked.data.nr);
    if let Some((_, does, folder, path, flags)) = OWN.iter().chain(&CALLS).find(|(call, ..)| *call == number) {
        let args = &asked.data.args;
        let flags = match flags {
            Flags::None => 0,
            Flags::At(at) => args[*at],
            Flags::Behind(at) => read(asked.pid, args[*at], 8)
                .and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?)))
                .unwrap_or(0),
        };
        // A descriptor is an `int`, whatever else the register holds.
        let folder = folder.map(|at| (args[at] & 0xffff_ffff) as u32 as libc::c_int);
        if let Some(path) = path_of(asked.pid, folder, args[*path]) {
            notes.note(path, *does, flags);
        }
    }
    let go_on = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
    let answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error: 0, flags: go_on };
    // SAFETY: the structure is the one that the call is about. Whoever asked may be gone by now.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
}

/// The path that a process means, absolute, without `.` and `..`. Nothing where it names a descriptor alone.
fn path_of(pid: u32, folder: Option<libc::c_int>, address: u64) -> Option<PathBuf> {
    let bytes = read(pid, address, libc::PATH_MAX as usize)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let path = Path::new(OsStr::from_bytes(&bytes[..end]));
    if end == 0 {
        return None;
    }
    let mut full = if path.is_absolute() {
        PathBuf::new()
    } else {
        match folder {
            Some(fd) if fd != libc::AT_FDCWD => fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?,
            _ => fs::read_link(format!("/proc/{pid}/cwd")).ok()?,
        }
    };
    for part in path.components() {
        match part {
            Component::ParentDir => drop(full.pop()),
            Component::CurDir => {}
            other => full.push(other),
        }
    }
    Some(full)
}

/// Up to so many bytes of a process's memory, fewer where it ends.
fn read(pid: u32, address: u64, most: usize) -> Option<Vec<u8>> {
    const PAGE: usize = 4096;
    let start = usize::try_from(address).ok().filter(|start| *start != 0)?;
    let first = (PAGE - start % PAGE).min(most);
    let mut bytes = vec![0u8; most];
    // Page by page: the next one may not be there.
    let parts = [(start, first), (start + first, most - first)];
    let there = parts.map(|(base, length)| libc::iovec { iov_base: base as *mut libc::c_void, iov_len: length });
    let here = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: most };
    let pid = libc::pid_t::try_from(pid).ok()?;
    let count = if first == most { 1 } else { 2 };
    // SAFETY: what is read goes into bytes that are there; the other process's memory is the kernel's business.
    let read = unsafe { libc::process_vm_readv(pid, &raw const here, 1, there.as_ptr(), count, 0) };
    bytes.truncate(usize::try_from(read).ok()?);
    Some(bytes)
}

/// The filter: calls that name a path are held, all else goes on.
fn program() -> Vec<libc::sock_filter> {
    let numbers: Vec<u32> = OWN.iter().chain(&CALLS).filter_map(|(number, ..)| u32::try_from(*number).ok()).collect();
    let statement = |code: u32, value: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k: value };
    let load = |offset: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let is = |value: u32, yes: usize, no: usize| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: yes as u8,
        jf: no as u8,
        k: value,
    };
    let end = |action: u32| statement(libc::BPF_RET | libc::BPF_K, action);
    // Behind the tests stand two ends: to go on, and to be held. The kind of processor comes after the number.
    let mut program = vec![load(4), is(ARCHITECTURE, 0, numbers.len() + 1), load(0)];
    for (at, number) in numbers.iter().enumerate() {
        program.push(is(*number, numbers.len() - at, 0));
    }
    program.extend([end(libc::SECCOMP_RET_ALLOW), end(libc::SECCOMP_RET_USER_NOTIF)]);
    program
}

/// Room for a message that carries one descriptor.
#[repr(C, align(8))]
struct Carried([u8; 64]);

/// Sends a descriptor to the other side.
fn send(to: RawFd, descriptor: RawFd) -> io::Result<()> {
    let (mut byte, mut carried) = (0u8, Carried([0; 64]));
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the message is made of what lives here, and has room for the descriptor.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = carried.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(head).cast::<RawFd>().write_unaligned(descriptor);
        libc::sendmsg(to, &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives one; nothing if the other side is gone.
fn receive(from: RawFd) -> Option<OwnedFd> {
    let (mut byte, mut carried) = (0u8, Carried([0; 64]));
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the message is made of what lives here. A descriptor that came belongs to nobody else.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = carried.0.as_mut_ptr().cast();
        message.msg_controllen = carried.0.len() as _;
        if libc::recvmsg(from, &raw mut message, libc::MSG_CMSG_CLOEXEC) != 1 {
            return None;
        }
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        if head.is_null() || (*head).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        Some(OwnedFd::from_raw_fd(libc::CMSG_DATA(head).cast::<RawFd>().read_unaligned()))
    }
}
