//! The environment variables of a command. docs/commands.md lists them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::pipeline::Stage;

/// Variables by which libraries that start threads are told how many. They follow the processors that a stage is given.
pub(crate) const THREADS: [&str; 11] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "JULIA_NUM_THREADS",
];

/// Variables that narrow what of the GPUs Kiln itself may use; a stage is not to see more.
pub(crate) const NARROWING: [&str; 4] =
    ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"];

/// The variable by which a command, and what it starts, is known: its home is in the folder of its attempt. Programs do not change it.
pub(crate) const MARK: &str = "TMPDIR";

/// Tells `tar` of the superuser to leave files to who unpacks them: under the guard nobody can give them away.
const UNPACKING: (&str, &str) = ("TAR_OPTIONS", "--no-same-owner");

/// All that the command of a stage finds in its environment. `threads` is how many it may start.
pub(crate) fn variables(stage: &Stage, threads: usize, guarded: bool, home: &Path) -> BTreeMap<OsString, OsString> {
    // Of two with the same name the later counts.
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    if guarded && rustix::process::geteuid().is_root() {
        all.insert(UNPACKING.0.into(), UNPACKING.1.into());
    }
    all.extend(["HOME", MARK].map(|name| (name.into(), home.into())));
    all.extend(THREADS.map(|name| (name.into(), threads.to_string().into())));
    let outside = |name: &str| Some((name.into(), std::env::var_os(name)?));
    all.extend(outside("PATH"));
    all.extend(stage.pass.iter().filter_map(|name| outside(name)));
    all.extend(stage.env.iter().map(|(name, value)| (name.into(), value.into())));
    all
}

/// Whether every command finds a variable, whatever its stage says.
pub(crate) fn is_given(name: &str) -> bool {
    ["PATH", "HOME", MARK, UNPACKING.0].contains(&name) || THREADS.contains(&name) || NARROWING.contains(&name)
}
