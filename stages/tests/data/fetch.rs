//! `fetch`: sources in order, digests, and downloads from a server that misbehaves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stages::data::fetch::KIND;

use crate::bench::{Bench, gzip};

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn pinned(bytes: &[u8], sources: &[&str]) -> Value {
    json!({"digest": digest(bytes), "sources": sources})
}

fn fetched(bench: &Bench, with: &Value) -> Result<Vec<u8>, String> {
    bench.run(&KIND, with, &[], "").map(|outputs| std::fs::read(&outputs["file"]).unwrap())
}

#[test]
fn the_first_source_that_has_the_bytes_wins() {
    let bench = Bench::new();
    bench.write("wrong", b"other");
    let absolute = bench.write("right", b"bytes");
    let with = pinned(b"bytes", &["missing", "wrong", "right"]);
    assert_eq!(fetched(&bench, &with).unwrap(), b"bytes");
    assert!(bench.said("missing: not there"));
    assert!(bench.said(&format!("wrong: wrong digest: expected {}, got {}", digest(b"bytes"), digest(b"other"))));
    assert!(bench.said("right: has the bytes"));
    assert_eq!(fetched(&bench, &pinned(b"bytes", &[absolute.to_str().unwrap()])).unwrap(), b"bytes");
}

#[test]
fn when_no_source_has_the_bytes_each_is_named_with_the_reason() {
    let bench = Bench::new();
    bench.write("wrong", b"other");
    std::fs::create_dir(bench.path("folder")).unwrap();
    let error = fetched(&bench, &pinned(b"bytes", &["missing", "wrong", "folder"])).unwrap_err();
    let expected = digest(b"bytes");
    assert_eq!(
        error,
        format!(
            "no source has the bytes with digest {expected}:\n  missing: not there\n  wrong: wrong digest: expected \
             {expected}, got {}\n  folder: is a folder, not a file",
            digest(b"other")
        )
    );
    assert!(!bench.path("file").exists(), "wrong bytes must not be left as the output");
}

#[test]
fn what_is_packed_may_be_what_is_pinned() {
    let bench = Bench::new();
    let packed = [gzip(b"first "), gzip(b"second")].concat();
    bench.write("packed", &packed);
    bench.write("plain", b"first second");
    bench.write("broken", &packed[..packed.len() - 9]);
    let mut with = pinned(b"first second", &["broken", "packed"]);
    with["unpack"] = json!("gzip");
    assert_eq!(fetched(&bench, &with).unwrap(), b"first second");
    assert!(bench.said("broken: its gzip stream is broken"));
    with["sources"] = json!(["plain"]);
    assert_eq!(fetched(&bench, &with).unwrap(), b"first second");
    assert_eq!(fetched(&bench, &pinned(&packed, &["packed"])).unwrap(), packed, "nothing is unpacked unasked");
}

#[test]
fn mistakes_in_the_parameters_are_found_before_anything_runs() {
    let bench = Bench::new();
    let wrong = |with: Value| fetched(&bench, &with).unwrap_err();
    assert!(wrong(json!({"digest": "abc", "sources": ["x"]})).starts_with("digest: not a BLAKE3 digest"));
    assert_eq!(wrong(pinned(b"", &[])), "sources: no source is given");
    assert!(wrong(pinned(b"", &["x", "ftp://host/x"])).starts_with("sources.1: `ftp://host/x` is neither"));
    assert!(wrong(json!({"digest": digest(b""), "sources": ["x"], "timeout": 0})).starts_with("timeout:"));
    assert!(wrong(json!({"digest": digest(b""), "source": ["x"]})).contains("unknown field `source`"));
}

#[test]
fn the_output_is_pinned_whatever_the_case_of_the_digits() {
    let canonical = (KIND.check)(&json!({"digest": digest(b"x").to_uppercase(), "sources": ["x"]})).unwrap();
    let fixed = KIND.fixed.unwrap()(&canonical);
    assert_eq!(fixed["file"], digest(b"x"));
    assert_eq!((&canonical["unpack"], &canonical["timeout"]), (&json!("none"), &json!(30)));
}

