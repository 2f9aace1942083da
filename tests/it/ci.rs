//! `kiln ci`: the text of a change, and one comment for it on servers that hold requests to what the forges' documentation says.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::git::{commit, git, project};
use crate::project::{Project, Ran};

/// A loss of three seeds that lie far apart, and a figure.
const PIPELINE: &str = "version: 1
params: {offset: 1}
stages:
  fit:
    matrix: {seed: [1, 2, 3]}
    run: |
      awk -v o=\"${params.offset}\" -v s=\"${matrix.seed}\" 'BEGIN { printf \"{\\\"loss\\\": %d}\", o + 4 * s }' > ${outputs.loss}
      echo \"<svg xmlns='http://www.w3.org/2000/svg'/><!-- ${params.offset} -->\" > ${outputs.curve}
    outputs:
      loss: {path: \"out/loss-${matrix.seed}.json\", role: metrics}
      curve: {path: \"out/a+curve-${matrix.seed}.svg\", role: figure}
";

const TOKEN: &str = "secret-of-the-job-1234";

/// A change of the offset, base and change both run.
fn changed(to: u32) -> Project {
    let project = project(PIPELINE);
    commit(project.root(), "Base");
    project.run(&[]);
    project.edit("pipeline.yaml", "offset: 1", &format!("offset: {to}"));
    commit(project.root(), "Change");
    project.run(&[]);
    project
}

/// What a server was asked.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

type Answer = (u16, Vec<(&'static str, String)>, Value);

/// A server on this machine that answers as it is told.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answer: impl Fn(&Asked, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, own) = (Arc::clone(&asked), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let (status, headers, body) = answer(&request, &own);
                noted.lock().expect("notes").push(request);
                let body = body.to_string();
                let mut text =
                    format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
                headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
                let _ = (&stream).write_all(format!("{text}\r\n{body}").as_bytes());
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("notes").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut from = BufReader::new(stream);
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let (method, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}

/// A call as in a job: with nothing of the forge that runs these tests.
fn job(project: &Project, args: &[&str], set: &[(&str, &str)]) -> Ran {
    let mut command = project.command(&[&["ci"], args].concat());
    let foreign = |name: &str| {
        ["GITHUB_", "CI_", "GITLAB_", "FORGEJO_", "GITEA_", "KILN_CI"].iter().any(|head| name.starts_with(head))
    };
    for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
        command.env_remove(name);
    }
    Ran::from(command.envs(set.iter().copied()).output().expect("start kiln"))
}

/// The environment of a job of GitHub's for a pull request, with the event in a file.
fn github(project: &Project, api: &str) -> Vec<(String, String)> {
    let event = project.root().join("event.json");
    std::fs::write(&event, json!({ "pull_request": { "number": 7 } }).to_string()).expect("write");
    let set = [
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("GITHUB_API_URL", api.to_owned()),
        ("GITHUB_REPOSITORY", "ada/study".to_owned()),
        ("GITHUB_EVENT_PATH", event.display().to_string()),
        ("GITHUB_TOKEN", TOKEN.to_owned()),
        ("GITHUB_STEP_SUMMARY", project.root().join("summary.md").display().to_string()),
    ];
    set.map(|(name, value)| (name.to_owned(), value)).into()
}

fn borrowed(set: &[(String, String)]) -> Vec<(&str, &str)> {
    set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_verdict_is_first_and_noise_is_no_regression() {
    let project = changed(2);
    let ran = job(&project, &["--base", "HEAD~1", "--fail-if", "loss > 0.5"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "<!-- kiln-ci: pipeline.yaml -->");
    assert_eq!(lines[1], "## Kiln: 1 gate passed");
    assert!(ran.stdout.contains("within noise"), "{}", ran.stdout);
    // 9 ± 4 and 10 ± 4 of three each; Welch with 4 degrees of freedom: 1 ± 2.7764 * 4 * sqrt(2/3).
    assert!(ran.stdout.contains("9.00 ± 4.00 (3)") && ran.stdout.contains("10.00 ± 4.00 (3)"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-8.07 to 10.07, may be chance"), "{}", ran.stdout);

    let project = changed(100);
    let ran = job(&project, &["--fail-if", "loss > 0.5", "--fail-if", "value(loss) > 1000"], &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("\n## Kiln: 1 of 2 gates failed\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("gate `loss > 0.5` failed: fit: loss 9 => 108"), "{}", ran.stderr);
    for told in ["offset", "stages of the last run", "figures", "parameters that changed"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    // Without the seeds put together a single one fails as `compare` has it.
    let ran = project.kiln(&["compare", "HEAD~1", "--fail-if", "loss > 98"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn figures_are_links_to_where_files_can_be_seen() {
    let project = changed(2);
    let at =
        ["--artifacts", "https://ci.example.org/7/files", "--base-artifacts", "https://ci.example.org/6?file={path}"];
    let ran = job(&project, &at, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let now = "[out/a+curve-1.svg](https://ci.example.org/7/files/out/a%2Bcurve-1.svg)";
    let before = "[out/a+curve-1.svg](https://ci.example.org/6?file=out/a%2Bcurve-1.svg)";
    assert!(ran.stdout.contains(&format!("| fit[seed=1].curve | {before} | {now} |")), "{}", ran.stdout);
}

#[test]
fn a_text_is_never_longer_than_a_comment_may_be() {
    let stages: String = (0..300)
        .map(|i| format!("  s{i}:\n    run: 'echo \"{{\\\"a number with a long name {}\\\": ${{params.n}}}}\" > m{i}'\n    outputs: {{m: {{path: m{i}, role: metrics}}}}\n", "x".repeat(200)))
        .collect();
    let pipeline = format!("version: 1\nparams: {{n: 1}}\nstages:\n{stages}");
    let project = project(&pipeline);
    project.write(".gitignore", "/cache/\n/m*\n");
    commit(project.root(), "Base");
    project.run(&[]);
    project.edit("pipeline.yaml", "{n: 1}", "{n: 2}");
    commit(project.root(), "Change");
    project.run(&[]);
    let ran = job(&project, &["--fail-if", "* > 0"], &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.chars().count() < 65_536 && ran.stdout.len() < 65_536, "{}", ran.stdout.len());
    assert!(ran.stdout.contains("## Kiln: 1 of 1 gate failed"), "{}", &ran.stdout[..500]);
    assert!(
        ran.stdout.contains("Left out, as a comment cannot be longer"),
        "{}",
        &ran.stdout[ran.stdout.len() - 500..]
    );
}

#[test]
fn one_comment_on_github_is_found_on_a_later_page_and_updated() {
    let project = changed(2);
    let server = Server::start(|asked, own| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/repos/ada/study/issues/7/comments?per_page=100") => {
            let next = format!(
                "<{own}/repositories/42/issues/7/comments?per_page=100&page=2>; rel=\"next\", <{own}/x?page=2>; rel=\"last\""
            );
            (200, vec![("Link", next)], json!([{ "id": 1, "body": "Looks good" }]))
        }
        ("GET", "/repositories/42/issues/7/comments?per_page=100&page=2") => {
            let quoted = "> <!-- kiln-ci: pipeline.yaml -->\n\nwhat is that?";
            let other = json!({ "id": 8, "body": "<!-- kiln-ci: other.yaml -->\n## Kiln" });
            (
                200,
                vec![],
                json!([{ "id": 5, "body": quoted }, other, { "id": 9, "body": "<!-- kiln-ci: pipeline.yaml -->\n## Kiln: old" }]),
            )
        }
        ("PATCH", "/repos/ada/study/issues/comments/9") => {
            (200, vec![], json!({ "id": 9, "html_url": "https://example.org/c9" }))
        }
        _ => (500, vec![], json!({ "message": "not expected" })),
    });
    let ran = job(&project, &["--comment"], &borrowed(&github(&project, &server.address)));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("comment updated: https://example.org/c9"), "{}", ran.stderr);
    let asked = server.asked();
    assert_eq!(asked.iter().map(|asked| asked.method.as_str()).collect::<Vec<_>>(), ["GET", "GET", "PATCH"]);
    for asked in &asked {
        assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(asked.headers["accept"], "application/vnd.github+json");
        assert_eq!(asked.headers["x-github-api-version"], "2022-11-28");
        assert!(asked.headers["user-agent"].starts_with("kiln/"));
    }
    let body: Value = serde_json::from_str(&asked[2].body).expect("JSON");
    assert!(body["body"].as_str().expect("text").starts_with("<!-- kiln-ci: pipeline.yaml -->\n## Kiln: "));
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(TOKEN));
}

#[test]
fn a_first_comment_is_posted() {
    let project = changed(2);
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => (200, vec![], json!([])),
        _ => (201, vec![], json!({ "id": 1 })),
    });
    let ran = job(&project, &["--comment", "--name", "study of loss"], &borrowed(&github(&project, &server.address)));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let asked = server.asked();
    assert_eq!((asked[1].method.as_str(), asked[1].path.as_str()), ("POST", "/repos/ada/study/issues/7/comments"));
    assert_eq!(asked[1].headers["content-type"], "application/json");
    assert!(asked[1].body.contains("<!-- kiln-ci: study of loss -->"));
}

#[test]
fn without_rights_the_text_is_in_the_summary_of_the_job() {
    let project = changed(2);
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => (200, vec![], json!([])),
        _ => (403, vec![], json!({ "message": format!("Resource not accessible by integration {TOKEN}") })),
    });
    let set = github(&project, &server.address);
    let ran = job(&project, &["--comment"], &borrowed(&set));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("no right to comment on this pull request (403: Resource not accessible by integration ***)"),
        "{}",
        ran.stderr
    );
    assert!(project.read("summary.md").contains("## Kiln: "));
    assert!(!ran.stderr.contains(TOKEN) && ran.stdout.is_empty());

    // From a fork there is no token at all; elsewhere there is no summary either.
    let ran = job(
        &project,
        &["--comment"],
        &borrowed(&set).into_iter().filter(|(name, _)| *name != "GITHUB_TOKEN").collect::<Vec<_>>(),
    );
    assert!(ran.stderr.contains("no comment: there is no token"), "{}", ran.stderr);
    let ran = job(&project, &["--comment"], &[]);
    assert!(
        ran.stderr.contains("no comment: this is no job of GitHub, GitLab or Forgejo")
            && ran.stdout.contains("## Kiln: "),
        "{}",
        ran.stderr
    );
    // A server that is not there is no failure of the change.
    let ran = job(&project, &["--comment"], &borrowed(&github(&project, "http://127.0.0.1:9")));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("no comment: "), "{}", ran.stderr);
}

#[test]
fn a_link_to_elsewhere_is_not_followed_with_the_token() {
    let project = changed(2);
    let thief = Server::start(|_, _| (200, vec![], json!([])));
    let elsewhere = thief.address.clone();
    let server = Server::start(move |asked, _| match asked.method.as_str() {
        "GET" => (200, vec![("Link", format!("<{elsewhere}/next>; rel=\"next\""))], json!([])),
        _ => (201, vec![], json!({})),
    });
    let ran = job(&project, &["--comment"], &borrowed(&github(&project, &server.address)));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(thief.asked().is_empty());
}

#[test]
fn a_note_on_gitlab_is_found_by_page_and_updated() {
    let project = changed(2);
    let server = Server::start(|asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/api/v4/projects/12/merge_requests/3/notes?per_page=100") => {
            (200, vec![("X-Next-Page", "2".into())], json!([{ "id": 1, "body": "hm" }]))
        }
        ("GET", "/api/v4/projects/12/merge_requests/3/notes?per_page=100&page=2") => (
            200,
            vec![("X-Next-Page", String::new())],
            json!([{ "id": 33, "body": "<!-- kiln-ci: pipeline.yaml -->\nold" }]),
        ),
        ("PUT", "/api/v4/projects/12/merge_requests/3/notes/33") => (200, vec![], json!({ "id": 33 })),
        _ => (500, vec![], json!({ "error": "not expected" })),
    });
    let api = format!("{}/api/v4", server.address);
    let base = git(project.root(), &["rev-parse", "HEAD~1"]);
    let set = [
        ("GITLAB_CI", "true"),
        ("CI_API_V4_URL", api.as_str()),
        ("CI_PROJECT_ID", "12"),
        ("CI_MERGE_REQUEST_IID", "3"),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str()),
        ("GITLAB_TOKEN", TOKEN),
    ];
    let ran = job(&project, &["--comment"], &set);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("comment updated"), "{}", ran.stderr);
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers["private-token"] == TOKEN && !asked.headers.contains_key("authorization"))
    );
}

