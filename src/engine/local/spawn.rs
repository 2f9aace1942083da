//! Starting a user's command without copying Kiln's memory: `fork` copies page tables, which for a run of thousands of stages
//! takes longer than the command. The child borrows the memory until it is another program, as with `posix_spawn`, which
//! cannot do what has to be done in between.

use std::cell::RefCell;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::ptr;
use std::sync::{LazyLock, OnceLock};

use rustix::fs::Access;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::engine::executor::Program;

/// Enough for what the child calls before it is another program.
const STACK_SIZE: usize = 256 * 1024;

thread_local! {
    /// The stack of the children that a thread starts, one after another. To allocate so much for each would have the allocator tidy up.
    static STACK: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(STACK_SIZE));
}

/// A command that was started here.
pub(crate) struct Started {
    pid: Pid,
}

impl Started {
    /// Its process, which leads a group of its own.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end.
    pub(crate) fn reap(&self) -> io::Result<ExitStatus> {
        loop {
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// What the child needs, made before it is there, for it must not allocate.
struct ChildSetup<'a> {
    program: CString,
    /// Arguments, the first of which is the name.
    argv: Vec<*const libc::c_char>,
    /// The same for a script that says nothing of its interpreter.
    shell_argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    folder: CString,
    input: libc::c_int,
    output: libc::c_int,
    error: libc::c_int,
    /// Whether it is to be who the terminal listens to.
    foreground: bool,
    enter: &'a mut dyn FnMut() -> io::Result<()>,
    /// The signals that mean something else to Kiln than to a program.
    signals: &'a [libc::c_int],
    /// The signals to block from the start of the program on.
    mask: libc::sigset_t,
    /// What went wrong in the child.
    failure: libc::c_int,
}

/// Starts a command in a process group of its own. It finds its variables, those beside them that have another name,
/// and no others; unless it is on the terminal it reads nothing, and what it says goes to the log. `enter` is called in the child before the program begins: it may make
/// system calls and must not allocate, lock or panic.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn spawn(
    command: &Program,
    beside: &[(OsString, OsString)],
    log: &File,
    enter: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Started> {
    let nothing = nothing()?;
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let mut words = vec![text(&command.program)?];
    for word in &command.arguments {
        words.push(text(word)?);
    }
    let mut variables = Vec::with_capacity(command.variables.len());
    let beside =
        beside.iter().filter(|(name, _)| !command.variables.contains_key(name)).map(|(name, value)| (name, value));
    for (name, value) in beside.chain(&command.variables) {
        let mut pair = name.to_owned();
        pair.push("=");
        pair.push(value);
        variables.push(CString::new(pair.into_vec())?);
    }
    let path = command.variables.get(OsStr::new("PATH"));
    let program = find(&command.program, path.map(OsString::as_os_str))?;
    let folder = text(command.folder.as_os_str())?;
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let argv = pointers(&words);
    let mut shell_argv = vec![SHELL.as_ptr(), program.as_ptr()];
    shell_argv.extend(&argv[1..]);
    let mut plan = ChildSetup {
        argv,
        shell_argv,
        envp: pointers(&variables),
        program,
        folder,
        input: if command.on_terminal { 0 } else { nothing.as_raw_fd() },
        output: if command.on_terminal { 1 } else { log.as_raw_fd() },
        error: if command.on_terminal { 2 } else { log.as_raw_fd() },
        foreground: command.on_terminal && io::stdin().is_terminal(),
        enter,
        signals: &SIGNALS,
        // SAFETY: a set of signals is plain data; it is filled in before it is used.
        mask: unsafe { std::mem::zeroed() },
        failure: 0,
    };
    // SAFETY: the child runs `child` on a stack of its own while this thread waits until it is another program or gone, so that
    // `plan` and `stack` outlive it. Signals are blocked meanwhile, lest a handler of Kiln's run in the child.
    let pid = STACK.with_borrow_mut(|stack| unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut plan.mask);
        let top = stack.as_mut_ptr().add(STACK_SIZE);
        let top = top.sub(top as usize % 16);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(child, top.cast(), flags, (&raw mut plan).cast());
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const plan.mask, ptr::null_mut());
        if pid < 0 { Err(error) } else { Ok(pid) }
    })?;
    drop((words, variables));
    let started = Started { pid: Pid::from_raw(pid).ok_or(io::ErrorKind::Other)? };
    // The child has written it: the memory is the same.
    match read_shared(&plan.failure) {
        0 => Ok(started),
        failure => {
            started.reap()?;
            Err(io::Error::from_raw_os_error(failure))
        }
    }
}

