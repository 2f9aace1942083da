//! The budget of processors and GPUs that a run may keep busy.

/// What is free.
pub(super) struct Budget {
    cpus: usize,
    free_cpus: usize,
    gpus: usize,
    free_gpus: usize,
}

impl Budget {
    /// A budget of `cpus` processors and of the GPUs the machine has.
    pub(super) fn new(cpus: usize) -> Self {
        let gpus = gpus();
        Self { cpus: cpus.max(1), free_cpus: cpus.max(1), gpus, free_gpus: gpus }
    }

    /// Whether no stage can be given anything.
    pub(super) fn is_spent(&self) -> bool {
        self.free_cpus == 0
    }

    /// Takes what a stage asks for, or as much as the machine has at all: a stage that wants eight processors runs
    /// alone on a machine of two.
    pub(super) fn take(&mut self, cpus: usize, gpus: usize) -> Option<(usize, usize)> {
        let (cpus, gpus) = (cpus.clamp(1, self.cpus), gpus.min(self.gpus));
        if cpus > self.free_cpus || gpus > self.free_gpus {
            return None;
        }
        self.free_cpus -= cpus;
        self.free_gpus -= gpus;
        Some((cpus, gpus))
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, cpus: usize, gpus: usize) {
        self.free_cpus += cpus;
        self.free_gpus += gpus;
    }
}

/// The GPUs of the machine, as the NVIDIA driver names them.
fn gpus() -> usize {
    let is_gpu = |name: &str| name.strip_prefix("nvidia").is_some_and(|n| n.parse::<u32>().is_ok());
    std::fs::read_dir("/dev")
        .map(|entries| entries.flatten().filter(|e| e.file_name().to_str().is_some_and(is_gpu)).count())
        .unwrap_or(0)
}
