//! What a run does, as bars on a terminal: one for the whole run, and a line for each stage that is running.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kiln::compare::Counts;
use kiln::events::RunEvent;
use kiln::record::{Outcome, RunRecord, StageRecord};

use super::look::{Look, note, one_line};
use super::outbox::STDERR;
use super::{Reporter, number, plain, remote, summary};

/// The time between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// A stage gets a line once it has run this long, so that quick stages do not flicker.
const PATIENCE: Duration = Duration::from_millis(300);
/// More running stages than this are only counted.
const LINES: usize = 12;

/// Draws bars. Events only note what happened; a thread draws, so that ten thousand stages cost no more than ten.
pub(crate) struct Progress<W> {
    look: Look,
    out: W,
    screen: Arc<Mutex<Screen>>,
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<W> Progress<W> {
    /// Draws bars to `target`, and writes the summary to `out` once they are gone.
    pub(crate) fn new(look: Look, target: ProgressDrawTarget, out: W) -> Self {
        let screen = Arc::new(Mutex::new(Screen::new(look, target)));
        let (stop, stopped) = mpsc::channel();
        let drawn = Arc::clone(&screen);
        let painter = thread::Builder::new().name("progress".into()).spawn(move || {
            while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                // A terminal that is behind gets no more frames. Otherwise it would show all of them later.
                if STDERR.is_clear() {
                    lock(&drawn).draw(Instant::now());
                }
            }
        });
        // Without a thread to spare there are only the lines that events print.
        Self { look, out, screen, painter: painter.ok().map(|handle| (stop, handle)) }
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }

    fn close(&mut self) {
        if let Some((stop, handle)) = self.painter.take() {
            drop(stop);
            let _ = handle.join();
        }
        self.screen().clear();
    }
}

impl<W> Drop for Progress<W> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A panic elsewhere must not silence the reporter.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Write> Reporter for Progress<W> {
    fn tell(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Run(began) => self.screen().overall.set_length(began.stages as u64),
            RunEvent::UpToDate { count } => self.screen().counts.up_to_date += count,
            RunEvent::Started(record) => {
                let message = plain::started(&record.why());
                let line = Running { since: Instant::now(), message, far: None, bar: None };
                self.screen().running.insert(record.name.clone(), line);
            }
            RunEvent::Progress { stage, progress } => {
                if let Some(line) = self.screen().running.get_mut(stage) {
                    // A job that waits in a queue has no units yet.
                    if progress.total > 0 {
                        line.advance(progress.done, progress.total, Instant::now());
                    }
                    line.message = plain::units(progress);
                }
            }
            RunEvent::Message { stage, text } => self.screen().print(&format!("{stage}: {}", one_line(text))),
            RunEvent::Note { text } => self.screen().print(&format!("kiln: {}", note(text))),
            RunEvent::Remote(traffic) => self.screen().traffic = remote::traffic(traffic),
            RunEvent::Finished(record) => self.finished(record),
        }
    }

    fn run_finished(&mut self, record: &RunRecord) {
        self.close();
        let text = summary::summary(record, &self.look);
        // Not through the bars, which would pad each line to the width of the terminal.
        let _ = self.out.write_all(text.as_bytes());
    }
}

impl<W> Progress<W> {
    fn finished(&self, record: &StageRecord) {
        let mut screen = self.screen();
        screen.counts.add(record.outcome);
        if let Some(bar) = screen.running.remove(&record.name).and_then(|line| line.bar) {
            screen.bars.remove(&bar);
        }
        if let Some(line) = plain::finished(record, &screen.counts) {
            let line = match record.outcome {
                Outcome::Failed => self.look.red(&line),
                Outcome::Executed => line,
                _ => self.look.dim(&line),
            };
            screen.print(&line);
        }
    }
}

/// What is on the screen.
struct Screen {
    look: Look,
    bars: MultiProgress,
    overall: ProgressBar,
    /// What went to and from the remote cache.
    traffic: String,
    counts: Counts,
    running: BTreeMap<String, Running>,
}

