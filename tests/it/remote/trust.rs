//! Whose results are accepted, and who may send any.

use super::{ALL, Checkout, folder, warnings};
use crate::git::{commit, git};
use crate::project::files;

/// A key pair: the file of the secret key, and the public one.
fn key(checkout: &Checkout, name: &str) -> (String, String) {
    let made = checkout.kiln(&["remote", "keygen", name]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let path = checkout.project.root().join(name);
    (path.to_str().expect("UTF-8").to_owned(), made.stdout.trim().to_owned())
}

#[test]
fn results_that_no_accepted_key_signed_are_refused_and_that_is_said() {
    let (folder, url) = folder();
    let keys = Checkout::of("");
    let (secret, public) = key(&keys, "key");
    let (other, _) = key(&keys, "other");
    assert_eq!(keys.kiln(&["remote", "keygen", "key"]).code, Some(2), "a key is never replaced");
    let strict = format!("{{url: '{url}', accept: ['{public}']}}");
    let refused = |why: &str| {
        let (executed, _, ran) = Checkout::of(&strict).run(&["--remote-access", "read"]);
        assert_eq!(executed, ALL, "{why}: {}", ran.stderr);
        assert_eq!(warnings(&ran), 1, "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains("that no accepted key signed"), "{why}: {}", ran.stderr);
    };
    // Nobody's.
    Checkout::of(&url).run(&[]);
    refused("unsigned");
    // Somebody else's.
    Checkout::of(&url).with(&[("KILN_SIGNING_KEY", &other)]).kiln(&["run"]);
    let pushed = Checkout::of(&url).with(&[("KILN_SIGNING_KEY", &other)]);
    pushed.run(&["--offline"]);
    assert_eq!(pushed.kiln(&["push", "--again"]).code, Some(0));
    refused("another's");
    // The right one's.
    let good = Checkout::of(&strict).with(&[("KILN_SIGNING_KEY", &secret)]);
    good.run(&["--offline"]);
    assert_eq!(good.kiln(&["push"]).code, Some(0));
    let (executed, restored, ran) = Checkout::of(&strict).run(&[]);
    assert_eq!((executed.len(), restored.len(), warnings(&ran)), (0, 4, 0), "{}", ran.stderr);
    // A forger who has no key, and writes the name of the right one over a signature.
    for result in files(&folder.path().join("ac")) {
        let mut bytes = std::fs::read(&result).expect("read a result");
        bytes[72] ^= 1;
        std::fs::write(&result, bytes).expect("forge a result");
    }
    refused("forged");
    // Without a key, nothing that would be refused is sent.
    let (_, _, ran) = Checkout::of(&strict).run(&["--force", "upper"]);
    assert!(ran.stderr.contains("only signed results are accepted there"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sent ("), "{}", ran.stderr);
    // With a key that nobody accepts, neither.
    let stranger = Checkout::of(&strict).with(&[("KILN_SIGNING_KEY", &other)]);
    let (_, _, ran) = stranger.run(&["--force", "upper"]);
    assert!(ran.stderr.contains("is none of those that are accepted there"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sent ("), "{}", ran.stderr);
    let pushed = stranger.kiln(&["push"]);
    assert_eq!(pushed.code, Some(2), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("is none of those that are accepted there"), "{}", pushed.stderr);
    // A secret key does not belong into the file.
    let text = std::fs::read_to_string(&secret).expect("read the key");
    let ran = Checkout::of(&format!("{{url: '{url}', accept: ['{}']}}", text.trim())).kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("this is a secret key"), "{}", ran.stderr);
}

#[test]
fn in_ci_results_are_sent_from_protected_branches_only() {
    let (folder, url) = folder();
    let sent = || files(&folder.path().join("ac")).len();
    let (_, _, ran) = Checkout::of(&url).with(&[("CI", "true")]).run(&[]);
    assert!(ran.stderr.contains("4 results are not sent") && ran.stderr.contains("CI is set"), "{}", ran.stderr);
    // What the pipeline file says is the branch's own word.
    Checkout::of(&format!("{{url: '{url}', access: both}}")).with(&[("CI", "true")]).run(&[]);
    assert_eq!(sent(), 0);
    let pushed = Checkout::of(&url).with(&[("CI", "true")]).kiln(&["push"]);
    assert_eq!(pushed.code, Some(2), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("--remote-access both"), "{}", pushed.stderr);
    Checkout::of(&url).with(&[("CI", "true"), ("CI_COMMIT_REF_PROTECTED", "true")]).run(&["upper"]);
    assert_eq!(sent(), 1);
    Checkout::of(&url).with(&[("CI", "true"), ("KILN_REMOTE_ACCESS", "both")]).run(&[]);
    assert_eq!(sent(), 4);
    let (executed, restored, ran) = Checkout::of(&url).with(&[("CI", "true")]).run(&[]);
    assert_eq!((executed.len(), restored.len()), (0, 4));
    assert!(!ran.stderr.contains("not sent"), "{}", ran.stderr);
}

#[test]
fn who_made_a_result_is_recorded() {
    let (_folder, url) = folder();
    Checkout::of(&url).run(&[]);
    let (_, _, ran) = Checkout::of(&url).run(&[]);
    let record = ran.record();
    let maker = &record.stage("upper")["maker"];
    assert_eq!(maker["kiln"], env!("CARGO_PKG_VERSION"), "{}", record.0);
    assert!(maker["host"].as_str().is_some_and(|host| !host.is_empty()));
    assert!(maker["processor"].as_str().is_some_and(|family| !family.is_empty()));
    assert!(maker["commit"].is_null(), "it is in no repository");
    let (_folder, url) = folder();
    let first = Checkout::of(&url);
    first.project.write(".gitignore", "/cache/\n/out/\n");
    git(first.project.root(), &["init", "-q", "-b", "main"]);
    let commit = commit(first.project.root(), "Begin");
    first.run(&[]);
    let second = Checkout::of(&url);
    let (_, _, ran) = second.run(&[]);
    assert_eq!(ran.record().stage("upper")["maker"]["commit"], commit.as_str());
    let why = second.kiln(&["why", "upper"]).stdout;
    assert!(why.contains(&format!("at commit {}", &commit[..8])), "{why}");
}
