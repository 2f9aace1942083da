//! What goes wrong with a remote cache, in a person's words, and what to do about it.

use super::connect::chain;
use crate::address::{Address, Place};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The object is not there, or the bucket is not.
    Missing,
    /// The server refuses: credentials, rights, the clock.
    Refused,
    /// The server has no room.
    Full,
    /// The server does not answer, or not as a server should.
    Silent,
}

/// Something that went wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// In words.
    pub(super) text: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// Whether it was waited for in vain, or the server had too much to do. Whatever else was asked then fared no better.
    pub(super) late: bool,
}

impl Problem {
    pub(super) fn silent(text: impl Into<String>) -> Self {
        Self { kind: Kind::Silent, text: text.into(), hint: None, late: false }
    }

    /// What an error of a client means. Servers say the same in different ways, so what they said is looked into.
    pub(super) fn of(error: &object_store::Error, address: &Address) -> Self {
        // The client tells of its own limits by names in which there is a timeout.
        let said = chain(error).replace("retry_timeout", "limit");
        let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
        let status = status(&said);
        let is_busy = matches!(status, Some(429 | 500..=599));
        let (kind, text, hint): (Kind, String, Option<&str>) = if has(&["RequestTimeTooSkewed", "too skewed", "skewed"])
        {
            (
                Kind::Refused,
                "the server says that the clock of this machine is wrong".into(),
                Some("set the clock, by NTP for example; signatures are good for some minutes"),
            )
        } else if has(&["ExpiredToken", "TokenRefreshRequired", "token has expired", "Token expired"]) {
            (
                Kind::Refused,
                "the credentials have expired".into(),
                Some("log in again and set the new AWS_SESSION_TOKEN with its keys"),
            )
        } else if has(&["InvalidAccessKeyId", "InvalidToken"]) {
            (
                Kind::Refused,
                "the server does not know the access key".into(),
                Some("look at AWS_ACCESS_KEY_ID, or at the profile in ~/.aws/credentials"),
            )
        } else if has(&["SignatureDoesNotMatch"]) {
            (
                Kind::Refused,
                "the secret key is wrong".into(),
                Some("look at AWS_SECRET_ACCESS_KEY, or at the profile in ~/.aws/credentials"),
            )
        } else if has(&["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]) {
            (Kind::Missing, "the bucket is not there".into(), Some("make it, or mend the URL; Kiln makes no buckets"))
        } else if has(&["No space left", "InsufficientStorage", "QuotaExceeded", "EntityTooLarge", "StorageFull"])
            || status == Some(507)
        {
            (
                Kind::Full,
                "there is no room".into(),
                Some("make room there; `kiln remote gc` deletes what has long not been used"),
            )
        } else {
            match error {
                object_store::Error::NotFound { .. } => (Kind::Missing, "it is not there".into(), None),
                object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                    (Kind::Refused, "access is refused".into(), Some(rights(&address.place)))
                }
                _ if matches!(status, Some(401 | 403)) || has(&["AccessDenied", "Permission denied"]) => {
                    (Kind::Refused, "access is refused".into(), Some(rights(&address.place)))
                }
                _ if status == Some(404) => (Kind::Missing, "it is not there".into(), None),
                _ if has(&["Connection refused", "error trying to connect", "dns error", "tcp connect error"]) => {
                    (Kind::Silent, unconnected(&said), None)
                }
                _ if is_busy => (Kind::Silent, format!("the server says {}", answer(&said)), None),
                _ if has(&["timed out", "timeout"]) => (Kind::Silent, "the server does not answer".into(), None),
                _ => (Kind::Silent, short(&said), None),
            }
        };
        let late = kind == Kind::Silent && (is_busy || has(&["timed out", "timeout"]));
        let hint = hint.map(|hint| match kind {
            // Whoever has a server of his own and forgot to say so asks Amazon's.
            Kind::Refused if said.contains(".amazonaws.com") => {
                format!("{hint}; it was Amazon's server that was asked: AWS_ENDPOINT_URL names another")
            }
            _ => hint.to_owned(),
        });
        Self { kind, text, hint, late }
    }
}

