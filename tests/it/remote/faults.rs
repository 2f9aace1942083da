//! Whatever is wrong with a remote cache, a run gives what it would give without one: against a shared folder, and against a real
//! SeaweedFS behind a proxy that spoils what goes through.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::proxy::{Fault, Proxy};
use super::weed::{BUCKET, KEY, READER, Weed};
use super::{ALL, Checkout, folder, of_size, warnings};
use crate::project::files;

/// A prefix that nobody else has.
pub(super) fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("s3://{BUCKET}/{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A checkout whose remote cache is behind a port.
pub(super) fn checkout(url: &str, port: u16, (id, secret): (&str, &str)) -> Checkout {
    let endpoint = format!("http://127.0.0.1:{port}");
    Checkout::of(url).with(&[
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ])
}

/// Makes a cache there. The server makes its bucket a moment after it takes connections.
pub(super) fn init(checkout: &Checkout) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let made = checkout.kiln(&["remote", "init"]);
        if made.code == Some(0) {
            return;
        }
        assert!(Instant::now() < deadline, "{}", made.stderr);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A cache on the server with the results of the study in it.
fn filled(port: u16) -> String {
    let url = prefix();
    let first = checkout(&url, port, KEY);
    init(&first);
    let (executed, _, ran) = first.run(&[]);
    assert_eq!(executed, ALL);
    assert!(ran.stderr.contains("4 results sent"), "{}", ran.stderr);
    url
}

#[test]
fn contents_that_are_damaged_or_gone_cost_an_execution_and_are_mended() {
    let (folder, url) = folder();
    Checkout::of(&url).run(&[]);
    let model = of_size(&folder.path().join("cas"), 400_006);
    let result = files(&folder.path().join("ac")).remove(0);
    let faults = [
        ("a content is another", &(|| std::fs::write(&model, vec![7; 400_006])) as &dyn Fn() -> std::io::Result<()>),
        ("a content is shorter", &|| std::fs::write(&model, vec![7; 4])),
        ("a content is gone", &|| std::fs::remove_file(&model)),
        ("a result is damaged", &|| std::fs::write(&result, b"kilnres\x01 or so")),
        ("a result is gone", &|| std::fs::remove_file(&result)),
    ];
    for (n, (what, spoil)) in faults.into_iter().enumerate() {
        spoil().expect("spoil it");
        let next = Checkout::of(&url);
        let (executed, _, ran) = next.run(&[]);
        next.is_right();
        assert_eq!(executed.len(), 1, "{what}: {}", ran.stderr);
        assert!(warnings(&ran) <= 1, "{what}: {}", ran.stderr);
        // Whoever comes after has it again.
        let (executed, restored, ran) = Checkout::of(&url).run(&[]);
        assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 4, 0), "{what}: {}", ran.stderr);
        // A lazy run finds out in time.
        spoil().expect("spoil it");
        let lazy = Checkout::of(&url);
        let edited = format!("true {n}; wc -c < out/model.bin | tr -d ' '");
        lazy.project.edit("pipeline.yaml", "wc -c < out/model.bin", &edited);
        let (executed, _, ran) = lazy.run(&["--lazy"]);
        assert!(executed.contains(&"count".to_owned()) && executed.len() <= 2, "{what}: {executed:?} {}", ran.stderr);
        assert_eq!(lazy.project.read("out/count.txt"), "400006\n", "{what}");
        Checkout::of(&url).run(&[]);
    }
}

