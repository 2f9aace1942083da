//! Programs that manage an environment and run others in it. They look for the project in the folders above, and would make the environment anew.

use super::CommandEnd;
use crate::engine::executor::toolchain::is_toolchain;
use crate::pipeline::{Body, Command};

/// The files of a project that such programs look for.
const FILES: [&str; 2] = ["pyproject.toml", "uv.lock"];

/// Where they make the environment.
const ENVIRONMENT: &str = ".venv";

/// A command that runs something by `uv run`, which complains of a file of the project.
pub(super) fn runs(lines: &[&str], scene: &CommandEnd<'_>) -> Option<String> {
    let Body::Run(command) = &scene.stage.body else { return None };
    let next = match command {
        Command::Shell(script) => behind(script.split_whitespace()),
        Command::Argv(words) => behind(words.iter().map(String::as_str)),
    }?;
    let complains = |line: &&str| {
        let line = line.trim_start();
        (line.starts_with("error:") || line.starts_with("warning:")) && FILES.iter().any(|file| line.contains(file))
    };
    lines.iter().find(|line| complains(line))?;
    let (from, to) = match next {
        python if python.starts_with("python") => (format!("uv run {python}"), python.to_owned()),
        script if script.ends_with(".py") => (format!("uv run {script}"), format!("python {script}")),
        program => (format!("uv run {program}"), program.to_owned()),
    };
    let first =
        if is_toolchain(&scene.project().join(ENVIRONMENT)) { "" } else { "call `uv sync` in the project, and " };
    Some(format!(
        "`uv run` looks for the project in the folders above, of which a stage sees nothing; {first}write `{ENVIRONMENT}/bin/{to}` for `{from}`"
    ))
}

/// The word behind `uv run` and its options.
fn behind<'w>(words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let words: Vec<&str> = words.collect();
    let at = words.windows(2).position(|pair| pair[0].rsplit('/').next() == Some("uv") && pair[1] == "run")?;
    words[at + 2..].iter().find(|word| !word.starts_with('-')).copied()
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn what_is_run_is_told() {
        let behind = |text: &'static str| behind(text.split(' '));
        assert_eq!(behind("set -x; uv run --frozen train.py --rate 1"), Some("train.py"));
        assert_eq!(behind("/opt/bin/uv run python -m x"), Some("python"));
        assert_eq!(behind("uv sync"), None);
        assert_eq!(behind("uv run"), None);
    }
}
