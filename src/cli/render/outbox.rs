//! The way to standard error. What is written is queued, and a thread of its own hands it to the system: a terminal that is stopped, or
//! a pipe that nobody reads, keeps that thread and nobody else.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the end of the process waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many bytes wait at most. What is more is dropped, and that is told.
const MOST: usize = 4 << 20;

/// So much is handed over at a time.
const PIECE: usize = 4096;

/// Standard error.
pub(crate) static STDERR: Outbox = Outbox::new();

/// A queue of bytes to standard error.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    bytes: Vec<u8>,
    /// Bytes that the thread has taken and not yet handed over.
    in_hand: usize,
    /// Whether there is a thread.
    open: bool,
    /// How many writes were dropped.
    dropped: usize,
    /// Whether the reader took nothing for so long that nobody waits for it any more.
    given_up: bool,
}

impl Outbox {
    const fn new() -> Self {
        let queue = Queue { bytes: Vec::new(), in_hand: 0, open: false, dropped: 0, given_up: false };
        Self { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing waits to be handed over.
    pub(crate) fn is_clear(&self) -> bool {
        self.lock().is_clear()
    }

    /// Queues bytes.
    pub(crate) fn push(&'static self, bytes: &[u8]) {
        let mut queue = self.lock();
        if !queue.open {
            let made = std::thread::Builder::new().name("stderr".into()).spawn(|| self.hand_over());
            if made.is_err() {
                // Without a thread to spare it is written here and now. If nobody reads any more, that is all the same.
                let _ = io::stderr().lock().write_all(bytes);
                return;
            }
            queue.open = true;
        }
        if queue.bytes.len() + bytes.len() > MOST {
            queue.dropped += 1;
            return;
        }
        if queue.dropped > 0 {
            let dropped = std::mem::take(&mut queue.dropped);
            let text = format!(
                "kiln: {dropped} lines were dropped because nobody read them; `kiln show` has what the run did\n"
            );
            queue.bytes.extend_from_slice(text.as_bytes());
        }
        queue.bytes.extend_from_slice(bytes);
        self.changed.notify_all();
    }

    /// Waits until all was handed over, or the reader has taken nothing for a while.
    pub(crate) fn drain(&self) {
        let mut queue = self.lock();
        while !queue.is_clear() && !queue.given_up {
            let before = queue.waiting();
            let (woken, timeout) = self.changed.wait_timeout(queue, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.given_up = timeout.timed_out() && queue.waiting() >= before;
        }
    }

    fn hand_over(&self) {
        let mut queue = self.lock();
        loop {
            if queue.bytes.is_empty() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = std::mem::take(&mut queue.bytes);
            queue.in_hand = bytes.len();
            drop(queue);
            for piece in bytes.chunks(PIECE) {
                // If nobody reads any more, the run goes on all the same.
                let _ = io::stderr().lock().write_all(piece);
                let mut queue = self.lock();
                queue.in_hand -= piece.len();
                queue.given_up = false;
                drop(queue);
                self.changed.notify_all();
            }
            queue = self.lock();
        }
    }
}

impl Queue {
    fn waiting(&self) -> usize {
        self.bytes.len() + self.in_hand
    }

    fn is_clear(&self) -> bool {
        self.waiting() == 0
    }
}

/// Writes to [`STDERR`] and is never kept waiting.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        STDERR.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