#[test]
fn a_server_that_is_down_costs_a_warning() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("its number").port();
    let down = checkout(&prefix(), port, KEY);
    let (executed, _, ran) = down.run(&[]);
    assert_eq!((executed.as_slice(), warnings(&ran)), (&ALL.map(str::to_owned)[..], 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("is left alone for this run: cannot connect"), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 results of this run or earlier ones are still to be sent"), "{}", ran.stderr);
    down.is_right();
}

#[test]
fn a_real_server_under_every_fault() {
    let Some(weed) = Weed::get("a remote cache on SeaweedFS") else { return };
    let proxy = Proxy::to(weed.port);
    let url = filled(weed.port);

    // As it should be.
    let second = checkout(&url, proxy.port, KEY);
    let (executed, restored, ran) = second.run(&[]);
    assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 4, 0), "{}", ran.stderr);
    second.is_right();
    let asked = proxy.requests("GET");
    let (executed, _, _) = second.run(&[]);
    assert_eq!((executed.len(), proxy.requests("GET")), (0, asked), "a run that needs nothing asks nothing");

    // One that spoils what is fetched, or does not answer.
    for fault in
        [Fault::Flip(20_000), Fault::Flip(300), Fault::Cut(20_000), Fault::Cut(300), Fault::Silence, Fault::Slow(2_000)]
    {
        let next = checkout(&url, proxy.port, KEY);
        proxy.set(fault);
        let (executed, restored, ran) = next.run(&[]);
        proxy.set(Fault::None);
        assert_eq!(executed.len() + restored.len(), 4, "{fault:?}: {}", ran.stderr);
        assert!(!executed.is_empty(), "{fault:?}: {}", ran.stderr);
        assert_eq!(warnings(&ran), 1, "{fault:?}: {}", ran.stderr);
        next.is_right();
    }

    // One that spoils what is sent.
    for (n, fault) in [Fault::DropReply, Fault::Forget, Fault::Full].into_iter().enumerate() {
        let words = format!("hello{}\n", " ".repeat(n + 1));
        let next = checkout(&url, proxy.port, KEY);
        next.project.write("words.txt", &words);
        proxy.set(fault);
        let (executed, _, ran) = next.run(&[]);
        proxy.set(Fault::None);
        assert_eq!(executed, ALL, "{fault:?}: {}", ran.stderr);
        assert!(warnings(&ran) <= 1, "{fault:?}: {}", ran.stderr);
        // What is there is right, and the rest is made anew.
        let after = checkout(&url, weed.port, KEY);
        after.project.write("words.txt", &words);
        let (executed, restored, ran) = after.run(&[]);
        assert_eq!(executed.len() + restored.len(), 4, "{fault:?}: {}", ran.stderr);
        assert_eq!(warnings(&ran), 0, "{fault:?}: {}", ran.stderr);
        assert!(fault == Fault::DropReply || executed.len() == 4, "{fault:?}: {}", ran.stderr);
        // What was left is sent.
        let pushed = next.kiln(&["push"]);
        assert_eq!(pushed.code, Some(0), "{fault:?}: {}", pushed.stderr);
    }
}

#[test]
fn what_a_server_refuses_is_told_in_words_with_what_to_do() {
    let Some(weed) = Weed::get("refusals of SeaweedFS") else { return };
    let proxy = Proxy::to(weed.port);
    let url = filled(weed.port);
    for (code, part, hint) in [
        ("RequestTimeTooSkewed", "the clock of this machine is wrong", "set the clock"),
        ("ExpiredToken", "the credentials have expired", "log in again"),
        ("InvalidAccessKeyId", "does not know the access key", "AWS_ACCESS_KEY_ID"),
        ("AccessDenied", "access is refused", "the right to get, put, list and delete"),
    ] {
        // The first time it is a mistake of who set it up.
        let next = checkout(&url, proxy.port, KEY);
        proxy.set(Fault::Refuse(code));
        let ran = next.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{code}: {}", ran.stderr);
        for part in ["pipeline.yaml:2:9", part, hint] {
            assert!(ran.stderr.contains(part), "{code}: {part}: {}", ran.stderr);
        }
        assert!(!next.project.root().join("out").exists());
        // Later it costs a warning.
        proxy.set(Fault::None);
        next.run(&[]);
        next.project.write("words.txt", "hello   \n");
        proxy.set(Fault::Refuse(code));
        let (executed, _, ran) = next.run(&[]);
        proxy.set(Fault::None);
        assert_eq!((executed.len(), warnings(&ran)), (4, 1), "{code}: {}", ran.stderr);
        assert!(ran.stderr.contains(part) && ran.stderr.contains(hint), "{code}: {}", ran.stderr);
        assert!(ran.stderr.contains("4 results of this run or earlier ones are still to be sent"), "{}", ran.stderr);
    }
}

