//! What `verify` found, and a bar while it reads.

use std::fmt::Write as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kiln::store::{Findings, Touched};

use super::look::{Look, one_line};
use super::number;

/// A bar on standard error, gone when dropped.
pub(crate) struct Bar(ProgressBar);

/// A bar for a terminal; elsewhere it shows nothing.
pub(crate) fn bar() -> Bar {
    let target = if Look::stderr().terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template(
        "{bar:24} {binary_bytes} of {binary_total_bytes} {binary_bytes_per_sec} ETA {eta}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
    Bar(bar)
}

impl Bar {
    /// So many bytes of so many were read.
    pub(crate) fn tell(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// For people.
pub(crate) fn text(findings: &Findings, look: &Look) -> String {
    let mut text = String::new();
    for damage in &findings.damaged {
        let _ = writeln!(text, "{} {} {}: {}", look.red("damaged"), damage.what, damage.name, damage.finding);
    }
    for touched in &findings.touched {
        let _ = writeln!(text, "{}", line(touched, look));
    }
    let _ = writeln!(
        text,
        "{} and {} ({}), {}, {}: {}",
        number::count(findings.blobs.count, "blob"),
        number::count(findings.trees.count, "tree"),
        indicatif::BinaryBytes(findings.blobs.bytes + findings.trees.bytes),
        number::count(findings.results, "result"),
        number::count(findings.runs, "run record"),
        if findings.is_sound() { look.green("all sound") } else { look.red("damage was found") },
    );
    text
}

fn line(touched: &Touched, look: &Look) -> String {
    let name = match (&touched.stage, &touched.project) {
        (Some(stage), Some(project)) => format!("{} in {}", one_line(stage), project.display()),
        _ => format!("action {}", touched.key.short()),
    };
    let outputs = touched.outputs.join(", ");
    if touched.mended {
        format!("{} {name}: {outputs} taken back from where it lies in place", look.green("mended"))
    } else {
        format!("{} {name}: lacks {outputs}; it will be executed again when it is needed", look.yellow("touched"))
    }
}
