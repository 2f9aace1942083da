//! What executing stages in a single go and in two halves showed.

use std::fmt::Write as _;

use kiln::engine::{FileDifference, ResumeCheck};

use super::look::{Look, one_line};
use super::{number, stand};

/// A line a stage, and for those that differ the first step that does, the outputs, and what it may come from.
pub(crate) fn text(checked: &[ResumeCheck], look: &Look) -> String {
    let mut text = String::new();
    for check in checked {
        let ResumeCheck { stage, unit, steps, half, .. } = check;
        let times = check.seconds.map(number::duration).join(", ");
        let verdict =
            if check.is_same() { look.green("goes on to the same") } else { look.red("does not go on to the same") };
        let _ = writeln!(text, "{stage}: {verdict}, {half} + {} of {steps} {unit}s ({times})", steps - half);
        if check.is_same() {
            continue;
        }
        if let Some(state) = &check.state {
            let _ = writeln!(text, "  {unit} {} is the first whose states differ", state.step);
            files(&mut text, &state.files);
        } else {
            let _ = writeln!(text, "  the states are the same");
        }
        for output in &check.outputs {
            let _ = writeln!(text, "  output {}", output.output);
            files(&mut text, &output.files);
        }
        if check.outputs.is_empty() {
            let _ = writeln!(text, "  the outputs are the same");
        }
        for (which, log) in ["in a single go", "first half", "second half"].iter().zip(&check.logs) {
            let _ = writeln!(text, "  log, {which}: {}", stand::shown(log));
        }
        let _ = writeln!(text, "  hint: {}", hint(check));
    }
    text
}

fn files(text: &mut String, files: &[FileDifference]) {
    for FileDifference { file, parts, differing, of, note } in files {
        let mut line = one_line(&file.display().to_string()).to_string();
        if !parts.is_empty() {
            let names = parts.iter().map(|part| one_line(part).to_string()).collect::<Vec<_>>().join(", ");
            let more =
                if *differing > parts.len() { format!(" and {} more", differing - parts.len()) } else { String::new() };
            let _ = write!(line, "{}{names}{more}", if line.is_empty() { "" } else { ": " });
            if *of > 0 {
                let _ = write!(line, " ({differing} of {of} differ)");
            }
        }
        if let Some(note) = note {
            let _ = write!(line, "{}{note}", if line.is_empty() { "" } else { ": " });
        }
        let _ = writeln!(text, "    {line}");
    }
}

/// What it may come from.
fn hint(check: &ResumeCheck) -> String {
    let ResumeCheck { stage, unit, half, .. } = check;
    match &check.state {
        Some(state) if state.step <= *half && check.fewer => format!(
            "nothing was gone on from by then: {unit} {} depends on how many are wanted, which `horizon` says, or it is not \
             deterministic: `kiln run --check-determinism {stage}`",
            state.step
        ),
        Some(state) if state.step <= *half => format!(
            "nothing was gone on from by then, so it is not deterministic: `kiln run --check-determinism {stage}`"
        ),
        Some(_) => format!(
            "something that {unit} {} needs is not in the state of {unit} {half}, or is not put back: an optimiser, a schedule, the order of \
             the data, random numbers",
            half + 1
        ),
        None => "an output holds what is in no state, such as a list that is begun anew".to_owned(),
    }
}
