//! What goes to and from the remote cache in a run: sent by a thread of its own while stages are executed, and told while it goes on.

use std::time::{Duration, Instant};

use super::context::Options;
use super::event::Reporter;
use crate::address::Traffic;
use crate::events::RunEvent;
use crate::interrupt::Interrupt;
use crate::remote::Remote;
use crate::store::{Store, Trace};

/// How often it is told.
const EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether all is sent.
const TICK: Duration = Duration::from_millis(20);

/// What was told of a remote cache.
pub(super) struct Watch<'a> {
    remote: &'a Remote,
    told: Traffic,
    at: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(remote: &'a Remote) -> Self {
        Self { remote, told: remote.traffic(), at: Instant::now() }
    }

    /// What is new.
    pub(super) fn look(&mut self) -> Vec<RunEvent> {
        let mut events: Vec<RunEvent> = self.remote.news().into_iter().map(|text| RunEvent::Note { text }).collect();
        if self.at.elapsed() >= EVERY {
            let traffic = self.remote.traffic();
            if traffic != self.told {
                events.push(RunEvent::Remote(Box::new(traffic.clone())));
                self.told = traffic;
            }
            self.at = Instant::now();
        }
        events
    }
}

/// Does the work of a run while another thread sends what it gives; then waits until that is sent, as long as the remote's limit is.
pub(super) fn beside<T>(
    options: &Options,
    store: &Store,
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
    trace: &mut Option<Trace>,
    began: Instant,
    work: impl FnOnce(&mut dyn Reporter, &mut Option<Trace>) -> T,
) -> T {
    let Some(remote) = options.remote.as_deref() else { return work(reporter, trace) };
    if !remote.writes() {
        let done = work(reporter, trace);
        if let Some(text) = remote.withheld() {
            tell(reporter, trace, began, &RunEvent::Note { text });
        }
        return done;
    }
    remote.open_again();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| remote.send_all(store));
        remote.send_left_over();
        let done = work(reporter, trace);
        let limit = if interrupt.is_set() { Duration::ZERO } else { remote.limit() };
        remote.close(Some(limit));
        let mut watch = Watch::new(remote);
        let mut tell = |event: &RunEvent| tell(reporter, trace, began, event);
        while !sending.is_finished() {
            if interrupt.is_set() {
                remote.close(Some(Duration::ZERO));
            }
            watch.look().iter().for_each(&mut tell);
            std::thread::sleep(TICK);
        }
        watch.look().iter().for_each(&mut tell);
        let left = remote.left_over();
        if left > 0 {
            let text = format!(
                "{left} result{} of this run or earlier ones {} still to be sent to {}; the next run goes on with that, or `kiln push`",
                if left == 1 { "" } else { "s" },
                if left == 1 { "is" } else { "are" },
                remote.address()
            );
            tell(&RunEvent::Note { text });
        }
        done
    })
}

fn tell(reporter: &mut dyn Reporter, trace: &mut Option<Trace>, began: Instant, event: &RunEvent) {
    if let Some(trace) = trace.as_mut() {
        let at = began.elapsed().as_secs_f64();
        trace.note(at, event);
        trace.flush(at);
    }
    reporter.tell(event);
}
