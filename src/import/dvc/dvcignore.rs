//! `.dvcignore` in Kiln's words: the lines of a `.kilnignore`, which holds for every folder that a stage takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::context::join;
use super::note::Notes;
use super::plan::Plan;
use super::yaml::At;

const FILE: &str = ".kilnignore";
const HEAD: &str = "# From .dvcignore by `kiln import dvc`: of the folders that stages take, these files do not count.";

/// The text of the file, if stages take folders of which DVC passes over something. What is there stays as it is.
pub(super) fn kept(root: &Path, plan: &Plan<'_>, notes: &mut Notes) -> Option<String> {
    let stages = plan.stages.iter().filter(|planned| !planned.stage.frozen);
    let deps = stages.flat_map(|planned| &planned.stage.variants).flat_map(|variant| &variant.deps);
    let taken: BTreeSet<&str> = deps.map(|dep| dep.path.as_str()).filter(|path| root.join(path).is_dir()).collect();
    let mut folders = BTreeSet::new();
    for path in taken {
        above(path, &mut folders);
        below(root, path, &mut folders);
    }
    let mut lines = Vec::new();
    for folder in folders {
        let file = join(&folder, ".dvcignore");
        let text = fs::read(root.join(&file)).unwrap_or_default();
        let found: Vec<String> =
            String::from_utf8_lossy(&text).lines().filter_map(|line| pattern(&folder, line)).collect();
        if !found.is_empty() {
            let what = format!("what DVC passes over is listed in `{FILE}`");
            notes.told(Path::new(&file), At { line: 1, column: 1 }, what, "");
        }
        lines.extend(found.into_iter().map(|line| (file.clone(), line)));
    }
    if lines.is_empty() {
        return None;
    }
    let text = format!("{HEAD}\n{}\n", lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n"));
    let Ok(there) = fs::read_to_string(root.join(FILE)) else { return Some(text) };
    for (file, line) in lines.iter().filter(|(_, line)| !there.lines().any(|own| own == line)) {
        let what = format!("`{line}` is not in `{FILE}`, which stays as it is");
        notes.lost(Path::new(file), At { line: 1, column: 1 }, what, "add the line, if DVC's pattern is to count");
    }
    None
}

fn above(path: &str, folders: &mut BTreeSet<String>) {
    folders.insert(String::new());
    folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
}

fn below(root: &Path, folder: &str, folders: &mut BTreeSet<String>) {
    folders.insert(folder.to_owned());
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        if let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            below(root, &join(folder, &name), folders);
        }
    }
}

/// A line of a folder's `.dvcignore` as one of the project's.
fn pattern(folder: &str, line: &str) -> Option<String> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if folder.is_empty() || folder == "." {
        return Some(line.to_owned());
    }
    let (sign, line) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest));
    let anchored = line.trim_end_matches('/').contains('/');
    let (between, line) = if anchored { ("", line.trim_start_matches('/')) } else { ("**/", line) };
    Some(format!("{sign}/{folder}/{between}{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_a_folder_hold_in_that_folder() {
        assert_eq!(pattern("", "*.tmp").as_deref(), Some("*.tmp"));
        assert_eq!(pattern("a/b", "*.tmp").as_deref(), Some("/a/b/**/*.tmp"));
        assert_eq!(pattern("a", "!/x/y").as_deref(), Some("!/a/x/y"));
        assert_eq!(pattern("a", "build/").as_deref(), Some("/a/**/build/"));
        assert_eq!((pattern("a", "# note"), pattern("a", "  ")), (None, None));
    }
}
