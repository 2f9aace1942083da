//! The project that a command is about: its pipeline file is here, or in a folder above.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::select::{ProjectArgs, Where};

/// The name of a pipeline file that nobody has to say.
const NAME: &str = "pipeline.yaml";

/// The pipeline file that was named, or else the nearest one; from where the user stands. If there is none, the name that it would
/// have here: whoever needs it says so.
pub(crate) fn place(asked: &Where) -> ProjectArgs {
    let file = asked.file.clone().or_else(nearest).unwrap_or_else(|| NAME.into());
    ProjectArgs { file, cache: asked.cache.clone() }
}

/// Looks here and in the folders above, up to the root of the file system.
fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let up = |steps: usize| std::iter::repeat_n("..", steps).collect::<PathBuf>();
    let mut folders = here.ancestors().enumerate();
    folders.find(|(steps, folder)| is_project(folder, *steps == 0)).map(|(steps, _)| up(steps).join(NAME))
}

/// Whether a folder holds a pipeline file that counts.
fn is_project(folder: &Path, here: bool) -> bool {
    let path = folder.join(NAME);
    let (Ok(file), Ok(name)) = (fs::metadata(&path), fs::symlink_metadata(&path)) else { return false };
    file.is_file() && (here || !is_shared(folder) || (is_trusted(&file) && is_trusted(&name)))
}

/// Whether everybody may write in a folder, as in `/tmp`.
fn is_shared(folder: &Path) -> bool {
    fs::metadata(folder).map_or(true, |folder| folder.mode() & 0o002 != 0)
}

/// A pipeline file is a program. In a shared folder somebody else may have put one for whoever works further down, so only one's
/// own counts there, and the superuser's.
fn is_trusted(file: &fs::Metadata) -> bool {
    file.uid() == 0 || file.uid() == rustix::process::geteuid().as_raw()
}
