//! A report for a pipeline that has none: what any run has to show.

use std::fmt::Write as _;
use std::path::Path;

use super::picture::is_picture;
use crate::kind::Role;
use crate::record::RunRecord;

/// Markdown that shows the stages, numbers and figures of a run.
pub fn outline(run: &RunRecord) -> String {
    let file = run.origin.pipeline.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut text = format!("# Run of `{file}`\n\n## Stages\n\n${{graph}}\n\n");
    let outputs = || run.stages.iter().flat_map(|stage| stage.outputs.iter().map(move |(name, o)| (stage, name, o)));
    let names = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let shown: Vec<_> = outputs()
        .filter(|(_, _, o)| o.role == Role::Series || (o.role == Role::Figure && is_picture(&o.path)))
        .filter(|(stage, _, o)| {
            // One of the formats of a figure is enough.
            let stem = o.path.with_extension("");
            let twin = stage.outputs.values().find(|t| t.role == o.role && t.path.with_extension("") == stem);
            let vector = |p: &Path| p.extension().is_some_and(|e| e == "svg");
            vector(&o.path)
                || !stage.outputs.values().any(|t| vector(&t.path) && t.path.with_extension("") == stem)
                    && twin.is_some_and(|t| t.path == o.path)
        })
        .collect();
    if !shown.is_empty() {
        text += "## Figures\n\n";
    }
    for (stage, name, output) in shown {
        let plain = written(&names(&output.path), "[]()!");
        let of = written(&stage.name, "");
        let _ = writeln!(text, "![{plain}](<${{outputs.{}.{name}}}> \"{of}: {plain}\")\n", stage.name);
    }
    if run.stages.iter().any(|stage| !stage.metrics.is_empty()) {
        text += "## Metrics\n\n${table.metrics}\n\n";
    }
    text + "## Parameters\n\n${table.params}\n\n## The run before\n\n${table.previous}\n\n## Every stage\n\n${table.stages}\n"
}

/// A text as Markdown that shows it; of the characters that mean something there underscores stay, and all else but `more` goes.
fn written(text: &str, more: &str) -> String {
    let kept = |c: &char| !"\\\"`$*<>&|".contains(*c) && !more.contains(*c);
    text.chars().filter(kept).flat_map(|c| if c == '_' { vec!['\\', '_'] } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_underscores() {
        assert_eq!(written("a_b[1].svg", "[]()!"), "a\\_b1.svg");
    }
}
