//! What was probably meant by a path that does not exist.

use super::disk::Disk;
use super::expand::World;
use super::mistake::Mistakes;
use super::written::Written;
use super::{reference, suggest};
use crate::stage_name::matches;

/// So many files that a pattern means are named.
const NAMED: usize = 3;

/// A hint for a path of which `missing` is the part that does not exist.
pub(super) fn hint(
    world: &World<'_>,
    path: &str,
    missing: &str,
    written: &Written<'_>,
    disk: &Disk,
    mistakes: &Mistakes<'_>,
) -> Option<String> {
    if let Ok(reference) = reference::parse(path)
        && world.index.contains_key(reference.stage)
    {
        return Some(format!("for an output of a stage write `{{from: \"{path}\"}}`"));
    }
    if let Some(hint) = pattern(path, disk) {
        return Some(hint);
    }
    if mistakes.tired() {
        return None;
    }
    let (folder, name) = missing.rsplit_once('/').unwrap_or(("", missing));
    let siblings = disk.siblings(missing);
    // Data of DVC's that was not pulled.
    if siblings.contains(&format!("{name}.dvc")) {
        return Some(format!(
            "`{missing}.dvc` says what it is: `dvc pull`, or `kiln import dvc --fetch` from S3, brings it"
        ));
    }
    let found = suggest::composed_otherwise(name, siblings.iter().map(String::as_str))
        .or_else(|| mistakes.nearest_name(name, siblings.iter().map(String::as_str)));
    if let Some(found) = found {
        let slash = if folder.is_empty() { "" } else { "/" };
        return Some(suggest::did_you_mean(path, &format!("{folder}{slash}{found}{}", &path[missing.len()..])));
    }
    mistakes.nearest(path, written.paths())
}

/// What to write for a path that was to stand for several files.
fn pattern(path: &str, disk: &Disk) -> Option<String> {
    let is_pattern = |part: &str| part.contains(['*', '?']) || (part.contains('[') && part.contains(']'));
    let first = path.split('/').position(is_pattern)?;
    let folder: Vec<&str> = path.split('/').take(first).collect();
    let mut ways = Vec::new();
    if !folder.is_empty() {
        ways.push(format!("the folder, `{}`", folder.join("/")));
    }
    let last = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let meant: Vec<String> = match first + 1 == path.split('/').count() {
        true => disk.siblings(path).into_iter().filter(|name| matches(last, name)).take(NAMED + 1).collect(),
        false => vec![],
    };
    let prefix = if folder.is_empty() { String::new() } else { format!("{}/", folder.join("/")) };
    let mut files: Vec<String> = meant.iter().take(NAMED).map(|name| format!("{prefix}{name}")).collect();
    match files.len() {
        0 => ways.push("each file, as a list".to_owned()),
        _ => {
            files.extend((meant.len() > NAMED).then(|| "...".to_owned()));
            ways.push(format!("each file, `[{}]`", files.join(", ")));
        }
    }
    Some(format!("patterns such as `*` are not expanded; name {}", ways.join(", or ")))
}