impl Screen {
    fn new(look: Look, target: ProgressDrawTarget) -> Self {
        let bars = MultiProgress::with_draw_target(target);
        let overall = bars.add(ProgressBar::new(0));
        overall.set_style(style("{bar:24} {pos}/{len} {wide_msg}"));
        Self { look, bars, overall, counts: Counts::default(), running: BTreeMap::new(), traffic: String::new() }
    }

    /// Brings the bars up to what events noted.
    fn draw(&mut self, now: Instant) {
        let mut shown = self.running.values().filter(|line| line.bar.is_some()).count();
        for (name, line) in &mut self.running {
            if line.bar.is_none() && shown < LINES && now.duration_since(line.since) >= PATIENCE {
                shown += 1;
                line.bar = Some(self.bars.insert_before(&self.overall, ProgressBar::new(0)));
            }
            line.draw(name, &self.look, now);
        }
        self.overall.set_position(self.counts.total() as u64);
        let message = overall(&self.counts, self.running.len(), self.overall.elapsed());
        self.overall.set_message(if self.traffic.is_empty() {
            message
        } else {
            format!("{message}; {}", self.traffic)
        });
        self.overall.tick();
    }

    /// A line above the bars, there to stay.
    fn print(&self, line: &str) {
        let _ = self.bars.println(line);
    }

    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values().filter_map(|line| line.bar) {
            bar.finish_and_clear();
        }
        self.overall.finish_and_clear();
        let _ = self.bars.clear();
    }
}

/// A stage that is running.
struct Running {
    since: Instant,
    message: String,
    far: Option<Far>,
    bar: Option<ProgressBar>,
}

/// How far a stage is, and since when it has been measured.
struct Far {
    /// Units that were done when measuring began: a resumed stage does not start from nothing.
    base: u64,
    began: Instant,
    done: u64,
    total: u64,
    at: Instant,
}

impl Running {
    fn advance(&mut self, done: u64, total: u64, now: Instant) {
        // A first report of one unit done is an ordinary start; one of more is a resumed stage's.
        let (base, began) = if done <= 1 { (0, self.since) } else { (done, now) };
        let far = self.far.get_or_insert(Far { base, began, done, total, at: now });
        (far.done, far.total, far.at) = (done, total, now);
    }

    fn draw(&self, name: &str, look: &Look, now: Instant) {
        let Some(bar) = &self.bar else { return };
        let elapsed = now.duration_since(self.since);
        let (template, times) = match &self.far {
            Some(far) => {
                bar.set_length(far.total);
                bar.set_position(far.done);
                let left = remaining(
                    far.at - far.began,
                    far.done.saturating_sub(far.base),
                    far.total.saturating_sub(far.done),
                );
                let left = left.map(|left| left.saturating_sub(now.duration_since(far.at)));
                ("  {prefix} {bar:16} {wide_msg}", left.map(|left| format!(" ETA {}", whole(left))).unwrap_or_default())
            }
            None => ("  {prefix} {spinner} {wide_msg}", format!(" {}", whole(elapsed))),
        };
        bar.set_style(style(template));
        bar.set_prefix(look.bold(name));
        bar.set_message(format!("{}{times}", self.message));
        bar.tick();
    }
}

