//! `remote:` of a pipeline file: a URL, or a mapping with a URL and how it is used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Access, Address, Mistake as Wrong, PublicKey};
use crate::diagnostic::Span;

use super::duration;
use super::form::{fields, wrong};
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node};

/// The keys of its long form.
pub(super) const REMOTE: &[&str] = &["url", "access", "lazy", "accept", "wait"];

/// What a pipeline file says of a remote cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSpec {
    /// Its URL, which is known to be one.
    pub url: String,
    /// What may be done with it.
    pub access: Option<Access>,
    /// Whether outputs of stages that nothing needs are left there.
    pub lazy: bool,
    /// The public keys whose results are accepted, which are known to be some; anybody's if there are none.
    pub accept: Vec<String>,
    /// How long a run waits at its end until all is sent.
    pub wait: Option<Duration>,
    /// Where the URL stands in the file: first byte, and one past the last.
    at: (usize, usize),
}

impl RemoteSpec {
    /// Where the URL stands in the file.
    pub fn span(&self) -> Span {
        Span { start: self.at.0, end: self.at.1 }
    }
}

/// Reads it.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes<'_>) -> Option<RemoteSpec> {
    let url = |node: &Node, mistakes: &mut Mistakes<'_>| {
        let Some(url) = node.text() else { return wrong(node, "`remote`", "a URL, or a mapping with `url`", mistakes) };
        let address = checked(node, Address::parse(url), mistakes)?;
        let at = (node.place.start as usize, node.place.end as usize);
        Some(RemoteSpec { url: address.to_string(), access: None, lazy: false, accept: vec![], wait: None, at })
    };
    if !matches!(node.content, Content::Map(_)) {
        return url(node, mistakes);
    }
    let entries = fields(node, "`remote`", REMOTE, mistakes);
    let mut spec = match entries.iter().find(|entry| entry.key == "url") {
        Some(entry) => url(&entry.node, mistakes),
        None => {
            mistakes.add(
                Mistake::new("`remote` has no `url`").at(node.place, "").hint("for example `url: s3://bucket/prefix`"),
            );
            None
        }
    };
    for entry in entries {
        set(spec.as_mut(), entry, mistakes);
    }
    spec
}

fn set(spec: Option<&mut RemoteSpec>, entry: &Entry, mistakes: &mut Mistakes<'_>) {
    let node = &entry.node;
    let mut other = None;
    let spec = match spec {
        Some(spec) => spec,
        // What is wrong with the rest is told all the same.
        None => other.insert(RemoteSpec {
            url: String::new(),
            access: None,
            lazy: false,
            accept: vec![],
            wait: None,
            at: (0, 0),
        }),
    };
    match entry.key.as_str() {
        "access" => match node.text() {
            Some("read") => spec.access = Some(Access::Read),
            Some("write") => spec.access = Some(Access::Write),
            Some("both") => spec.access = Some(Access::Both),
            _ => no(node, "`access`", "`read`, `write` or `both`", mistakes),
        },
        "lazy" => match node.content {
            Content::Bool(lazy) => spec.lazy = lazy,
            _ => no(node, "`lazy`", "`true` or `false`", mistakes),
        },
        "accept" => match &node.content {
            Content::List(items) => {
                for item in items {
                    let Some(text) = item.text() else {
                        no(item, "a key", "text", mistakes);
                        continue;
                    };
                    spec.accept.extend(checked(item, text.parse::<PublicKey>(), mistakes).map(|key| key.to_string()));
                }
            }
            _ => no(node, "`accept`", "a list of public keys", mistakes),
        },
        "wait" => match node.text().and_then(duration::parse) {
            Some(wait) => spec.wait = Some(wait),
            None => no(node, "`wait`", "a duration such as `10s` or `5m`", mistakes),
        },
        _ => {}
    }
}

/// Tells of a value of another type than is wanted.
fn no(node: &Node, what: &str, wanted: &str, mistakes: &mut Mistakes<'_>) {
    let _: Option<()> = wrong(node, what, wanted, mistakes);
}

fn checked<T>(node: &Node, read: Result<T, Wrong>, mistakes: &mut Mistakes<'_>) -> Option<T> {
    read.map_err(|wrong| mistakes.add(Mistake::new(wrong.message).at(node.place, "").hint(wrong.hint))).ok()
}
