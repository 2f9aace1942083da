//! What executing stages twice showed.

use std::fmt::Write as _;

use kiln::engine::Twice;

use super::look::{Look, one_line};
use super::{number, stand};

/// A line a stage, and for those that differ both digests and the logs.
pub(crate) fn text(checked: &[Twice], look: &Look) -> String {
    let mut text = String::new();
    for twice in checked {
        let [first, second] = twice.seconds.map(number::duration);
        if twice.differences.is_empty() {
            let same = look.green("the same outputs twice");
            let _ = writeln!(text, "{}: {same} ({first}, {second})", twice.stage);
            continue;
        }
        let _ = writeln!(text, "{}: {} ({first}, {second})", twice.stage, look.red("not deterministic"));
        for difference in &twice.differences {
            let [one, two] = difference.digests;
            let _ = writeln!(text, "  output {}\n    first  {one}\n    second {two}", difference.output);
            if let Some(kept) = difference.kept {
                let _ = writeln!(text, "    cached {kept}");
            }
        }
        let [one, two] = &twice.logs;
        let _ = writeln!(text, "  logs {}\n       {}", stand::shown(one), stand::shown(two));
        if let Some(line) = &twice.log_difference {
            let [one, two] = line.texts.each_ref().map(|text| one_line(text));
            let _ = writeln!(text, "  they differ in line {}\n    first  {one}\n    second {two}", line.line);
        }
    }
    text
}
