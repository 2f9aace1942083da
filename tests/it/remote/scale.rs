//! What a remote cache of many objects costs when its server is 20 ms away and one request of a hundred fails. This measures; what it checks
//! is only that all is there. The figures are in docs/scale.md.
//!
//!     KILN_SCALE=91000 cargo test --release --test it -- --ignored --nocapture remote::scale::many_objects
//!
//! so many results are filed in a store without being executed; one of ten has a content that travels by itself. The test calls itself a second time,
//! since credentials are read from the environment.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use kiln::action::Manifest;
use kiln::hash::ActionKey;
use kiln::remote::{Access, Address, Policy, Remote, Settings};
use kiln::store::{ActionResult, Store, Tier as _};

use super::proxy::{Fault, Proxy};
use super::weed::{BUCKET, KEY, Weed};

/// The larger contents, in bytes.
const LARGE: usize = 70_000;

#[test]
#[ignore = "it measures, for many minutes"]
fn many_objects() {
    let Some(weed) = Weed::get("a remote cache of many objects") else { return };
    let proxy = Proxy::to(weed.port);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--nocapture", "--exact", "remote::scale::measured"]);
    command.env("KILN_SCALE_SERVER", weed.port.to_string()).env("NO_PROXY", "127.0.0.1");
    command.env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", KEY.1);
    // The proxy of the second is on the port of this one's.
    let port = proxy.port;
    drop(proxy);
    command.env("KILN_SCALE_PROXY", port.to_string()).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    assert!(command.status().expect("start it again").success());
}

/// What one thing took.
struct Meter<'a> {
    proxy: &'a Proxy,
    remote: &'a Remote,
}

impl Meter<'_> {
    fn measure<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let count = || ["GET", "PUT", "HEAD", "POST"].map(|method| self.proxy.requests(method));
        // From now on the peak is another.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let (before, began) = (count(), Instant::now());
        let done = work();
        let (took, after) = (began.elapsed().as_secs_f64(), count());
        let [get, put, head, other] = [0, 1, 2, 3].map(|at| after[at] - before[at]);
        say(&format!(
            "| {what} | {took:.1} | {get} | {put} | {head} | {other} | {} |",
            peak().map_or_else(|| "?".to_owned(), |kib| (kib / 1024).to_string())
        ));
        assert!(self.remote.news().is_empty(), "nothing is wrong");
        done
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The most memory that this process had, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().split(' ').next()?.parse().ok()
}

fn settings() -> Settings {
    let address = Address::parse(&format!("s3://{BUCKET}/scale-{}", std::process::id())).expect("a URL");
    Settings {
        address,
        access: Access::Both,
        lazy: true,
        accept: vec![],
        key: None,
        wait: Duration::ZERO,
        in_ci: false,
    }
}

/// Files results.
fn fill(store: &Store, count: u64) -> Vec<ActionKey> {
    let file = |n: u64| {
        let mut bytes = n.to_le_bytes().to_vec();
        if n.is_multiple_of(10) {
            bytes.resize(LARGE, 7);
        }
        let output = store.insert_bytes(&bytes).expect("insert");
        let manifest = Manifest::uses("scale", "", n.into());
        let key = manifest.key();
        store.publish(&key, &manifest, &ActionResult::of(BTreeMap::from([("o".to_owned(), output)]))).expect("publish");
        key
    };
    (0..count).map(file).collect()
}

#[test]
#[ignore = "it is started by the one above"]
fn measured() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u16>().ok());
    let (Some(server), Some(port)) = (variable("KILN_SCALE_SERVER"), variable("KILN_SCALE_PROXY")) else { return };
    let results = std::env::var("KILN_SCALE").map_or(91_000, |text| text.parse().expect("a number"));
    let proxy = Proxy::at(port, server);
    let folders = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = Store::open(folders.0.path()).expect("a store");
    let began = Instant::now();
    let keys = fill(&first, results);
    say(&format!("{results} results filed in {:.0} s", began.elapsed().as_secs_f64()));

    let remote = Remote::open(settings(), &first).expect("a remote cache");
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = remote.init(false) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
    proxy.set(Fault::Far(20, 100));
    say("| | s | GET | PUT | HEAD | others | peak, MiB |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let meter = Meter { proxy: &proxy, remote: &remote };
    let left = meter.measure("all results are sent", || remote.take(&keys, &first).expect("send"));
    assert!(left.is_empty(), "{} are left", left.len());

    let second = Store::open(folders.1.path()).expect("a store");
    let other = Remote::open(settings(), &second).expect("a remote cache");
    let meter = Meter { proxy: &proxy, remote: &other };
    let some = &keys[..keys.len() / 9];
    let found = meter.measure(&format!("{} results are asked for", some.len()), || other.ask(some, &second));
    assert_eq!(found, some.len());
    let none: Vec<ActionKey> = (0..some.len() as u64).map(|n| Manifest::uses("nothing", "", n.into()).key()).collect();
    let found = meter.measure(&format!("{} that are not there", none.len()), || other.ask(&none, &second));
    assert_eq!(found, 0);

    let policy = Policy { unused: Duration::from_secs(3600 * 24 * 90), grace: Duration::ZERO };
    let expired = meter.measure("garbage is looked for", || other.expired(policy).expect("a list"));
    assert_eq!((expired.results as u64, expired.objects as u64), (results, results.div_ceil(10)));
    assert_eq!(expired.old + expired.unnamed, 0);
    let policy = Policy { unused: Duration::ZERO, grace: Duration::ZERO };
    let expired = meter.measure("all is garbage", || other.expired(policy).expect("a list"));
    meter.measure("it is deleted", || other.delete(&expired).expect("delete"));
    let expired = other.expired(policy).expect("a list");
    assert_eq!((expired.results, expired.objects), (0, 0));
}
