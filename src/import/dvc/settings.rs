//! DVC's settings: the files that hold them, and what each of their lines sets.
//!
//! Files and their order are those of DVC 3.67.1 on Linux: the system's, the user's, the project's, and what the project keeps out of Git. What a
//! later one sets counts. A relative path starts at the folder of the file that it stands in, `~` at the user's own. Names are
//! in lower case, as DVC takes them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::yaml::At;

/// A line that sets something.
pub(super) struct Setting {
    /// The section that it stands in: `cache`, `remote "far"`.
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    /// The file, relative to the project if it is the project's.
    pub(super) file: PathBuf,
    pub(super) at: At,
    /// Whether the file is the project's.
    pub(super) is_projects: bool,
    /// The folder of the file.
    folder: PathBuf,
}

impl Setting {
    /// Its value as a path.
    pub(super) fn path(&self) -> PathBuf {
        let home = |rest: &str| folder_in("HOME").map(|home| home.join(rest.trim_start_matches('/')));
        let in_home = self.value.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        in_home.and_then(home).unwrap_or_else(|| self.folder.join(&self.value))
    }
}

/// All settings that count for a project: of what is set more than once, the strongest.
pub(super) fn all(root: &Path) -> Vec<Setting> {
    let system = folder_of("DVC_SYSTEM_CONFIG_DIR", || {
        let listed = env::var("XDG_CONFIG_DIRS").ok();
        let first = listed.as_deref().unwrap_or_default().split(':').map(Path::new).find(|folder| folder.is_absolute());
        Some(first.unwrap_or(Path::new("/etc/xdg")).to_owned())
    });
    let user = folder_of("DVC_GLOBAL_CONFIG_DIR", || {
        let named = folder_in("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
        named.or_else(|| folder_in("HOME").map(|home| home.join(".config")))
    });
    let mut settings = Vec::new();
    for folder in [system, user].into_iter().flatten() {
        read(&folder.join("config"), None, &mut settings);
    }
    for name in ["config", "config.local"] {
        let file = Path::new(".dvc").join(name);
        read(&root.join(&file), Some(&file), &mut settings);
    }
    settings
}

/// The folder that a variable names, or `dvc` in one of the desktop's.
fn folder_of(variable: &str, desktop: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    folder_in(variable).or_else(|| desktop().map(|folder| folder.join("dvc")))
}

fn folder_in(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Adds what a file sets, in place of what earlier files set. The file may have a name in the project. A file that is not there sets nothing.
fn read(path: &Path, in_project: Option<&Path>, settings: &mut Vec<Setting>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut section = String::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some((inner, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = inner.trim_matches(['\'', '"']).to_lowercase();
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().to_lowercase();
            settings.retain(|known| (&known.section, &known.key) != (&section, &key));
            settings.push(Setting {
                section: section.clone(),
                key,
                value: plain(value).to_owned(),
                file: in_project.unwrap_or(path).to_owned(),
                at: At { line: i + 1, column: 1 },
                is_projects: in_project.is_some(),
                folder: folder.clone(),
            });
        }
    }
}

/// A value without its quotes, or without the comment after it.
fn plain(value: &str) -> &str {
    let value = value.trim();
    let quoted = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let parts = quoted.and_then(|quote| value[1..].split_once(quote));
    // What goes on after the quotes is a list.
    let inner =
        parts.filter(|(_, after)| matches!(after.trim().chars().next(), None | Some('#'))).map(|(inner, _)| inner);
    inner.unwrap_or_else(|| value.split('#').next().unwrap_or_default().trim_end())
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn values_are_read_as_dvc_reads_them() {
        for (written, read) in [
            (" a b ", "a b"),
            ("a # b", "a"),
            ("a#b", "a"),
            ("\"a # b\" # c", "a # b"),
            ("'a'", "a"),
            ("\"a\", \"b\"", "\"a\", \"b\""),
            ("", ""),
        ] {
            assert_eq!(plain(written), read, "{written}");
        }
    }
}
