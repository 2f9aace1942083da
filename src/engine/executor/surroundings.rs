//! The environment variables of a command. docs/commands.md lists them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// Tells a command that its stage may read what it does not declare.
pub(crate) const GUARD: (&str, &str) = ("KILN_GUARD", "warn");

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
    all.extend(caches(stage).into_iter().map(|(name, path)| (name.into(), path.into_os_string())));
    all.extend(stage.warns.then(|| (GUARD.0.into(), GUARD.1.into())));
    all.extend(stage.env.iter().map(|(name, value)| (name.into(), value.into())));
    all
}

/// The lasting folders of tools that a stage names, by the variables that name them: what is set outside, or a folder among the caches of the
/// user.
pub(crate) fn caches(stage: &Stage) -> Vec<(&str, PathBuf)> {
    let own = || {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        caches.or_else(home).unwrap_or_else(std::env::temp_dir).join("kiln-tools")
    };
    let outside = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    stage.cached.iter().map(|name| (name.as_str(), outside(name).unwrap_or_else(|| own().join(name)))).collect()
}

/// Whether every command finds a variable, whatever its stage says.
pub(crate) fn is_given(name: &str) -> bool {
    ["PATH", "HOME", MARK, UNPACKING.0].contains(&name) || THREADS.contains(&name) || NARROWING.contains(&name)
}
