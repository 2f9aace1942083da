//! What a run does, as plain lines: for pipes, logs and terminals that cannot redraw.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use kiln::compare::Counts;
use kiln::events::{self, RunEvent};
use kiln::reason::Reason;
use kiln::record::{Outcome, RunRecord, StageRecord};
use kiln::remote::Traffic;
use kiln::show::reason::brief;

use super::look::{Look, note, one_line};
use super::{Reporter, number, remote, summary};

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

impl<W: Write> Plain<W> {
    /// Prints to `out`.
    pub(crate) fn new(look: Look, out: W) -> Self {
        Self { out, look, counts: Counts::default(), patience: PATIENCE, last_progress: HashMap::new() }
    }

    fn line(&mut self, text: &str) {
        // If nobody reads any more, the run goes on all the same.
        let _ = writeln!(self.out, "{text}");
    }
}

impl<W: Write> Plain<W> {
    fn started(&mut self, record: &StageRecord) {
        self.last_progress.insert(record.name.clone(), Instant::now());
        let why = started(&record.why());
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        self.line(&format!("{}: started{why}", record.name));
    }

    fn progress(&mut self, stage: &str, progress: &events::Progress) {
        let now = Instant::now();
        let last = self.last_progress.entry(stage.to_owned()).or_insert(now);
        if now.duration_since(*last) >= self.patience {
            *last = now;
            self.line(&format!("{stage}: {}", units(progress)));
        }
    }

    fn traffic(&mut self, traffic: &Traffic) {
        let now = Instant::now();
        let last = self.last_progress.entry(String::new()).or_insert(now);
        if now.duration_since(*last) >= self.patience {
            *last = now;
            self.line(&format!("kiln: {}", remote::traffic(traffic)));
        }
    }

    fn finished(&mut self, record: &StageRecord) {
        self.last_progress.remove(&record.name);
        self.counts.add(record.outcome);
        if let Some(line) = finished(record, &self.counts) {
            self.line(&line);
        }
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn tell(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Run(began) => self.line(&format!("kiln: {}", number::count(began.stages, "stage"))),
            RunEvent::UpToDate { count } => self.counts.up_to_date += count,
            RunEvent::Started(record) => self.started(record),
            RunEvent::Progress { stage, progress } => self.progress(stage, progress),
            RunEvent::Message { stage, text } => self.line(&format!("{stage}: {}", one_line(text))),
            RunEvent::Note { text } => self.line(&format!("kiln: {}", note(text))),
            RunEvent::Remote(traffic) => self.traffic(traffic),
            RunEvent::Finished(record) => self.finished(record),
        }
    }

    fn run_finished(&mut self, record: &RunRecord) {
        let text = summary::summary(record, &self.look);
        let _ = self.out.write_all(text.as_bytes());
    }
}

/// The line for a stage that is done with, given the counts with it included; `None` if it is only counted.
pub(super) fn finished(record: &StageRecord, counts: &Counts) -> Option<String> {
    let because = brief(&record.why());
    let because = if because.is_empty() { because } else { format!(" ({})", one_line(&because)) };
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
        // Why is told at the end, where nothing comes after it.
        Outcome::Failed => Some(format!("{name}: failed after {}", number::duration(record.seconds))),
    }
}

/// Why a stage begins to execute, on one line. What becomes of earlier steps is told when it is certain.
pub(super) fn started(why: &[Reason]) -> String {
    let told = |reason: &&Reason| !matches!(reason, Reason::GoesOn { .. } | Reason::StartsOver { .. });
    let told: Vec<Reason> = why.iter().filter(told).cloned().collect();
    one_line(&brief(&told))
}

/// How far a stage is: `epoch 3/10 loss 0.1234`.
pub(crate) fn units(progress: &events::Progress) -> String {
    let events::Progress { done, total, unit, detail } = progress;
    let far = match unit.as_str() {
        "" => return detail.clone(),
        "byte" | "bytes" => format!("{} of {}", indicatif::BinaryBytes(*done), indicatif::BinaryBytes(*total)),
        _ => format!("{unit} {done}/{total}"),
    };
    one_line(&format!("{far} {detail}"))
}

#[cfg(test)]
mod tests {
    use super::super::records::{began, note, progress, run, settled, stage, started};
    use super::*;

    #[test]
    fn all_reasons_are_told_and_many_are_counted() {
        let told = |text: &str| Reason::Told { text: text.to_owned() };
        let why = |texts: &[&str]| super::started(&texts.iter().map(|text| told(text)).collect::<Vec<_>>());
        assert_eq!(why(&["a", "b", "c"]), "a; b; c");
        assert_eq!(why(&["a", "b", "c", "d"]), "a; b; and 2 more");
        assert_eq!(super::started(&[told("a"), Reason::MoreChanges { count: 7 }]), "a; and 7 more changes");
        let steps = Reason::GoesOn { unit: "epoch".into(), step: 3, last: false };
        assert_eq!(super::started(&[told("a"), steps]), "a", "that is told when it is certain");
    }

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
            let train = "train[model=5]";
            plain.tell(&began(3));
            plain.tell(&note("waiting for another kiln"));
            plain.tell(&started(stage(train).executed(0.0, "parameter dropout: 0.25 => 0.5").record()));
            plain.tell(&progress(train, 3, 10, "epoch", "loss 0.1234 accuracy 0.9612"));
            plain.tell(&RunEvent::Message { stage: train.into(), text: "two\nlines\x1b[2J".into() });
            plain.tell(&settled(stage(train).executed(12.34, "parameter").record()));
            plain.tell(&started(StageRecord { reasons: vec![], ..stage("report").record() }));
            plain.tell(&settled(stage("report").failed("exit status 3", "log").record()));
            plain.tell(&settled(stage("figure").outcome(Outcome::Skipped, "report failed").record()));
        });
        let expected = "\
kiln: 3 stages
kiln: waiting for another kiln
train[model=5]: started (parameter dropout: 0.25 => 0.5)
train[model=5]: epoch 3/10 loss 0.1234 accuracy 0.9612
train[model=5]: two lines
train[model=5]: executed in 12.3 s
report: started
report: failed after 0.0 s
figure: skipped (report failed)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn ten_thousand_stages_that_need_nothing_are_counted() {
        let stages: Vec<_> = (0..10_000).map(|i| stage(&format!("s{i}")).record()).collect();
        let text = printed(PATIENCE, |plain| {
            plain.tell(&began(stages.len()));
            plain.tell(&RunEvent::UpToDate { count: stages.len() });
            plain.run_finished(&run("kqzvbnme", stages.clone()));
        });
        assert_eq!(text, "kiln: 10,000 stages\nrun kqzvbnme: 10,000 up to date in 12.5 s\n");
    }

    #[test]
    fn a_few_restored_stages_get_lines_and_many_do_not() {
        let restore = |n: usize| {
            printed(PATIENCE, |plain| {
                for i in 0..n {
                    let record = stage(&format!("s{i}")).outcome(Outcome::Restored, "outputs missing").record();
                    plain.tell(&settled(record));
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
            plain.tell(&started(StageRecord { reasons: vec![], ..stage("s").record() }));
            (0..1000).for_each(|i| plain.tell(&progress("s", i, 1000, "row", "")));
        });
        assert_eq!(text, "s: started\n");
    }

    #[test]
    fn bytes_are_written_as_sizes() {
        let RunEvent::Progress { progress, .. } = progress("s", 1024, 3 << 20, "bytes", "") else { unreachable!() };
        assert_eq!(units(&progress), "1.00 KiB of 3.00 MiB");
    }
}
