//! The terminal of a command that a user talks to: who it listens to, and what happens at Ctrl-Z.

use std::io::{self, IsTerminal as _};

use rustix::process::{Pid, Signal, kill_process_group};

/// Makes this process who the terminal listens to again, once a command on the terminal has ended.
pub(super) fn take_back() {
    listen_to(rustix::process::getpgrp());
}

/// If a command on the terminal was stopped, as Ctrl-Z does, this process stops as well, so that the user has his shell again. Once that lets it go
/// on, the command goes on, too.
pub(super) fn stop_along(command: Pid) {
    let Some(signal) = stopped_by(command) else { return };
    // It was sent to the background and wants the terminal, which is this process's to give by now.
    let wants = [libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
    if !(wants && is_in_front()) {
        take_back();
        // Sent to this thread, so that it goes no further before. Without a shell that could let it go on the kernel does not stop it.
        // SAFETY: a system call without memory.
        unsafe { libc::raise(libc::SIGTSTP) };
    }
    if is_in_front() {
        listen_to(command);
    }
    // It may have been killed meanwhile.
    let _ = kill_process_group(command, Signal::CONT);
}

/// The signal that has stopped a child since it was last asked.
fn stopped_by(child: Pid) -> Option<libc::c_int> {
    let id = libc::id_t::try_from(child.as_raw_nonzero().get()).ok()?;
    // SAFETY: plain data, which the call fills in.
    let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `found` lives here. An end is not asked for, so nothing is reaped.
    let asked = unsafe { libc::waitid(libc::P_PID, id, &raw mut found, libc::WSTOPPED | libc::WNOHANG) };
    // SAFETY: the call has filled these in, or they are zero.
    let (pid, signal) = unsafe { (found.si_pid(), found.si_status()) };
    (asked == 0 && pid != 0).then_some(signal)
}

/// Whether the terminal listens to this process.
fn is_in_front() -> bool {
    // SAFETY: a system call without memory.
    let group = unsafe { libc::tcgetpgrp(0) };
    group == rustix::process::getpgrp().as_raw_nonzero().get()
}

/// Makes the terminal listen to a group.
fn listen_to(group: Pid) {
    if !io::stdin().is_terminal() {
        return;
    }
    // SAFETY: the set is filled in before it is used; the rest are system calls.
    unsafe {
        let (mut stop, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&raw mut stop);
        libc::sigaddset(&raw mut stop, libc::SIGTTOU);
        // Who asks for it from behind is stopped by this, unless it is blocked.
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const stop, &raw mut before);
        libc::tcsetpgrp(0, group.as_raw_nonzero().get());
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
}
