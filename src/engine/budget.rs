//! The budget of processors and GPUs that a run may keep busy.

/// What is free.
pub(super) struct Budget {
    all: Share,
    free: Share,
}

/// Processors and GPUs that a stage asks for, or is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    pub(super) cpus: usize,
    pub(super) gpus: usize,
}

impl Budget {
    /// A budget of `cpus` processors and of the GPUs the machine has.
    pub(super) fn new(cpus: usize) -> Self {
        Self::of(Share { cpus: cpus.max(1), gpus: gpus() })
    }

    /// A budget of this much.
    pub(super) fn of(all: Share) -> Self {
        Self { all, free: all }
    }

    /// How many processors there are.
    pub(super) fn cpus(&self) -> usize {
        self.all.cpus
    }

    /// What a stage is given that asks for so much: at least a processor, and no more than there is at all, so that a stage that wants
    /// eight processors runs alone on a machine of two.
    pub(super) fn share(&self, cpus: usize, gpus: usize) -> Share {
        Share { cpus: cpus.clamp(1, self.all.cpus), gpus: gpus.min(self.all.gpus) }
    }

    /// Whether a share is free.
    pub(super) fn fits(&self, share: Share) -> bool {
        share.cpus <= self.free.cpus && self.has_gpus(share)
    }

    /// Whether its GPUs are free.
    pub(super) fn has_gpus(&self, share: Share) -> bool {
        share.gpus <= self.free.gpus
    }

    /// Takes a share that fits.
    pub(super) fn take(&mut self, share: Share) {
        self.free.cpus -= share.cpus;
        self.free.gpus -= share.gpus;
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, share: Share) {
        self.free.cpus += share.cpus;
        self.free.gpus += share.gpus;
    }
}

/// The GPUs of the machine, as the NVIDIA driver names them.
fn gpus() -> usize {
    let is_gpu = |name: &str| name.strip_prefix("nvidia").is_some_and(|n| n.parse::<u32>().is_ok());
    std::fs::read_dir("/dev")
        .map(|entries| entries.flatten().filter(|e| e.file_name().to_str().is_some_and(is_gpu)).count())
        .unwrap_or(0)
}
