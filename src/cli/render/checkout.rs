//! What `checkout` is about to write, and what came of it.

use std::fmt::Write as _;

use kiln::engine::{Checkout, CheckoutStep};
use kiln::record::RunRecord;
use serde_json::{Value, json};

use super::number;
use super::stand::shown;

/// What will be written, said before it is.
pub(crate) fn announcement(plan: &[Checkout], write: bool) -> String {
    let verb = if write { "writing" } else { "would write" };
    let lines = of(plan, CheckoutStep::Write).map(|entry| format!("{verb} {}: {}\n", shown(&entry.path), name(entry)));
    lines.collect()
}

/// The outcome, for people.
pub(crate) fn text(run: &RunRecord, plan: &[Checkout], write: bool) -> String {
    let mut text = String::new();
    for entry in of(plan, CheckoutStep::Refuse) {
        let why = entry.why.as_deref().unwrap_or_default();
        let _ = writeln!(text, "refused {}: {why} ({})", shown(&entry.path), name(entry));
    }
    for entry in of(plan, CheckoutStep::Gone) {
        let _ =
            writeln!(text, "gone {}: the cache no longer has {} ({})", shown(&entry.path), entry.digest, name(entry));
    }
    let count = |step: CheckoutStep| of(plan, step).count();
    let mut parts = vec![];
    if count(CheckoutStep::Write) > 0 {
        let verb = if write { "written" } else { "to write" };
        parts.push(format!("{} {verb}", number::count(count(CheckoutStep::Write), "output")));
    }
    for (step, what) in
        [(CheckoutStep::InPlace, "in place"), (CheckoutStep::Refuse, "refused"), (CheckoutStep::Gone, "gone")]
    {
        if count(step) > 0 {
            parts.push(format!("{} {what}", count(step)));
        }
    }
    let _ = writeln!(text, "run {}: {}", run.id, if parts.is_empty() { "no outputs".into() } else { parts.join(", ") });
    if count(CheckoutStep::Refuse) > 0 {
        text.push_str("nothing was written; move aside what is in the way, or replace it with `--force-overwrite`\n");
    }
    text
}

/// The outcome, for programs.
pub(crate) fn json(run: &RunRecord, plan: &[Checkout], written: bool) -> Value {
    json!({ "run": run.id, "written": written, "outputs": plan })
}

fn of(plan: &[Checkout], step: CheckoutStep) -> impl Iterator<Item = &Checkout> {
    plan.iter().filter(move |entry| entry.step == step)
}

fn name(entry: &Checkout) -> String {
    format!("{}.{}, {}", entry.stage, entry.output, indicatif::BinaryBytes(entry.bytes))
}