#[test]
fn a_comment_on_forgejo_is_updated_as_its_interface_has_it() {
    let project = changed(2);
    let server = Server::start(|asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/api/v1/repos/ada/study/issues/7/comments?per_page=100") => {
            (200, vec![], json!([{ "id": 4, "body": "<!-- kiln-ci: pipeline.yaml -->\nold" }]))
        }
        ("PATCH", "/api/v1/repos/ada/study/issues/comments/4") => (200, vec![], json!({ "id": 4 })),
        _ => (500, vec![], json!({ "message": "not expected" })),
    });
    let ran = job(&project, &["--comment"], &borrowed(&github(&project, &format!("{}/api/v1", server.address))));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("comment updated"), "{}", ran.stderr);
    assert!(server.asked().iter().all(|asked| asked.headers["authorization"] == format!("token {TOKEN}")));
}

#[test]
fn a_base_without_a_run_is_run_if_that_is_asked_for() {
    let project = project(PIPELINE);
    commit(project.root(), "Base");
    project.edit("pipeline.yaml", "offset: 1", "offset: 2");
    commit(project.root(), "Change");
    project.run(&[]);
    let home: PathBuf = project.root().join(".home");
    let ran = job(&project, &[], &[("XDG_CACHE_HOME", home.to_str().expect("text"))]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no run of commit") && ran.stderr.contains("`kiln ci --run-base`"),
        "{}",
        ran.stderr
    );
    let ran = job(&project, &["--run-base"], &[("XDG_CACHE_HOME", home.to_str().expect("text"))]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("9.00 ± 4.00 (3)"), "{}", ran.stdout);
}

#[test]
fn a_gate_does_not_judge_the_run_of_another_commit() {
    let project = changed(2);
    let gate = ["--base", "HEAD~1", "--fail-if", "loss < -100"];
    assert_eq!(job(&project, &gate, &[]).code, Some(0));
    // Committed and not run.
    project.edit("pipeline.yaml", "offset: 2", "offset: 900");
    commit(project.root(), "Worse");
    let gate = ["--base", "HEAD~2", "--fail-if", "loss < -100"];
    let ran = job(&project, &gate, &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for part in
        ["the last run, ", " is checked out: a gate would judge other code", "`kiln run` makes one of this commit"]
    {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let id = project.kiln(&["show", "latest", "--json"]).json()["id"].as_str().expect("an id").to_owned();
    let named = job(&project, &[&[id.as_str()][..], &gate].concat(), &[]);
    assert_eq!(named.code, Some(0), "{}", named.stderr);
    // Without a gate it is told.
    let ran = job(&project, &["--base", "HEAD~2"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("note: the last run, "), "{}", ran.stderr);
    // Once it is run, it is judged.
    project.run(&[]);
    assert_eq!(job(&project, &["--base", "HEAD~2", "--fail-if", "loss > 0"], &[]).code, Some(1));
}