/// A server that answers its n-th connection with the n-th script and then closes it.
struct Server {
    url: String,
    /// The head of every request.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(replies: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                seen.lock().unwrap().push(head.join("\n").to_lowercase());
                stream.write_all(&reply).unwrap();
            }
        });
        Self { url, requests }
    }

    fn request(&self, n: usize) -> String {
        self.requests.lock().unwrap()[n].clone()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A reply that promises `length` bytes and sends `body`.
fn reply(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn body() -> Vec<u8> {
    (0..1_000_000u32).map(|i| (i % 251) as u8).collect()
}

const TAG: &str = "ETag: \"v1\"\r\n";

#[test]
fn a_download_shows_progress_and_follows_redirects() {
    let body = body();
    let server =
        Server::start(vec![reply("302 Found", "Location: /there\r\n", 0, b""), reply("200 OK", "", body.len(), &body)]);
    let bench = Bench::new();
    assert_eq!(fetched(&bench, &pinned(&body, &[&server.url])).unwrap(), body);
    assert!(server.request(1).starts_with("get /there"));
    let progress = bench.progress.lock().unwrap();
    assert!(progress.is_sorted() && progress.len() > 2);
    assert_eq!(progress.last(), Some(&(1_000_000, 1_000_000)));
}

#[test]
fn a_broken_connection_is_taken_up_where_it_stopped() {
    let body = body();
    let range = |first: usize| format!("Content-Range: bytes {first}-{}/{}\r\n{TAG}", body.len() - 1, body.len());
    let server = Server::start(vec![
        reply("200 OK", TAG, body.len(), &body[..400_000]),
        reply("503 Service Unavailable", "", 0, b""),
        reply("206 Partial Content", &range(400_000), body.len() - 400_000, &body[400_000..700_000]),
        reply("206 Partial Content", &range(700_000), body.len() - 700_000, &body[700_000..]),
    ]);
    let bench = Bench::new();
    assert_eq!(fetched(&bench, &pinned(&body, &[&server.url])).unwrap(), body);
    assert!(!server.request(0).contains("range:"));
    for (n, first) in [(1, 400_000), (2, 400_000), (3, 700_000)] {
        assert!(server.request(n).contains(&format!("range: bytes={first}-\n")), "{}", server.request(n));
        assert!(server.request(n).contains("if-range: \"v1\""));
    }
    assert!(bench.said("after 400000 bytes; trying again"));
}

#[test]
fn a_server_that_cannot_go_on_starts_over() {
    let body = body();
    let server = Server::start(vec![
        reply("200 OK", TAG, body.len(), &body[..500_000]),
        // Another version by now.
        reply("200 OK", "ETag: \"v2\"\r\n", body.len(), &body[..300_000]),
        // Not what was asked for.
        reply("206 Partial Content", "Content-Range: bytes 5-9/10\r\n", 5, b"12345"),
        reply("200 OK", "", body.len(), &body),
    ]);
    let bench = Bench::new();
    assert_eq!(fetched(&bench, &pinned(&body, &[&server.url])).unwrap(), body);
    assert!(server.request(2).contains("if-range: \"v2\""));
    assert!(!server.request(3).contains("range:"), "nothing is left to go on from");
}

#[test]
fn a_hopeless_download_gives_up_and_says_why() {
    let bench = Bench::new();
    let gone = Server::start(vec![reply("404 Not Found", "", 0, b"")]);
    let stuck = Server::start(vec![reply("200 OK", "", 10, b"12345"); 9]);
    let error = fetched(&bench, &pinned(b"bytes", &[&gone.url, &stuck.url])).unwrap_err();
    assert!(error.contains(&format!("{}: the server answered 404 Not Found", gone.url)), "{error}");
    assert!(error.contains("(after 5 bytes; gave up after 4 attempts)"), "{error}");
    assert_eq!((gone.count(), stuck.count()), (1, 4));
}

#[test]
fn a_silent_server_counts_as_broken() {
    // It accepts connections (the kernel does) and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bench = Bench::new();
    bench.write("here", b"bytes");
    let mut with = pinned(b"bytes", &[&url, "here"]);
    with["timeout"] = json!(1);
    assert_eq!(fetched(&bench, &with).unwrap(), b"bytes");
    assert!(bench.said("gave up after 4 attempts"));
}

#[test]
fn a_download_with_a_wrong_digest_is_refused() {
    let server = Server::start(vec![reply("200 OK", "", 5, b"other")]);
    let bench = Bench::new();
    let error = fetched(&bench, &pinned(b"bytes", &[&server.url])).unwrap_err();
    let why = format!("{}: wrong digest: expected {}, got {}", server.url, digest(b"bytes"), digest(b"other"));
    assert!(error.contains(&why), "{error}");
}
