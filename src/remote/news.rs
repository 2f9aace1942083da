//! What went to and from a remote cache, and what the user should know of it.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Remote;
use super::problem::Problem;
use crate::address::Traffic;

impl Remote {
    /// What went to and fro so far.
    pub fn traffic(&self) -> Traffic {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (received_bytes, sent_bytes) = self.shared.health.bytes();
        Traffic {
            url: self.address().to_string(),
            asked: count(&self.counts.asked),
            found: count(&self.counts.found),
            refused: count(&self.counts.refused),
            fetched: count(&self.counts.fetched),
            received_bytes,
            sent: count(&self.counts.sent),
            sent_bytes,
            contents_sent: count(&self.shared.contents_sent),
            left: self.outbox.left(),
            seconds: self.shared.health.busy().as_secs_f64(),
        }
    }

    /// What the user should know and was not told yet.
    pub fn news(&self) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        let url = self.address();
        if let Some(Problem { text, hint, .. }) = self.shared.health.why()
            && told.insert("off")
        {
            let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            news.push(format!("warning: the remote cache {url} is left alone for this run: {text}{hint}"));
        }
        let refused = self.counts.refused.load(Ordering::Relaxed);
        if refused > 0 && told.insert("refused") {
            news.push(format!(
                "warning: the remote cache {url} has results that no accepted key signed; they are not used\n\
                 hint: `remote: {{accept: [...]}}` in the pipeline file lists the keys that are accepted"
            ));
        }
        // One warning is enough.
        if self.shared.health.lies() > 0 && !told.contains("off") && told.insert("lies") {
            news.push(format!(
                "warning: what the remote cache {url} sent is not what was stored there; it is made anew"
            ));
        }
        if self.settings.access.writes()
            && let Some((why, hint)) = self.why_silent()
            && told.insert("unsigned")
        {
            news.push(format!("results are not sent to {url}: {why}\nhint: {hint}"));
        }
        let given_up = self.counts.given_up.load(Ordering::Relaxed);
        if given_up > 0 && !self.is_off() && told.insert("given up") {
            news.push(format!(
                "to fetch some outputs from {url} would take longer than to make them anew; they are made anew"
            ));
        }
        if self.outbox.is_full() && told.insert("full") {
            news.push(format!(
                "warning: the remote cache {url} has no room; results are not sent any more in this run"
            ));
        }
        if let Some(why) = self.outbox.trouble()
            && !self.is_off()
            && !self.outbox.is_full()
            && told.insert("trouble")
        {
            news.push(format!("warning: not all results could be sent to {url}: {why}"));
        }
        news
    }
}
