//! The threads a stage may use. How many there are decides no bit of a result: work is cut the same way for any number.

use rayon::prelude::*;

/// A pool of threads, or the calling thread alone.
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// So many threads (at least one).
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn new(threads: usize) -> anyhow::Result<Self> {
        let pool = (threads > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build()).transpose()?;
        Ok(Self(pool))
    }

    /// Runs both, at the same time where there are threads for it.
    pub fn join<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        match &self.0 {
            Some(pool) => pool.join(a, b),
            None => (a(), b()),
        }
    }

    /// Applies a function to every item; results keep the order of the items.
    pub fn map<T: Send, R: Send>(&self, items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        match &self.0 {
            Some(pool) => pool.install(|| items.into_par_iter().map(f).collect()),
            None => items.into_iter().map(f).collect(),
        }
    }
}
