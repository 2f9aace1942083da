//! What is told of an attempt that came to nothing: in words, with where the file asks for what the job had.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::gauge::Beyond;
use super::scheduler::Wants;
use super::verdict::Why;
use crate::engine::executor::failure::{Failed, Lost, NoResult};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::show;

/// So many lines of a job's own output are told.
const LINES: usize = 5;

/// What is known of an attempt that is told of.
pub(super) struct Telling<'t> {
    /// What the scheduler calls its job.
    pub(super) job: Option<String>,
    /// What it asked for.
    pub(super) wants: &'t Wants,
    /// Where the file says so, if it does.
    pub(super) place: Option<&'t str>,
    /// What the scheduler wrote beside the log, such as that memory was exceeded.
    pub(super) output: String,
    /// That the job took more memory than it had, as it last said itself.
    pub(super) beyond: Option<Beyond>,
}

impl Telling<'_> {
    /// Why there is no result.
    pub(super) fn failure(&self, why: Why) -> NoResult {
        let job = self.job.as_ref().map_or_else(|| "its job".to_owned(), |id| format!("its job {id}"));
        let other = |why: String| Failed::from(Failure::Other { why });
        let lost = |failed: Failed, out_of_time: bool| NoResult::Lost(Box::new(Lost { failed, out_of_time }));
        let at = self.at();
        match why {
            Why::Refused(why) => NoResult::Failed(other(format!("the cluster does not take its job: {why}{at}"))),
            Why::NeverStarts(reason) => NoResult::Failed(
                other(format!("{job} would never start, and is cancelled: {reason}{at}"))
                    .and("hint: it asks for more than the partition has or allows; see its `resources`"),
            ),
            Why::OutOfTime => {
                let failed = self.beside(other(format!("{job} was stopped at its time limit")));
                lost(failed.and(self.ask_for_time()), true)
            }
            Why::OutOfMemory => self.killed(),
            Why::Cancelled => NoResult::Failed(self.beside(other(format!("{job} was cancelled, and not by Kiln")))),
            Why::NotRun(why) => NoResult::Failed(self.beside(other(why))),
            Why::Silent(_) if self.lacked_memory() => self.killed(),
            Why::Lost(why) | Why::Silent(why) => lost(self.beside(other(why.replacen("its job", &job, 1))), false),
        }
    }

    /// What helps against a lack of memory.
    pub(super) fn ask_for_memory(&self) -> String {
        let had = self.wants.wishes.memory.or_else(|| self.beyond.map(|beyond| beyond.had));
        let had = had.map_or_else(|| "what the cluster gives to those who do not ask".into(), show::number::size);
        format!("hint: its job had {had}; `resources: {{memory: ...}}` asks for more{}", self.at())
    }

    fn ask_for_time(&self) -> String {
        // Schedulers count minutes.
        let minutes = |time: Duration| show::number::duration(time.as_secs().div_ceil(60) as f64 * 60.0);
        let had =
            self.wants.wishes.time.map_or_else(|| "what the cluster gives to those who do not ask".into(), minutes);
        let at = self.at();
        format!(
            "hint: its job had {had}; `resources: {{time: ...}}` asks for more, and what is made of steps goes on in the next job{at}"
        )
    }

    fn killed(&self) -> NoResult {
        let killed = Failure::Killed { signal: 9, core_dumped: false };
        let failed = self.beside(Failure::OutOfMemory { failure: Box::new(killed) }.into());
        NoResult::Failed(failed.and(self.ask_for_memory()))
    }

    /// Whether a job of which nobody says why it ended lacked memory.
    fn lacked_memory(&self) -> bool {
        let said = |text: &str| self.output.contains(text);
        self.beyond.is_some() || said("Exceeded job memory limit") || said("oom-kill event")
    }

    /// A failure with the last lines of the job's own output, each once.
    fn beside(&self, failed: Failed) -> Failed {
        let mut lines: Vec<&str> = self.output.lines().filter(|line| !line.trim().is_empty()).collect();
        let mut met = BTreeSet::new();
        lines.retain(|line| met.insert(*line));
        lines[lines.len().saturating_sub(LINES)..].iter().fold(failed, |failed, line| failed.and(*line))
    }

    /// Where the file says what the job asks for, as a line of its own.
    fn at(&self) -> String {
        self.place.map_or_else(String::new, |place| format!("\n --> {place}"))
    }
}

/// A place in the pipeline file: `pipeline.yaml:12:5`.
pub(super) fn place(pipeline: &Pipeline, at: usize) -> Option<String> {
    let text = fs::read(pipeline.root.join(&pipeline.file)).ok()?;
    let before = text.get(..at)?;
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Some(format!("{}:{line}:{column}", pipeline.file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Wishes;

    #[test]
    fn what_nobody_explains_is_a_lack_of_memory_if_the_job_or_its_output_says_so() {
        let wants = Wants { cpus: 1, gpus: 0, wishes: Wishes { memory: Some(300_000_000), ..Wishes::default() } };
        let tell = |output: &str, beyond: Option<Beyond>, why: Why| {
            let place = Some("pipeline.yaml:2:1");
            let telling = Telling { job: Some("7_0".into()), wants: &wants, place, output: output.into(), beyond };
            match telling.failure(why) {
                NoResult::Failed(failed) => ("failed", failed.text()),
                NoResult::Lost(lost) => ("lost", lost.failed.text()),
                NoResult::Interrupted => panic!("nobody interrupts"),
            }
        };
        let silent = || Why::Silent("its job left no record".into());
        let beyond = Some(Beyond { taken: 400 << 20, had: 287 << 20 });
        for (output, beyond) in [("", beyond), ("x: Exceeded job memory limit\n", None)] {
            let (kind, text) = tell(output, beyond, silent());
            assert_eq!(kind, "failed");
            assert!(text.contains("because memory ran out") && text.contains(output.trim()), "{text}");
            assert!(
                text.ends_with(
                    "hint: its job had 300.0 MB; `resources: {memory: ...}` asks for more\n --> pipeline.yaml:2:1"
                ),
                "{text}"
            );
        }
        assert_eq!(tell("", None, silent()), ("lost", "its job 7_0 left no record".into()));
        // What became of the node says nothing of the stage.
        assert_eq!(tell("", beyond, Why::Lost("its node was lost".into())).0, "lost");
        let (kind, text) = tell("", None, Why::OutOfTime);
        assert!(kind == "lost" && text.contains("its job 7_0 was stopped at its time limit\nhint: "), "{text}");
    }
}
