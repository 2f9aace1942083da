//! The budget of processors and GPUs that a run may keep busy.

use crate::engine::executor::Share;

/// What is free.
pub(crate) struct Budget {
    all: Share,
    free: Share,
}

impl Budget {
    /// A budget of what an executor can do at once. Without any GPU, those who ask for one come one after another, as if there were one:
    /// what they do instead is likely to be much.
    pub(crate) fn new(capacity: Share) -> Self {
        Self::of(Share { cpus: capacity.cpus.max(1), gpus: capacity.gpus.max(1), ..capacity })
    }

    /// A budget of this much.
    pub(crate) fn of(all: Share) -> Self {
        Self { all, free: all }
    }

    /// How many processors there are.
    pub(crate) fn cpus(&self) -> usize {
        self.all.cpus
    }

    /// What a stage is given that asks for so much: at least a processor, and no more than there is at all, so that a stage that wants
    /// eight processors runs alone on a machine of two.
    pub(crate) fn share(&self, cpus: usize, gpus: usize) -> Share {
        Share { cpus: cpus.clamp(1, self.all.cpus), gpus: gpus.min(self.all.gpus), jobs: 0 }
    }

    /// What a stage is given that runs elsewhere.
    pub(crate) fn elsewhere(&self) -> Share {
        Share { jobs: self.all.jobs.min(1), ..Share::default() }
    }

    /// Whether a share is free.
    pub(crate) fn fits(&self, share: Share) -> bool {
        share.cpus <= self.free.cpus && share.jobs <= self.free.jobs && self.has_gpus(share)
    }

    /// Whether its GPUs are free.
    pub(crate) fn has_gpus(&self, share: Share) -> bool {
        share.gpus <= self.free.gpus
    }

    /// Takes a share that fits.
    pub(crate) fn take(&mut self, share: Share) {
        self.free.cpus -= share.cpus;
        self.free.gpus -= share.gpus;
        self.free.jobs -= share.jobs;
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, share: Share) {
        self.free.cpus += share.cpus;
        self.free.gpus += share.gpus;
        self.free.jobs += share.jobs;
    }
}
