//! Who keeps the jobs of a run: who waits for a job looks here, and never asks the scheduler himself. The thread that does makes its rounds.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempt_folder::{AttemptFolder, Submitted};
use super::batch::Way;
use super::rounds::Rounds;
use super::scheduler::{Known, Scheduler, Wants};
use super::tracks::{Batched, Request, Shared, Submission, Track};

/// The thread, and how others speak to it.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(super) fn start(scheduler: Box<dyn Scheduler>, way: Way, patience: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(way, patience));
        let rounds = Rounds::new(Arc::clone(&shared), scheduler);
        let thread = std::thread::Builder::new().name("cluster".into()).spawn(move || rounds.make())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has a job submitted for an attempt.
    pub(super) fn submit(&self, folder: &AttemptFolder, wants: Wants, comment: String) {
        let mut inner = self.shared.lock();
        inner.tracks.insert(folder.name().to_owned(), Track::new(Submission::Waiting));
        let request = Request { folder: folder.clone(), wants, comment, since: Instant::now(), not_before: None };
        inner.waiting.push(request);
        self.shared.changed.notify_all();
    }

    /// Takes note of a job that an earlier Kiln submitted.
    pub(super) fn adopt(&self, folder: &AttemptFolder, submitted: &Submitted) {
        let batch = self.shared.way.batch(&submitted.batch);
        let (members, known) = (batch.members(), Known { name: submitted.batch.clone(), id: batch.id() });
        let wants = Wants { cpus: 1, gpus: 0, wishes: crate::pipeline::Wishes::default() };
        let batched = Batched { known, members, wants, comment: String::new(), doubt: None };
        let mut inner = self.shared.lock();
        let batched = inner.batches.entry(submitted.batch.clone()).or_insert(batched);
        // Kiln may have been killed after the batch was removed and before the attempt was. By its name the job is found all the same.
        if !batched.members.iter().any(|member| member == folder.name()) {
            let most = batched.members.len().max(submitted.index + 1);
            batched.members.resize(most, String::new());
            folder.name().clone_into(&mut batched.members[submitted.index]);
        }
        inner.tracks.insert(folder.name().to_owned(), Track::new(Submission::Done));
        inner.soon = true;
        self.shared.changed.notify_all();
    }

    /// What is known of the job of an attempt.
    pub(super) fn track(&self, folder: &AttemptFolder) -> Option<Track> {
        self.shared.lock().tracks.get(folder.name()).cloned()
    }

    /// Has the job of an attempt cancelled.
    pub(super) fn cancel(&self, folder: &AttemptFolder) {
        let mut inner = self.shared.lock();
        inner.waiting.retain(|request| request.folder != *folder);
        if let Some(track) = inner.tracks.get_mut(folder.name()) {
            if track.submission == Submission::Waiting {
                track.submission = Submission::Refused("it was cancelled".into());
            }
            track.cancel = true;
        }
        self.shared.changed.notify_all();
    }

    /// Asks for a look at all jobs.
    pub(super) fn look(&self) {
        self.shared.lock().soon = true;
        self.shared.changed.notify_all();
    }

    /// Something for the user that nobody was told yet.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().notes)
    }

    /// Forgets an attempt whose folder is about to be removed, and removes a batch of which that was the last.
    pub(super) fn forget(&self, folder: &AttemptFolder) {
        let mut inner = self.shared.lock();
        inner.tracks.remove(folder.name());
        if let Some(submitted) = folder.submitted()
            && let Some(batch) = inner.batches.get_mut(&submitted.batch)
        {
            batch.members.iter_mut().filter(|member| *member == folder.name()).for_each(String::clear);
            let jobs = &self.shared.way.jobs;
            if batch.members.iter().all(|member| member.is_empty() || !jobs.join(member).exists()) {
                inner.batches.remove(&submitted.batch);
                drop(inner);
                self.shared.way.batch(&submitted.batch).remove();
            }
        }
    }

    /// What the job of an attempt, or the scheduler in its place, wrote beside the stage's log.
    pub(super) fn output(&self, submitted: &Submitted) -> String {
        self.shared.way.batch(&submitted.batch).output(submitted.index)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
