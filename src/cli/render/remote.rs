//! What went to and from a remote cache, in a line.

use std::fmt::Write as _;
use std::time::Duration;

use kiln::engine::Pulled;
use kiln::remote::{Expired, Remote, Traffic};

use super::look::{Look, one_line};
use super::number;

/// So many stages are named.
const NAMED: usize = 20;

/// `remote cache: 12 of 30 results found, 34.1 MiB received, 5 results sent (12.0 MiB), 3 left`.
pub(crate) fn traffic(traffic: &Traffic) -> String {
    let mut parts = Vec::new();
    if traffic.asked > 0 {
        parts.push(format!("{} of {} found", traffic.found, number::count(traffic.asked, "result")));
    }
    if traffic.refused > 0 {
        parts.push(format!("{} not accepted", traffic.refused));
    }
    // A few bytes tell whether there is a cache at all.
    if traffic.asked + traffic.fetched > 0 && traffic.received_bytes > 0 {
        parts.push(format!("{} received", number::size(traffic.received_bytes)));
    }
    if traffic.sent > 0 {
        parts.push(format!("{} sent ({})", number::count(traffic.sent, "result"), number::size(traffic.sent_bytes)));
    } else if traffic.sent_bytes > 0 {
        parts.push(format!("{} sent", number::size(traffic.sent_bytes)));
    }
    if traffic.left > 0 {
        parts.push(format!("{} still to be sent", traffic.left));
    }
    if let Some(rate) = traffic.rate() {
        parts.push(format!("{}/s", number::size(rate)));
    }
    format!("remote cache: {}", if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") })
}

/// Says what the user was not told yet.
pub(crate) fn news(remote: Option<&Remote>) {
    for news in remote.into_iter().flat_map(Remote::news) {
        super::talk(&format!("kiln: {news}\n"));
    }
}

/// What was tried of a remote cache, and how long it took.
pub(crate) fn tried(url: &str, tried: &[(&str, Duration)], writes: bool) -> String {
    let mut text = format!("{url} is a cache of Kiln's\n");
    for (what, took) in tried {
        let _ = writeln!(text, "  {what:<6} {:>7.1} ms", took.as_secs_f64() * 1e3);
    }
    if !writes {
        text += "  nothing was written: access is `read`\n";
    }
    text
}

/// What of a remote cache nobody needs.
pub(crate) fn expired(expired: &Expired, deleted: bool) -> String {
    let all = number::count(expired.results, "result");
    let objects = number::count(expired.objects, "other object");
    let mut text = format!("{all} and {objects}, {}\n", number::size(expired.bytes));
    let done = if deleted { "deleted" } else { "can be deleted" };
    let _ = writeln!(
        text,
        "{} that {} not used and {} that nothing names {done}: {}",
        number::count(expired.old, "result"),
        if expired.old == 1 { "was" } else { "were" },
        number::count(expired.unnamed, "object"),
        number::size(expired.freed_bytes)
    );
    if !deleted && expired.old + expired.unnamed > 0 {
        text += "`--delete` deletes this\n";
    }
    text
}

/// What became of `pull`.
pub(crate) fn pulled(pulled: &Pulled, look: &Look) -> String {
    let mut text = String::new();
    for (name, why) in &pulled.failed {
        let mut lines = why.lines();
        let what = lines.next().unwrap_or_default();
        let _ = writeln!(text, "{} {name}: {}", look.red("error:"), one_line(what));
        for line in lines {
            let _ = writeln!(text, "  {}", one_line(line));
        }
    }
    for name in pulled.missing.iter().take(NAMED) {
        let _ = writeln!(text, "{name}: no result there");
    }
    if pulled.missing.len() > NAMED {
        let _ = writeln!(text, "{} without a result", number::count(pulled.missing.len() - NAMED, "more stage"));
    }
    let _ = writeln!(
        text,
        "{} put in place, {} there already, {} without a result",
        number::count(pulled.placed.len(), "stage"),
        pulled.in_place,
        pulled.missing.len()
    );
    text
}
