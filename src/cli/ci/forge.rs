//! Where a pull request is, as the environment of a job says: GitHub, GitLab, or Forgejo and Gitea, whose jobs look like GitHub's.

use std::env;
use std::fs;

use serde_json::Value;

/// Which interface is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    GitHub,
    Forgejo,
    GitLab,
}

/// A pull request, and what it takes to comment on it.
pub(super) struct Forge {
    pub(super) kind: Kind,
    /// The address of its interface.
    pub(super) api: String,
    /// `owner/name`, or a number on GitLab.
    pub(super) project: String,
    /// The number of the pull request.
    pub(super) number: u64,
    /// Who may comment. It is in no message.
    pub(super) token: String,
}

impl Forge {
    /// The pull request that the job is for.
    ///
    /// # Errors
    /// If it is for none, or nobody may comment: says so.
    pub(super) fn of_environment() -> Result<Self, String> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let need = |name: &str| set(name).ok_or_else(|| format!("`{name}` is not set"));
        let token = |names: &[&str]| {
            let found = names.iter().find_map(|name| set(name));
            found.ok_or_else(|| format!("there is no token: {} is not set", names.join(" or ")))
        };
        if set("GITLAB_CI").is_some() {
            let number = set("CI_MERGE_REQUEST_IID").and_then(|number| number.parse().ok());
            return Ok(Self {
                kind: Kind::GitLab,
                number: number.ok_or("this job is for no merge request")?,
                api: need("CI_API_V4_URL")?,
                project: need("CI_PROJECT_ID")?,
                token: token(&["KILN_CI_TOKEN", "GITLAB_TOKEN"])?,
            });
        }
        if set("GITHUB_ACTIONS").is_none() {
            return Err("this is no job of GitHub, GitLab or Forgejo".to_owned());
        }
        let api = need("GITHUB_API_URL")?;
        let own = ["FORGEJO_ACTIONS", "GITEA_ACTIONS"].into_iter().any(|name| set(name).is_some());
        let kind = if own || api.trim_end_matches('/').ends_with("/api/v1") { Kind::Forgejo } else { Kind::GitHub };
        let event = fs::read(need("GITHUB_EVENT_PATH")?).map_err(|error| format!("cannot read the event: {error}"))?;
        let event: Value = serde_json::from_slice(&event).map_err(|error| format!("cannot read the event: {error}"))?;
        // A comment on a pull request is an event of an issue.
        let issue = event.get("issue").filter(|issue| issue.get("pull_request").is_some());
        let number = event.get("pull_request").or(issue).and_then(|about| about["number"].as_u64());
        Ok(Self {
            kind,
            number: number.ok_or("this job is for no pull request")?,
            api,
            project: need("GITHUB_REPOSITORY")?,
            token: token(&["KILN_CI_TOKEN", "GITHUB_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN"])?,
        })
    }

    /// Where the comments of the pull request are.
    pub(super) fn comments(&self) -> String {
        let Self { api, project, number, .. } = self;
        let api = api.trim_end_matches('/');
        match self.kind {
            Kind::GitLab => format!("{api}/projects/{project}/merge_requests/{number}/notes"),
            _ => format!("{api}/repos/{project}/issues/{number}/comments"),
        }
    }

    /// Where one of them is.
    pub(super) fn comment(&self, id: u64) -> String {
        let Self { api, project, .. } = self;
        match self.kind {
            Kind::GitLab => format!("{}/{id}", self.comments()),
            _ => format!("{}/repos/{project}/issues/comments/{id}", api.trim_end_matches('/')),
        }
    }

    /// What every request says.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let token = &self.token;
        match self.kind {
            Kind::GitHub => vec![
                ("Accept", "application/vnd.github+json".to_owned()),
                ("Authorization", format!("Bearer {token}")),
                ("X-GitHub-Api-Version", "2022-11-28".to_owned()),
            ],
            Kind::Forgejo => {
                vec![("Accept", "application/json".to_owned()), ("Authorization", format!("token {token}"))]
            }
            Kind::GitLab => vec![("Accept", "application/json".to_owned()), ("PRIVATE-TOKEN", token.clone())],
        }
    }
}
