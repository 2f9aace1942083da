//! Modules that Python did not find although they are in the project, or on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CommandEnd, Named};

/// So many folders of the project are looked into.
const FOLDERS: usize = 2_000;

/// So deep below the project a module is looked for.
const DEPTH: usize = 3;

const PYTHONPATH: &str = "PYTHONPATH";

/// A module that lines complain of, and that lies where the stage does not see it.
pub(super) fn module(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let name = lines.iter().find_map(|line| missing(line))?;
    let parts: PathBuf = name.split('.').collect();
    let first = Path::new(name.split('.').next().unwrap_or(name));
    in_project(&parts, first, lines, scene).or_else(|| installed(first, scene))
}

/// The name in `ModuleNotFoundError: No module named 'common'`.
fn missing(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("No module named ")?;
    if !before.contains("Error: ") && !before.contains("python") {
        return None;
    }
    let name = after.trim().split(';').next().unwrap_or(after).trim_matches(['\'', '"', ' ']);
    let good = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    (!name.is_empty() && name.chars().all(good) && !name.starts_with('.')).then_some(name)
}

fn in_project(parts: &Path, first: &Path, lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let looked_in = main_folder(lines, scene);
    let folders = folders(scene, looked_in.as_deref());
    let here = |folder: &Path, parts: &Path| file_of(&scene.project().join(folder).join(parts));
    // The whole of `a.b` where that is somewhere, or else `a`.
    let whole = folders.iter().find_map(|folder| Some((folder, here(folder, parts)?)));
    let (folder, found) = whole.or_else(|| folders.iter().find_map(|folder| Some((folder, here(folder, first)?))))?;
    let found = found.strip_prefix(scene.project()).ok()?.to_owned();
    let shown = found.display();
    let path = scene.stage.env.get(PYTHONPATH);
    let is_known = Some(folder.as_path()) == looked_in.as_deref()
        || path.is_some_and(|path| path.split(':').any(|known| Path::new(known.trim_end_matches('/')) == folder));
    let place = if folder.as_os_str().is_empty() { ".".into() } else { folder.display().to_string() };
    let add = if path.is_some() {
        format!("add `{place}` to its PYTHONPATH")
    } else {
        format!("add `env: {{PYTHONPATH: {place}}}`")
    };
    match scene.find(&found.to_string_lossy())?.0 {
        Named::Project(_) if is_known => {
            Some(format!("`{shown}` is in the project, and the stage does not declare it; name it under `inputs`"))
        }
        Named::Project(_) => Some(format!(
            "`{shown}` is in the project, and the stage does not declare it; name it under `inputs`, and {add}"
        )),
        Named::Input(_) if !is_known => {
            Some(format!("`{shown}` is an input, and Python does not look in `{place}`; {add}"))
        }
        _ => None,
    }
}

/// The file or folder of a module, if it is there.
fn file_of(module: &Path) -> Option<PathBuf> {
    let file = module.with_extension("py");
    if file.is_file() {
        return Some(file);
    }
    let python = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "py");
    fs::read_dir(module).ok()?.flatten().any(python).then(|| module.to_owned())
}

/// The folder that Python looks into first: that of the script. It is told by a traceback, whose outermost frame comes first.
fn main_folder(lines: &[&str], scene: &CommandEnd<'_>) -> Option<PathBuf> {
    let begin = lines.iter().rposition(|line| line.starts_with("Traceback (most recent call last)"))?;
    let frame = lines[begin..].iter().find_map(|line| line.trim_start().strip_prefix("File \""))?;
    let (file, _) = frame.split_once('"')?;
    if file.starts_with('<') {
        // `python -m` and `python -c` look in the folder where they were started.
        return Some(PathBuf::new());
    }
    let file = scene.work.join(file);
    Some(file.strip_prefix(scene.work).ok()?.parent()?.to_owned())
}

/// The folders of the project in which a module may lie, the likeliest first.
fn folders(scene: &CommandEnd<'_>, first: Option<&Path>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = first.map(Path::to_owned).into_iter().collect();
    let mut level = BTreeSet::from([PathBuf::new()]);
    for _ in 0..=DEPTH {
        let mut below = BTreeSet::new();
        for folder in level {
            let inside = fs::read_dir(scene.project().join(&folder)).into_iter().flatten().flatten();
            let folders = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            below.extend(
                folders.map(|entry| folder.join(entry.file_name())).filter(|path| is_of_the_project(path, scene)),
            );
            found.push(folder);
            if found.len() > FOLDERS {
                return found;
            }
        }
        level = below;
    }
    found
}

fn is_of_the_project(folder: &Path, scene: &CommandEnd<'_>) -> bool {
    let hidden = folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && !scene.project().join(folder).starts_with(scene.cache) && scene.toolchain(folder).is_none()
}

/// A module that is installed where the stage does not look.
fn installed(module: &Path, scene: &CommandEnd<'_>) -> Option<String> {
    let name = module.display();
    let is_in = |library: &Path| {
        let versions = fs::read_dir(library).into_iter().flatten().flatten();
        let packages = versions.map(|version| version.path().join("site-packages").join(module));
        packages.into_iter().any(|package| package.is_dir() || package.with_extension("py").is_file())
    };
    let environments = fs::read_dir(scene.project()).into_iter().flatten().flatten().map(|entry| entry.path());
    for home in environments.filter(|path| crate::engine::executor::toolchain::is_toolchain(path)) {
        if is_in(&home.join("lib")) {
            let home = home.file_name().unwrap_or_default().display();
            return Some(format!(
                "`{name}` is installed in `{home}`, whose Python this is not; write `{home}/bin/python`, or activate it before `kiln run`"
            ));
        }
    }
    let user = PathBuf::from(std::env::var_os("HOME")?).join(".local");
    is_in(&user.join("lib")).then(|| {
        let user = user.display();
        format!(
            "`{name}` is installed for one user in {user}, and a stage has another HOME; add `env: {{PYTHONUSERBASE: {user}}}`, \
             or install it in an environment"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn the_missing_module_is_told() {
        assert_eq!(missing("ModuleNotFoundError: No module named 'common.x'"), Some("common.x"));
        assert_eq!(missing("ImportError: No module named common"), Some("common"));
        assert_eq!(missing("/usr/bin/python3: No module named build"), Some("build"));
        assert_eq!(missing("ModuleNotFoundError: No module named 'a'; 'a' is not a package"), Some("a"));
        assert_eq!(missing("No module named 'x' was a joke"), None);
    }
}
