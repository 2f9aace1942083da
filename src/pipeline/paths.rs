//! Paths within the project as the pipeline writes them: checked, and in one spelling each.

/// A path that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: &'static str,
    /// What to do about it.
    pub(super) hint: Option<&'static str>,
}

/// So many names may be in a path.
const PARTS: usize = 256;

/// So many folders a source may lie further up than the project.
const UP: usize = 16;

/// The folder of a command's scratch directory that stands for the project's own, where sources lie beside it.
pub(crate) const PROJECT: &str = "kiln-project";

/// The path relative to the project, without `.` and doubled or trailing slashes.
///
/// # Errors
/// If it is empty, absolute, holds `..`, or is the project itself. Links are not looked at.
pub(super) fn normalise(path: &str) -> Result<String, Fault> {
    let out = spell(path)?;
    if out.split('/').any(|part| part == "..") {
        return fault(
            "`..` leaves the project",
            Some(
                "write the path from the folder of the pipeline file; to write to another disk, make a link to a folder of it, \
                 `ln -s /scratch/out out`, and name a path in that",
            ),
        );
    }
    Ok(out)
}

/// The same of a path that is only read: it may lie outside of the project, and then begins with `..`.
///
/// # Errors
/// As [`normalise`], but for leading `..`.
pub(super) fn source(path: &str) -> Result<String, Fault> {
    let out = spell(path)?;
    let mut names = out.split('/').skip_while(|part| *part == "..");
    let up = out.split('/').take_while(|part| *part == "..").count();
    let Some(first) = names.next() else {
        return fault("this folder holds the project itself", Some("name a file or folder in it"));
    };
    if names.any(|part| part == "..") {
        return fault(
            "`..` after a name leads elsewhere if that is a link",
            Some("write `..` only at the beginning, as in `../a/out/x`"),
        );
    }
    if up > UP {
        return fault("the path goes up more than 16 folders", None);
    }
    if up > 0 && first == PROJECT {
        return fault("beside a project this name is Kiln's own", Some("give the folder another name"));
    }
    Ok(out)
}

fn fault<T>(message: &'static str, hint: Option<&'static str>) -> Result<T, Fault> {
    Err(Fault { message, hint })
}

fn spell(path: &str) -> Result<String, Fault> {
    if path.trim().is_empty() {
        return fault("the path is empty", None);
    }
    if path.starts_with('/') {
        return fault(
            "an absolute path leaves the project",
            Some(
                "write it relative to the folder of the pipeline file, or make a link, `ln -s /nfs/data data`, and name that: \
                 it may lead to another disk",
            ),
        );
    }
    if path.contains(['\0', '\n', '\r']) {
        return fault("a path may not hold line breaks or NUL", None);
    }
    let mut out = String::with_capacity(path.len());
    for component in path.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if component.len() > 255 {
            return fault("a name in the path is longer than 255 bytes", None);
        }
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(component);
    }
    if out.is_empty() {
        return fault("this is the project itself", Some("name a file or folder in it"));
    }
    if out.split('/').count() > PARTS {
        return fault("the path leads through more than 255 folders", None);
    }
    if out.len() > 4000 {
        return fault("the path is longer than 4000 bytes", None);
    }
    Ok(out)
}

/// Why nothing may be written to a (normalised) path.
pub(super) fn reserved(path: &str, pipeline: &str) -> Option<&'static str> {
    let first = path.split('/').next().unwrap_or_default();
    match first {
        ".git" => Some("`.git` is the repository"),
        _ if path == pipeline => Some("this is the pipeline file"),
        _ => None,
    }
}

/// The folders that hold a path, innermost first: `a/b/c` lies in `a/b` and `a`.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(i, _)| &path[..i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_path_become_one() {
        for path in ["a/b", "./a//b/", "a/./b"] {
            assert_eq!(normalise(path).as_deref(), Ok("a/b"));
        }
        for path in ["", " ", "/etc", "..", "a/../b", ".", "./", "a\0"] {
            assert!(normalise(path).is_err(), "{path}");
            assert!(source(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_source_may_lie_beside_the_project() {
        assert_eq!(source("./..//a/./out/x/").as_deref(), Ok("../a/out/x"));
        assert_eq!(source("../../x").as_deref(), Ok("../../x"));
        assert_eq!(source("a/b").as_deref(), Ok("a/b"));
        for path in ["../..", "../a/../b", "../kiln-project/x", "/../x", &"../".repeat(17)] {
            assert!(source(path).is_err(), "{path}");
        }
    }

    #[test]
    fn ancestors_are_whole_components() {
        assert_eq!(ancestors("a/bc/d").collect::<Vec<_>>(), ["a/bc", "a"]);
        assert_eq!(ancestors("a").count(), 0);
    }

    #[test]
    fn the_repository_and_the_pipeline_are_not_to_be_written() {
        assert!(reserved(".git/x", "pipeline.yaml").is_some());
        assert!(reserved("pipeline.yaml", "pipeline.yaml").is_some());
        assert!(reserved(".gitignore", "pipeline.yaml").is_none());
    }
}
