//! The text of a file of a project.

use std::fs;
use std::path::Path;

use super::note::Refused;
use super::yaml::At;

/// The text of a file, which has to be UTF-8.
pub(super) fn text(root: &Path, path: &Path) -> Result<String, Refused> {
    let bytes =
        fs::read(root.join(path)).map_err(|e| Refused::new(path, At::default(), format!("cannot read it: {e}")))?;
    let text = crate::text::of(&bytes).map_err(|e| Refused::new(path, At::default(), e.to_string()))?;
    Ok(text.to_owned())
}
