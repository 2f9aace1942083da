//! The network's thread, and how the others wait for what it does.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;

use super::Remote;
use super::health::{Patience, SENDING};
use crate::store::TierError;

/// How often somebody who waits looks up.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A thread with an async runtime. It ends when this is dropped.
pub(super) struct Network {
    pub(super) handle: tokio::runtime::Handle,
    running: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Network {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("remote".to_owned()).spawn(move || {
            let _ = runtime.block_on(receiver);
            // What is still under way is given up: a name lookup may block for long.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, running: Some((sender, thread)) })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.running.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Remote {
    /// Does something on the network's thread and waits for it; `None` once that is not worth it any more.
    pub(super) fn wait_for<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.wait_with(Patience::new(&self.shared.health), work)
    }

    /// The same for what takes a server long and keeps no run waiting.
    pub(super) fn wait_long<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.wait_with(Patience::of(&self.shared.health, SENDING), work)
    }

    fn wait_with<T: Send + 'static>(
        &self,
        mut patience: Patience,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = mpsc::channel();
        self.network.handle.spawn(async move { drop(sender.send(work.await)) });
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(found) => return Some(found),
                Err(RecvTimeoutError::Timeout) if patience.holds(&self.shared.health) => {}
                Err(_) => return None,
            }
        }
    }

    /// Does something for each of many things, so many at once, and hands over what comes of them, as long as that is worth it and it is not
    /// enough. `false` if not all came; what is under way then is given up.
    pub(super) fn each<I: Send + 'static, T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        items: Vec<I>,
        at_once: usize,
        enough: &dyn Fn() -> bool,
        work: impl Fn(I) -> F + Send + Sync + 'static,
        mut take: impl FnMut(T) -> Result<(), TierError>,
    ) -> Result<bool, TierError> {
        let count = items.len();
        let (sender, receiver) = mpsc::channel();
        // What came waits here until it is taken, and that is no more than this.
        let room = Arc::new(Semaphore::new(2 * at_once));
        let working = self.network.handle.spawn(async move {
            let work = &work;
            let mut done = stream::iter(items)
                .map(|item| {
                    let room = Arc::clone(&room);
                    async move { (room.acquire_owned().await, work(item).await) }
                })
                .buffer_unordered(at_once);
            while let Some(found) = done.next().await {
                if sender.send(found).is_err() {
                    return;
                }
            }
        });
        let _working = GivenUp(working);
        let health = &self.shared.health;
        let mut patience = Patience::new(health);
        let mut came = 0;
        while came < count {
            match receiver.recv_timeout(TICK) {
                Ok((_room, found)) => {
                    came += 1;
                    take(found)?;
                }
                Err(RecvTimeoutError::Timeout) if patience.holds(health) => {}
                Err(_) => return Ok(false),
            }
            if came < count && enough() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A task that is given up when this is dropped.
struct GivenUp(tokio::task::JoinHandle<()>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}