/// What a command reads; opened once.
fn nothing() -> io::Result<&'static File> {
    static NOTHING: OnceLock<File> = OnceLock::new();
    match NOTHING.get() {
        Some(file) => Ok(file),
        None => {
            let file = File::open("/dev/null")?;
            Ok(NOTHING.get_or_init(|| file))
        }
    }
}

/// Reads what another process wrote into this memory, which the compiler does not know of.
fn read_shared(value: &libc::c_int) -> libc::c_int {
    // SAFETY: a reference is always good to read from.
    unsafe { ptr::from_ref(value).read_volatile() }
}

/// The signals that Kiln handles, whose handlers must not run in a child, and SIGPIPE, which Rust ignores and a program that
/// writes to a pipe expects to die of. Looked for once: Kiln begins to listen before the first command.
static SIGNALS: LazyLock<Vec<libc::c_int>> = LazyLock::new(|| {
    let handled = |signal: &libc::c_int| {
        // SAFETY: plain data, which the call fills in.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: it asks, and changes nothing.
        let known = unsafe { libc::sigaction(*signal, ptr::null(), &raw mut action) } == 0;
        known && ![libc::SIG_IGN, libc::SIG_DFL].contains(&action.sa_sigaction)
    };
    (1..65).filter(|signal| *signal == libc::SIGPIPE || handled(signal)).collect()
});

const SHELL: &std::ffi::CStr = c"/bin/sh";

/// The file that a program's name stands for: looked for in the folders of `PATH` unless it has a slash.
fn find(program: &OsStr, path: Option<&OsStr>) -> io::Result<CString> {
    if program.as_bytes().contains(&b'/') {
        return Ok(CString::new(program.as_bytes())?);
    }
    let mut refused = io::ErrorKind::NotFound;
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new("/bin:/usr/bin"))) {
        let file = folder.join(program);
        if file.is_file() {
            match rustix::fs::access(&file, Access::EXEC_OK) {
                Ok(()) => return Ok(CString::new(file.into_os_string().into_vec())?),
                Err(_) => refused = io::ErrorKind::PermissionDenied,
            }
        }
    }
    Err(refused.into())
}

/// What the child does. It shares Kiln's memory, so it makes system calls and nothing else.
extern "C" fn child(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the plan of the thread that waits for this.
    let plan = unsafe { &mut *plan.cast::<ChildSetup<'_>>() };
    // SAFETY: all pointers are to what the plan owns, and these are system calls.
    unsafe {
        for signal in plan.signals {
            libc::signal(*signal, libc::SIG_DFL);
        }
        let ready = libc::setpgid(0, 0) == 0
            // Nothing is signalled for that while all signals are blocked.
            && (!plan.foreground || libc::tcsetpgrp(0, libc::getpid()) == 0)
            && libc::dup2(plan.input, 0) >= 0
            && libc::dup2(plan.output, 1) >= 0
            && libc::dup2(plan.error, 2) >= 0
            && libc::chdir(plan.folder.as_ptr()) == 0;
        if !ready {
            return give_up(plan, *libc::__errno_location());
        }
        if let Err(error) = (plan.enter)() {
            return give_up(plan, error.raw_os_error().unwrap_or(libc::EIO));
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const plan.mask, ptr::null_mut());
        libc::execve(plan.program.as_ptr(), plan.argv.as_ptr(), plan.envp.as_ptr());
        if *libc::__errno_location() == libc::ENOEXEC {
            libc::execve(SHELL.as_ptr(), plan.shell_argv.as_ptr(), plan.envp.as_ptr());
        }
        give_up(plan, *libc::__errno_location())
    }
}

fn give_up(plan: &mut ChildSetup<'_>, why: libc::c_int) -> libc::c_int {
    plan.failure = why;
    // SAFETY: it ends this process and runs nothing of Kiln's.
    unsafe { libc::_exit(127) }
}
