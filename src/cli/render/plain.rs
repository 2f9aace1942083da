//! What a run does, as plain lines: for pipes, logs and terminals that cannot redraw.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use kiln::compare::Counts;
use kiln::record::{Outcome, RunRecord, StageRecord};

use super::look::{Look, one_line};
use super::{Reporter, number, summary};

/// So many restored and so many skipped stages get a line each; the rest are only counted.
const LINES: usize = 20;
/// The time between two lines on the progress of one stage.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints a line where a stage starts and one where it ends; stages that need nothing are only counted.
pub(crate) struct Plain<W> {
    out: W,
    look: Look,
    counts: Counts,
    patience: Duration,
    last_progress: HashMap<String, Instant>,
}

impl<W: Write + Send> Plain<W> {
    /// Prints to `out`.
    pub(crate) fn new(look: Look, out: W) -> Self {
        Self { out, look, counts: Counts::default(), patience: PATIENCE, last_progress: HashMap::new() }
    }

    fn line(&mut self, text: &str) {
        // If nobody reads any more, the run goes on all the same.
        let _ = writeln!(self.out, "{text}");
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn run_started(&mut self, total: usize) {
        self.line(&format!("kiln: {}", number::count(total, "stage")));
    }

    fn stage_started(&mut self, name: &str, reason: &str) {
        self.last_progress.insert(name.to_owned(), Instant::now());
        let reason = if reason.is_empty() { String::new() } else { format!(" ({})", one_line(reason)) };
        self.line(&format!("{name}: started{reason}"));
    }

    fn stage_progress(&mut self, name: &str, done: u64, total: u64, unit: &str, detail: &str) {
        let now = Instant::now();
        let last = self.last_progress.entry(name.to_owned()).or_insert(now);
        if now.duration_since(*last) >= self.patience {
            *last = now;
            self.line(&format!("{name}: {}", units(done, total, unit, detail)));
        }
    }

    fn stage_message(&mut self, name: &str, text: &str) {
        self.line(&format!("{name}: {}", one_line(text)));
    }

    fn stages_up_to_date(&mut self, count: usize) {
        self.counts.up_to_date += count;
    }

    fn stage_finished(&mut self, record: &StageRecord) {
        self.last_progress.remove(&record.name);
        self.counts.add(record.outcome);
        if let Some(line) = finished(record, &self.counts) {
            self.line(&line);
        }
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("kiln: {}", one_line(text)));
    }

    fn run_finished(&mut self, record: &RunRecord) {
        let text = summary::summary(record, &self.look);
        let _ = self.out.write_all(text.as_bytes());
    }
}

/// The line for a stage that is done with, given the counts with it included; `None` if it is only counted.
pub(super) fn finished(record: &StageRecord, counts: &Counts) -> Option<String> {
    let because = record.reasons.first().map(|reason| format!(" ({})", one_line(reason))).unwrap_or_default();
    let name = &record.name;
    let limited = |so_far: usize, verb: &str| match so_far {
        ..=LINES => Some(format!("{name}: {verb}{because}")),
        n if n == LINES + 1 => Some(format!("kiln: more stages are {verb}; they are counted at the end")),
        _ => None,
    };
    match record.outcome {
        Outcome::UpToDate => None,
        Outcome::Restored => limited(counts.restored, "restored"),
        Outcome::Skipped => limited(counts.skipped, "skipped"),
        // The reason was told when it started.
        Outcome::Executed => {
            let from = record.resumed.as_ref().map(|r| format!(", gone on from {} {}", r.unit, r.step));
            Some(format!("{name}: executed in {}{}", number::duration(record.seconds), from.unwrap_or_default()))
        }
        Outcome::Failed => {
            let error = record.error.as_deref().map(|error| format!(": {}", one_line(error))).unwrap_or_default();
            Some(format!("{name}: failed after {}{error}", number::duration(record.seconds)))
        }
    }
}

/// How far a stage is: `epoch 3/10 loss 0.1234`.
pub(super) fn units(done: u64, total: u64, unit: &str, detail: &str) -> String {
    let far = match unit {
        "byte" | "bytes" => format!("{} of {}", indicatif::BinaryBytes(done), indicatif::BinaryBytes(total)),
        _ => format!("{unit} {done}/{total}"),
    };
    one_line(&format!("{far} {detail}"))
}

#[cfg(test)]
mod tests {
    use super::super::records::{run, stage};
    use super::*;

    /// What is printed when `stages` finish.
    fn printed(patience: Duration, tell: impl FnOnce(&mut Plain<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        let mut plain = Plain::new(Look::default(), &mut out);
        plain.patience = patience;
        tell(&mut plain);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_stage_gets_a_line_at_its_start_and_at_its_end() {
        let text = printed(Duration::ZERO, |plain| {
            plain.run_started(3);
            plain.note("waiting for another kiln");
            plain.stage_started("train[model=5]", "parameter dropout: 0.25 => 0.5");
            plain.stage_progress("train[model=5]", 3, 10, "epoch", "loss 0.1234 accuracy 0.9612");
            plain.stage_message("train[model=5]", "two\nlines\x1b[2J");
            plain.stage_finished(&stage("train[model=5]").executed(12.34, "parameter").record());
            plain.stage_started("report", "");
            plain.stage_finished(&stage("report").failed("exit status 3", "log").record());
            plain.stage_finished(&stage("figure").outcome(Outcome::Skipped, "report failed").record());
        });
        let expected = "\
kiln: 3 stages
kiln: waiting for another kiln
train[model=5]: started (parameter dropout: 0.25 => 0.5)
train[model=5]: epoch 3/10 loss 0.1234 accuracy 0.9612
train[model=5]: two lines
train[model=5]: executed in 12.3 s
report: started
report: failed after 0.0 s: exit status 3
figure: skipped (report failed)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn ten_thousand_stages_that_need_nothing_are_counted() {
        let stages: Vec<_> = (0..10_000).map(|i| stage(&format!("s{i}")).record()).collect();
        let text = printed(PATIENCE, |plain| {
            plain.run_started(stages.len());
            stages.iter().for_each(|record| plain.stage_finished(record));
            plain.run_finished(&run("kqzvbnme", stages.clone()));
        });
        assert_eq!(text, "kiln: 10,000 stages\nrun kqzvbnme: 10,000 up to date in 12.5 s\n");
    }

    #[test]
    fn a_few_restored_stages_get_lines_and_many_do_not() {
        let restore = |n: usize| {
            printed(PATIENCE, |plain| {
                for i in 0..n {
                    plain.stage_finished(
                        &stage(&format!("s{i}")).outcome(Outcome::Restored, "outputs missing").record(),
                    );
                }
            })
        };
        assert_eq!(restore(2), "s0: restored (outputs missing)\ns1: restored (outputs missing)\n");
        assert_eq!(restore(LINES).lines().count(), LINES);
        assert_eq!(restore(500).lines().count(), LINES + 1);
    }

    #[test]
    fn progress_is_told_now_and_then_only() {
        let text = printed(PATIENCE, |plain| {
            plain.stage_started("s", "");
            (0..1000).for_each(|i| plain.stage_progress("s", i, 1000, "row", ""));
        });
        assert_eq!(text, "s: started\n");
    }

    #[test]
    fn bytes_are_written_as_sizes() {
        assert_eq!(units(1024, 3 << 20, "bytes", ""), "1.00 KiB of 3.00 MiB");
    }
}
