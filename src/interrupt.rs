//! Ctrl-C, SIGTERM and SIGHUP: a flag that whatever takes long looks at, so that stages are stopped, the run is recorded and
//! everything is left consistent.
//!
//! The flag is handed down: the engine has it, and gives it to the store ([`crate::store::Store::heed`]), which looks at it
//! while it hashes and copies. Before [`Interrupt::listen`] there is nothing to be left consistent, and a signal ends the process
//! as it ends any other.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether the user asked to stop.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Flags>);

#[derive(Default)]
struct Flags {
    /// Whether the user asked to stop. Shared with the signal handlers, as is the next.
    asked: Arc<AtomicBool>,
    /// Whether the next signal ends the process at once.
    at_once: Arc<AtomicBool>,
    /// Whether the user pressed Ctrl-C, or asked by the same signal.
    pressed: Arc<AtomicBool>,
    listening: OnceLock<()>,
}

impl Interrupt {
    /// Listens from now on. The first signal sets the flag. A second SIGINT or SIGTERM ends the process at once, and with it the
    /// stages. SIGHUP, which comes twice when a terminal goes away, only sets the flag. One that is ignored, as `nohup` has it,
    /// stays ignored.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn listen(&self) -> io::Result<()> {
        if self.0.listening.set(()).is_err() {
            return Ok(());
        }
        let Flags { asked, at_once, pressed, .. } = &*self.0;
        signal_hook::flag::register(SIGINT, Arc::clone(pressed))?;
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the first signal only sets the flags, the next one finds them set and exits.
            signal_hook::flag::register_conditional_shutdown(signal, EXIT, Arc::clone(at_once))?;
            signal_hook::flag::register(signal, Arc::clone(at_once))?;
            signal_hook::flag::register(signal, Arc::clone(asked))?;
        }
        if !is_ignored(SIGHUP) {
            signal_hook::flag::register(SIGHUP, Arc::clone(asked))?;
        }
        Ok(())
    }

    /// Says that nothing has to be left consistent any more: the next signal ends the process at once.
    pub fn release(&self) {
        self.0.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether the user asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Whether the user asked by Ctrl-C, and not by closing the terminal or by `kill`.
    pub(crate) fn is_pressed(&self) -> bool {
        self.0.pressed.load(Ordering::Relaxed)
    }

    /// An error if the user asked to stop: what was begun is given up.
    ///
    /// # Errors
    /// If the user asked to stop.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.is_set() { Err(io::Error::other("the run was interrupted")) } else { Ok(()) }
    }
}

/// The exit code of a process that was stopped by a signal.
const EXIT: i32 = 130;

fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: it asks and changes nothing; the answer is plain data, all of which may be zero.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
