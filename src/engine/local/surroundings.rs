//! The environment variables of a command. docs/commands.md lists them.

use std::ffi::OsString;
use std::path::Path;

use super::gpu::NARROWING;
use super::process;
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

/// Tells `tar` of the superuser to leave files to who unpacks them: under the guard nobody can give them away.
const UNPACKING: (&str, &str) = ("TAR_OPTIONS", "--no-same-owner");

/// All that the command of a stage finds in its environment, the later of two with the same name. `threads` is how many it may start.
pub(crate) fn variables(stage: &Stage, threads: usize, guarded: bool, home: &Path) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = Vec::new();
    if guarded && rustix::process::geteuid().is_root() {
        all.push((UNPACKING.0.into(), UNPACKING.1.into()));
    }
    all.extend(process::environment(home).map(|(name, value)| (name.into(), value.into())));
    all.extend(THREADS.map(|name| (name.into(), threads.to_string().into())));
    let outside = |name: &str| Some((name.into(), std::env::var_os(name)?));
    all.extend(outside("PATH"));
    all.extend(stage.pass.iter().filter_map(|name| outside(name)));
    all.extend(stage.env.iter().map(|(name, value)| (name.into(), value.into())));
    all
}

/// Whether every command finds a variable, whatever its stage says.
pub(crate) fn is_given(name: &str) -> bool {
    ["PATH", "HOME", "TMPDIR", UNPACKING.0].contains(&name) || THREADS.contains(&name) || NARROWING.contains(&name)
}