#[test]
fn a_run_waits_for_what_it_sends_no_longer_than_its_limit() {
    let Some(weed) = Weed::get("the limit at the end of a run") else { return };
    let proxy = Proxy::to(weed.port);
    let url = filled(weed.port);
    let slow = checkout(&format!("{{url: '{url}', wait: 1s}}"), proxy.port, KEY);
    slow.run(&["--offline", "upper"]);
    // What is sent is large, and makes no file that is shared with others.
    slow.project.edit("pipeline.yaml", "head -c 200000", "head -c 3000000");
    proxy.set(Fault::Slow(100_000));
    let (executed, _, ran) = slow.run(&[]);
    assert_eq!((executed.len(), warnings(&ran)), (3, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("still to be sent to"), "{}", ran.stderr);
    let left = ran.json()["remote"]["left"].as_u64();
    assert!(left.is_some_and(|left| left > 0), "{left:?}");
    // The trace of a run under way says how far sending is.
    slow.project.edit("pipeline.yaml", "wait: 1s", "wait: 60s");
    slow.project.edit("pipeline.yaml", "head -c 3000000", "head -c 3000001");
    let mut command = slow.command(&["run"]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("start kiln");
    let deadline = Instant::now() + Duration::from_secs(60);
    let said = || {
        files(&slow.project.root().join("cache/runs")).iter().any(|path| {
            std::fs::read_to_string(path).is_ok_and(|text| {
                text.contains("\"contents_sent\"") && text.contains("\"left\":") && !text.contains("\"status\"")
            })
        })
    };
    while !said() {
        assert!(Instant::now() < deadline, "the trace says nothing of it");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().and_then(|()| child.wait().map(drop)).expect("kill kiln");
    // What a run that was killed left is sent by the next.
    proxy.set(Fault::None);
    let (_, _, ran) = slow.run(&[]);
    assert_eq!(warnings(&ran), 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("still to be sent to") && ran.stderr.contains("results sent"), "{}", ran.stderr);
    let traffic = &ran.json()["remote"];
    assert!(
        traffic["contents_sent"].as_u64() > Some(0) && traffic["sent_bytes"].as_u64() > Some(3_000_000),
        "{traffic}"
    );
    assert!(traffic["seconds"].as_f64() > Some(0.0), "{traffic}");
    assert!(ran.stderr.contains("/s"), "a rate: {}", ran.stderr);
}

#[test]
fn large_contents_go_in_parts_and_come_whole() {
    let Some(weed) = Weed::get("large contents on SeaweedFS") else { return };
    let url = filled(weed.port);
    let large = |checkout: &Checkout| {
        let text = "version: 1\nstages:\n  a:\n    run: seq 1 4000000 > out/a\n    outputs: {a: out/a}\n";
        checkout.project.write("pipeline.yaml", &format!("{text}remote: {{url: '{url}', wait: 5m}}\n"));
    };
    let first = checkout(&url, weed.port, KEY);
    large(&first);
    let (executed, _, ran) = first.run(&[]);
    assert_eq!(executed, ["a"]);
    assert!(ran.stderr.contains("1 result sent"), "{}", ran.stderr);
    let second = checkout(&url, weed.port, KEY);
    large(&second);
    let (executed, restored, ran) = second.run(&[]);
    assert_eq!((executed.len(), restored.len()), (0, 1), "{}", ran.stderr);
    assert!(second.project.read("out/a") == first.project.read("out/a"), "the same");
    let garbage = first.kiln(&["remote", "gc", "--delete", "--unused", "0", "--grace", "0"]);
    assert_eq!(garbage.code, Some(0), "{}", garbage.stderr);
    let (executed, _, _) = {
        let third = checkout(&url, weed.port, KEY);
        large(&third);
        third.run(&[])
    };
    assert_eq!(executed, ["a"]);
}

#[test]
fn a_large_content_that_is_damaged_costs_an_execution_and_is_mended() {
    let (folder, url) = super::folder();
    let checkout = || {
        let project = Checkout::of(&url);
        let text = "version: 1\nstages:\n  a:\n    run: seq 1 1300000 > out/a\n    outputs: {a: out/a}\n";
        project.project.write("pipeline.yaml", &format!("{text}remote: {{url: '{url}', wait: 5m}}\n"));
        project
    };
    let first = checkout();
    first.run(&[]);
    let sound = first.project.read("out/a");
    assert!(sound.len() > 8 << 20, "it goes in parts");
    let stored = super::of_size(folder.path(), sound.len() as u64);
    type Spoil<'s> = &'s dyn Fn(&mut Vec<u8>);
    let spoil: [Spoil<'_>; 4] = [
        &|bytes| bytes[10] ^= 1,
        &|bytes| *bytes.last_mut().expect("a byte") ^= 1,
        &|bytes| bytes.truncate(100),
        &|bytes| bytes.push(0),
    ];
    for (n, spoil) in spoil.iter().enumerate() {
        let mut bytes = sound.clone().into_bytes();
        spoil(&mut bytes);
        std::fs::write(&stored, bytes).expect("spoil it");
        let next = checkout();
        let (executed, _, ran) = next.run(&[]);
        assert_eq!((executed.len(), warnings(&ran)), (1, 1), "{n}: {}", ran.stderr);
        assert!(next.project.read("out/a") == sound, "{n}");
        let (executed, restored, ran) = checkout().run(&[]);
        assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 1, 0), "{n}: {}", ran.stderr);
    }
}

#[test]
fn credentials_and_buckets_that_are_wrong_are_told_with_what_to_do() {
    let Some(weed) = Weed::get("credentials on SeaweedFS") else { return };
    let url = filled(weed.port);
    let told = |checkout: &Checkout, parts: &[&str]| {
        let ran = checkout.kiln(&["run"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        for part in [&["pipeline.yaml:2:9"], parts].concat() {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
        assert!(!checkout.project.root().join("out").exists());
    };
    told(&checkout(&url, weed.port, ("NOBODY", "x")), &["access key", "AWS_ACCESS_KEY_ID"]);
    told(&checkout(&url, weed.port, (KEY.0, "wrong")), &["secret key is wrong", "AWS_SECRET_ACCESS_KEY"]);
    told(
        &checkout("s3://elsewhere/x", weed.port, ("ADMINKEY", "adminsecret")),
        &["the bucket is not there", "mend the URL"],
    );
    told(&checkout(&prefix(), weed.port, KEY), &["there is no cache of Kiln's", "kiln remote init"]);
    let plain = checkout(&url, weed.port, KEY).with(&[("AWS_ENDPOINT_URL", "http://objects.example")]);
    told(&plain, &["is not encrypted", "AWS_ALLOW_HTTP"]);

    // Who may only read takes what is there, and is told once that nothing can be sent.
    let reader = checkout(&url, weed.port, READER);
    let (executed, restored, ran) = reader.run(&[]);
    assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 4, 0), "{}", ran.stderr);
    reader.project.write("words.txt", "hello \n");
    let (executed, _, ran) = reader.run(&[]);
    assert_eq!((executed.len(), warnings(&ran)), (4, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("access is refused"), "{}", ran.stderr);

    // A profile of ~/.aws is as good as the environment.
    let profile = Checkout::of(&url);
    let endpoint = format!("http://127.0.0.1:{}", weed.port);
    let (id, secret) = KEY;
    profile
        .project
        .write(".aws/credentials", &format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"));
    profile.project.write(".aws/config", &format!("[default]\nregion = us-east-1\nendpoint_url = {endpoint}\n"));
    let checked = profile.kiln(&["remote", "check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    for what in ["write", "read", "list", "delete"] {
        assert!(checked.stdout.contains(what), "{}", checked.stdout);
    }
    let (executed, restored, _) = profile.run(&[]);
    assert_eq!((executed.len(), restored.len()), (0, 4));
}
