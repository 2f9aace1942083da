//! What may be done with a remote cache: taking results, sending them, both, or nothing.

use super::{ALL, Checkout, folder, warnings};
use crate::project::files;

#[test]
fn who_only_writes_takes_nothing_and_who_only_reads_sends_nothing() {
    let (folder, url) = folder();
    let sent = || files(&folder.path().join("ac")).len();
    let (executed, _, _) = Checkout::of(&url).run(&["--remote-access", "read"]);
    assert_eq!((executed.as_slice(), sent()), (&ALL.map(str::to_owned)[..], 0));
    let (executed, _, _) = Checkout::of(&format!("{{url: '{url}', access: read}}")).run(&[]);
    assert_eq!((executed.len(), sent()), (4, 0));
    let (executed, _, _) = Checkout::of(&url).with(&[("KILN_REMOTE_ACCESS", "write")]).run(&[]);
    assert_eq!((executed.len(), sent()), (4, 4));
    let writer = Checkout::of(&format!("{{url: '{url}', access: write}}"));
    let (executed, _, ran) = writer.run(&[]);
    assert_eq!((executed.len(), sent(), warnings(&ran)), (4, 4, 0), "what is there is not taken: {}", ran.stderr);
    assert!(!ran.stderr.contains("results found"), "{}", ran.stderr);
    let (executed, _, _) = Checkout::of(&url).run(&["--offline"]);
    assert_eq!(executed.len(), 4);
    let (executed, restored, _) = Checkout::of(&url).run(&["--remote-access", "read"]);
    assert_eq!((executed.len(), restored.len()), (0, 4));
}

#[test]
fn the_environment_names_a_remote_cache_and_the_command_line_counts_for_more() {
    let ((one, first), (other, second)) = (folder(), folder());
    let sent = |folder: &tempfile::TempDir| files(&folder.path().join("ac")).len();
    let checkout = Checkout::of("").with(&[("KILN_REMOTE", &first)]);
    checkout.run(&["upper"]);
    assert_eq!((sent(&one), sent(&other)), (1, 0));
    checkout.run(&["--remote", &second]);
    assert_eq!((sent(&one), sent(&other)), (1, 3));
    // What is not said there is not asked for.
    let (executed, _, ran) = Checkout::of(&first).with(&[("KILN_REMOTE", "")]).run(&["upper"]);
    assert_eq!(executed.len(), 0, "an empty variable is none: {}", ran.stderr);
}
