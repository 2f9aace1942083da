//! One comment on a pull request: found by a hidden marker and updated, or else made.

use std::env;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::forge::{Forge, Kind};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many pages of a hundred comments are looked through.
const PAGES: usize = 100;

/// The first line of a comment, which a reader does not see.
pub(super) fn marker(name: &str) -> String {
    // Two hyphens would end it.
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "._/ ".contains(c) { c } else { '_' }).collect();
    format!("<!-- kiln-ci: {name} -->")
}

/// Posts or updates the comment, and says what was done.
///
/// # Errors
/// If that cannot be done: why, without the token.
pub(super) fn post(forge: &Forge, name: &str, text: &str) -> Result<String, String> {
    let poster = Poster { forge, agent: agent()? };
    poster.post(&marker(name), text).map_err(|why| why.replace(&forge.token, "***"))
}

struct Poster<'a> {
    forge: &'a Forge,
    agent: Agent,
}

impl Poster<'_> {
    fn post(&self, marker: &str, text: &str) -> Result<String, String> {
        let body = json!({ "body": text }).to_string();
        let (answer, done) = match (self.find(marker)?, self.forge.kind) {
            (Some(id), Kind::GitLab) => (self.send(self.agent.put(self.forge.comment(id)), &body)?, "updated"),
            (Some(id), _) => (self.send(self.agent.patch(self.forge.comment(id)), &body)?, "updated"),
            (None, _) => (self.send(self.agent.post(self.forge.comments()), &body)?, "posted"),
        };
        let address = answer["html_url"].as_str().map_or_else(String::new, |address| format!(": {address}"));
        Ok(format!("comment {done}{address}"))
    }

    /// The number of the comment that begins with the marker.
    fn find(&self, marker: &str) -> Result<Option<u64>, String> {
        let mut next = Some(format!("{}?per_page=100", self.forge.comments()));
        for _ in 0..PAGES {
            let Some(page) = next.take() else { break };
            let mut request = self.agent.get(&page);
            for (name, value) in self.forge.headers() {
                request = request.header(name, value);
            }
            let mut answer = request.call().map_err(|error| error.to_string())?;
            let comments = read(&mut answer)?;
            let own =
                |comment: &&Value| comment["body"].as_str().is_some_and(|body| body.trim_start().starts_with(marker));
            if let Some(comment) = comments.as_array().and_then(|comments| comments.iter().find(own)) {
                return Ok(comment["id"].as_u64());
            }
            next = self.next(&answer);
        }
        Ok(None)
    }

    /// The address of the next page, which has to be where the first one is: the token goes nowhere else.
    fn next(&self, answer: &Response<Body>) -> Option<String> {
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let comments = self.forge.comments();
        if self.forge.kind == Kind::GitLab {
            let page = header("x-next-page").and_then(|page| page.parse::<u64>().ok())?;
            return Some(format!("{comments}?per_page=100&page={page}"));
        }
        let links = header("link")?.split(',').map(str::trim);
        let next = links
            .filter(|link| link.contains("rel=\"next\""))
            .find_map(|link| link.strip_prefix('<')?.split('>').next());
        next.filter(|next| next.split('?').next() == Some(comments.as_str()) || self.is_at_home(next))
            .map(str::to_owned)
    }

    /// GitHub writes repositories by their numbers in links.
    fn is_at_home(&self, address: &str) -> bool {
        let api = self.forge.api.trim_end_matches('/');
        address.strip_prefix(api).is_some_and(|rest| rest.starts_with('/'))
    }

    fn send(&self, mut request: ureq::RequestBuilder<ureq::typestate::WithBody>, body: &str) -> Result<Value, String> {
        for (name, value) in self.forge.headers() {
            request = request.header(name, value);
        }
        let request = request.header("Content-Type", "application/json");
        read(&mut request.send(body).map_err(|error| error.to_string())?)
    }
}

/// The JSON of an answer; what the forge says is amiss, if something is.
fn read(answer: &mut Response<Body>) -> Result<Value, String> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let said = value["message"].as_str().or(value["error"].as_str()).unwrap_or_default();
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    let why = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            "the token has no right to comment on this pull request"
        }
        _ => "the comment was refused",
    };
    Err(format!("{why} ({}{}{said})", status.as_u16(), if said.is_empty() { "" } else { ": " }))
}

/// `SSL_CERT_FILE` names whom to trust, where that is not who everybody does.
fn agent() -> Result<Agent, String> {
    let mut tls = TlsConfig::builder();
    if let Some(file) = env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        let pem = fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let trusted: Vec<Certificate<'static>> = parse_pem(&pem).filter_map(certificate).collect();
        tls = tls.root_certs(RootCerts::from(trusted));
    }
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .user_agent(format!("kiln/{}", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build());
    Ok(config.build().new_agent())
}

#[cfg(test)]
mod tests {
    use super::marker;

    #[test]
    fn a_marker_is_one_comment_whatever_the_name() {
        assert_eq!(marker("study/pipeline.yaml"), "<!-- kiln-ci: study/pipeline.yaml -->");
        assert_eq!(marker("a --> b"), "<!-- kiln-ci: a ___ b -->");
    }
}