fn rights(place: &Place) -> &'static str {
    match place {
        Place::Folder(_) => {
            "whoever shares the folder needs the right to read it, and to write to it if results are to be sent; \
             after `chgrp -R GROUP FOLDER`, `chmod -R g+rwX FOLDER` and `find FOLDER -type d -exec chmod g+s {} +` by its owner the group has both, and Kiln keeps it so"
        }
        _ => "the credentials need the right to get, put, list and delete objects of this bucket",
    }
}

/// The status of an answer that is told of. Such digits stand elsewhere as well, in times and in ports.
fn status(said: &str) -> Option<u16> {
    said.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// The status of an answer in words, and what came with it if that is short.
fn answer(said: &str) -> String {
    let answer = said.split_once("status code: ").map_or(said, |(_, answer)| answer);
    let (status, body) = answer.split_once(": ").unwrap_or((answer, ""));
    let tagged = |tag: &str| body.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once("</"));
    match tagged("Message").or_else(|| tagged("Code")) {
        Some((message, _)) if !message.is_empty() => short(&format!("{status}: {message}")),
        _ => short(status.trim_end_matches(':')),
    }
}

/// That there is no connection: to which server, and the last cause.
fn unconnected(said: &str) -> String {
    let server = said.split(' ').find(|word| word.starts_with("http://") || word.starts_with("https://"));
    let server =
        server.map_or_else(String::new, |url| format!(" to {}", url.split('/').take(3).collect::<Vec<_>>().join("/")));
    format!("cannot connect{server}: {}", short(said.rsplit(": ").next().unwrap_or(said)))
}

/// The last part of what was said: the cause, and no more than fits a line or two.
fn short(said: &str) -> String {
    let said = said.split("source: ").last().unwrap_or(said);
    match said.char_indices().nth(300) {
        Some((at, _)) => format!("{}...", &said[..at]),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Problem, answer, status, unconnected};
    use crate::address::Address;

    #[test]
    fn the_names_of_the_clients_own_limits_are_no_timeouts() {
        let address = Address::parse("s3://bucket/x").unwrap();
        let problem = |text: &str| {
            Problem::of(&object_store::Error::Generic { store: "S3", source: text.to_owned().into() }, &address)
        };
        let tries = "Error performing PUT http://127.0.0.1:9/b/x in 1.2s, after 3 retries, max_retries: 3, retry_timeout: 20s  - ";
        let refused = problem(&format!("{tries}HTTP error: tcp connect error: Connection refused (os error 111)"));
        assert_eq!((refused.kind, refused.late), (Kind::Silent, false));
        assert_eq!(refused.text, "cannot connect to http://127.0.0.1:9: Connection refused (os error 111)");
        let busy = problem(&format!("{tries}Server returned non-2xx status code: 503 Service Unavailable: "));
        assert_eq!((busy.text.as_str(), busy.late), ("the server says 503 Service Unavailable", true));
        let late = problem(&format!("{tries}HTTP error: operation timed out"));
        assert_eq!((late.text.as_str(), late.late), ("the server does not answer", true));
        let body = "status code: 500 Internal Server Error: <Error><Code>InternalError</Code><Message>disk is gone</Message></Error>";
        assert_eq!(answer(body), "500 Internal Server Error: disk is gone");
    }

    #[test]
    fn digits_of_times_and_ports_are_no_status() {
        let said = "Error performing GET http://127.0.0.1:40312/x in 6.403s - Server returned non-2xx status code: 503 Service Unavailable: ";
        assert_eq!(status(said), Some(503));
        assert_eq!(
            status("Error performing GET http://127.0.0.1:40312/x in 403.2ms - HTTP error: error sending request"),
            None
        );
    }

    #[test]
    fn a_server_that_is_not_there_is_named_with_the_cause() {
        let said = "Generic S3 error: Error performing GET http://127.0.0.1:9/cache/x in 2ms, after 2 retries - HTTP error: error sending \
                    request: client error (Connect): tcp connect error: Connection refused (os error 111)";
        assert_eq!(unconnected(said), "cannot connect to http://127.0.0.1:9: Connection refused (os error 111)");
    }
}