/// The time that `left` units take if `done` took `spent`; `None` before the first is done.
fn remaining(spent: Duration, done: u64, left: u64) -> Option<Duration> {
    let seconds = spent.as_secs_f64() / done as f64 * left as f64;
    if done == 0 { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// Whole seconds: a line that changes ten times a second is hard to read.
fn whole(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => number::duration(seconds as f64),
    }
}

/// What the bar of the whole run says beside its count.
fn overall(counts: &Counts, running: usize, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if running > 0 {
        parts.push(format!("{running} running"));
    }
    parts.extend(summary::counted(counts));
    parts.push(whole(elapsed));
    parts.join(", ")
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ")
}

#[cfg(test)]
mod tests {
    use super::super::records::{began, note, run, settled, stage, started};
    use super::*;
    use indicatif::TermLike;
    use std::io;

    /// A terminal that remembers all that was written to it.
    #[derive(Clone, Debug, Default)]
    struct Tape(Arc<Mutex<String>>);

    impl Tape {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Tape {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn screen(tape: &Tape) -> Screen {
        Screen::new(Look::default(), ProgressDrawTarget::term_like(Box::new(tape.clone())))
    }

    #[test]
    fn a_stage_that_runs_for_long_gets_a_line_with_its_progress() {
        let tape = Tape::default();
        let mut screen = screen(&tape);
        let start = Instant::now();
        screen.overall.set_length(9);
        let quick = Running { since: start + Duration::from_secs(20), message: String::new(), far: None, bar: None };
        let mut slow = Running { since: start, message: "epoch 3/10 loss 0.1234".into(), far: None, bar: None };
        slow.advance(1, 10, start + Duration::from_secs(10));
        slow.advance(3, 10, start + Duration::from_secs(20));
        screen.running.insert("quick".into(), quick);
        screen.running.insert("train[model=5]".into(), slow);
        screen.draw(start + Duration::from_secs(20));
        let line = &screen.running["train[model=5]"];
        assert_eq!(line.bar.as_ref().unwrap().message(), "epoch 3/10 loss 0.1234 ETA 46 s");
        assert_eq!(line.bar.as_ref().unwrap().prefix(), "train[model=5]");
        assert!(screen.running["quick"].bar.is_none());
        assert!(screen.overall.message().starts_with("2 running"));
    }

    #[test]
    fn only_so_many_lines_are_shown() {
        let mut screen = screen(&Tape::default());
        let start = Instant::now();
        for i in 0..50 {
            let line = Running { since: start, message: String::new(), far: None, bar: None };
            screen.running.insert(format!("s{i}"), line);
        }
        (1..4).for_each(|i| screen.draw(start + i * PATIENCE));
        assert_eq!(screen.running.values().filter(|line| line.bar.is_some()).count(), LINES);
    }

    #[test]
    fn the_time_left_follows_what_was_done_since_measuring_began() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(seconds(20), 2, 8), Some(seconds(80)));
        assert_eq!(remaining(seconds(20), 0, 8), None);
        assert_eq!(remaining(seconds(20), 5, 0), Some(seconds(0)));
        let start = Instant::now();
        let mut resumed = Running { since: start, message: String::new(), far: None, bar: None };
        resumed.advance(5, 10, start + seconds(1));
        resumed.advance(6, 10, start + seconds(11));
        let far = resumed.far.unwrap();
        assert_eq!((far.base, far.at - far.began), (5, seconds(10)));
    }

    #[test]
    fn finished_stages_and_the_summary_stay_on_the_screen() {
        let tape = Tape::default();
        let mut out = Vec::new();
        let target = ProgressDrawTarget::term_like(Box::new(tape.clone()));
        let mut progress = Progress::new(Look::default(), target, &mut out);
        let stages = vec![stage("a").executed(1.0, "never run before").record(), stage("b").record()];
        progress.tell(&began(2));
        progress.tell(&note("waiting for another kiln"));
        progress.tell(&started(stages[0].clone()));
        progress.tell(&RunEvent::Message { stage: "a".into(), text: "hello".into() });
        progress.tell(&settled(stages[0].clone()));
        progress.tell(&RunEvent::UpToDate { count: 1 });
        progress.run_finished(&run("kqzvbnme", stages));
        drop(progress);
        let text = tape.text();
        for line in ["kiln: waiting for another kiln", "a: hello", "a: executed in 1.0 s"] {
            assert!(text.contains(line), "{line:?} is missing in {text}");
        }
        assert!(!text.contains("b:"), "{text}");
        assert_eq!(String::from_utf8(out).unwrap(), "run kqzvbnme: 1 executed, 1 up to date in 12.5 s\n");
    }
}
