//! Downloads over HTTP(S): progress, timeouts, retries, and going on where a broken connection stopped.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use anyhow::bail;
use ureq::http::{HeaderMap, StatusCode, header};

use crate::kind::Context;

/// How many attempts may fail in a row without a new byte.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt; it doubles from there.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes between two progress events.
const STEP: u64 = 1 << 18;

/// Writes what a URL holds to `file`. Follows redirects; a broken connection is taken up at the last byte (RFC 9110,
/// section 14), or started over where the server cannot do that or the file changed meanwhile.
///
/// # Errors
/// If the server says no, or after several attempts in a row without a new byte.
pub(super) fn download(url: &str, file: &mut File, timeout: Duration, context: &Context) -> anyhow::Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_per_read(Some(timeout))
        .http_status_as_error(false)
        .accept_encoding("identity")
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut transfer = Transfer { agent, url, file, context, done: 0, furthest: 0, validator: None };
    let mut failures = 0;
    loop {
        let before = transfer.furthest;
        let why = match transfer.attempt() {
            Ok(()) => return Ok(()),
            Err(Broken::Final(e)) => return Err(e),
            Err(Broken::Again(why)) => why,
        };
        failures = if transfer.furthest > before { 1 } else { failures + 1 };
        if failures == ATTEMPTS {
            bail!("{why} (after {} bytes; gave up after {ATTEMPTS} attempts)", transfer.furthest);
        }
        context.message(format!("{url}: {why} after {} bytes; trying again", transfer.done));
        std::thread::sleep(PAUSE * 2u32.pow(failures - 1));
    }
}

/// Why an attempt ended.
enum Broken {
    /// Worth another attempt.
    Again(String),
    /// Not worth one.
    Final(anyhow::Error),
}

struct Transfer<'a> {
    agent: ureq::Agent,
    url: &'a str,
    file: &'a mut File,
    context: &'a Context<'a>,
    /// Bytes in the file.
    done: u64,
    /// The most bytes that were ever in the file.
    furthest: u64,
    /// What tells that the server's file is still the same: a strong entity tag, or its date.
    validator: Option<String>,
}

impl Transfer<'_> {
    /// One request, from the byte reached so far.
    fn attempt(&mut self) -> Result<(), Broken> {
        let mut request = self.agent.get(self.url);
        if let (1.., Some(validator)) = (self.done, &self.validator) {
            request =
                request.header(header::RANGE, format!("bytes={}-", self.done)).header(header::IF_RANGE, validator);
        } else {
            self.restart()?;
        }
        let response = request.call().map_err(classify)?;
        let total = match response.status() {
            StatusCode::OK => {
                self.restart()?;
                self.validator = validator(response.headers());
                response.body().content_length()
            }
            StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
                Some((first, total)) if first == self.done => total,
                _ => return Err(self.start_over("the server went on at another byte")),
            },
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(self.start_over("the server's file became shorter")),
            status => {
                let why = format!("the server answered {status}");
                let again = status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
                return Err(if again { Broken::Again(why) } else { Broken::Final(anyhow::anyhow!(why)) });
            }
        };
        self.receive(response.into_body().into_reader(), total)
    }

    fn receive(&mut self, mut body: impl Read, total: Option<u64>) -> Result<(), Broken> {
        let mut buffer = vec![0; 1 << 16];
        let mut told = self.done;
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Broken::Again(format!("the connection broke ({e})"))),
            };
            self.file.write_all(&buffer[..n]).map_err(local)?;
            self.done += n as u64;
            self.furthest = self.furthest.max(self.done);
            if self.done - told >= STEP {
                told = self.done;
                self.context.progress(self.done, total.unwrap_or(0), "byte", self.url);
            }
        }
        if total.is_some_and(|total| total != self.done) {
            return Err(Broken::Again("the connection ended early".to_owned()));
        }
        self.file.flush().map_err(local)?;
        self.context.progress(self.done, total.unwrap_or(self.done), "byte", self.url);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.done = 0;
        self.file.set_len(0).map_err(local)?;
        self.file.seek(SeekFrom::Start(0)).map_err(local)?;
        Ok(())
    }

    fn start_over(&mut self, why: &str) -> Broken {
        self.validator = None;
        Broken::Again(why.to_owned())
    }
}

/// What to ask the server to compare before it goes on (`If-Range` takes no weak tags).
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    text(header::ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED))
}

/// The first byte and, where it is known, the total of `Content-Range: bytes 100-199/200`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = range.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn local(e: io::Error) -> Broken {
    Broken::Final(anyhow::Error::new(e).context("cannot write the download"))
}

fn classify(e: ureq::Error) -> Broken {
    match e {
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => {
            Broken::Again(e.to_string())
        }
        e => Broken::Final(e.into()),
    }
}
