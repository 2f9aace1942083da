//! Paths within the project as the pipeline writes them: checked, and in one spelling each.

/// A path that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: &'static str,
    /// What to do about it.
    pub(super) hint: Option<&'static str>,
}

/// The path relative to the project, without `.` and doubled or trailing slashes.
///
/// # Errors
/// If it is empty, absolute, holds `..`, or is the project itself. Links are not looked at.
pub(super) fn normalise(path: &str) -> Result<String, Fault> {
    let fault = |message, hint| Err(Fault { message, hint });
    if path.trim().is_empty() {
        return fault("the path is empty", None);
    }
    if path.starts_with('/') {
        return fault(
            "an absolute path leaves the project",
            Some("write it relative to the folder of the pipeline file, or copy the file into the project"),
        );
    }
    if path.contains(['\0', '\n', '\r']) {
        return fault("a path may not hold line breaks or NUL", None);
    }
    let mut out = String::with_capacity(path.len());
    for component in path.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if component == ".." {
            return fault("`..` may leave the project", Some("write the path from the folder of the pipeline file"));
        }
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
    if out.len() > 4000 {
        return fault("the path is longer than 4000 bytes", None);
    }
    Ok(out)
}

/// Why nothing may be written to a (normalised) path.
pub(super) fn reserved(path: &str, pipeline: &str) -> Option<&'static str> {
    let first = path.split('/').next().unwrap_or_default();
    match first {
        "cache" => Some("`cache/` is Kiln's store"),
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
        }
    }

    #[test]
    fn ancestors_are_whole_components() {
        assert_eq!(ancestors("a/bc/d").collect::<Vec<_>>(), ["a/bc", "a"]);
        assert_eq!(ancestors("a").count(), 0);
    }

    #[test]
    fn the_store_and_the_pipeline_are_not_to_be_written() {
        assert!(reserved("cache/x", "pipeline.yaml").is_some());
        assert!(reserved("pipeline.yaml", "pipeline.yaml").is_some());
        assert!(reserved("cached/x", "pipeline.yaml").is_none());
    }
}
