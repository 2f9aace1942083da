//! Files that nobody would write, made at random from a corpus: whatever is read from disk is read or refused, without a
//! panic, a hang or more memory than the file deserves.
//!
//! `tests/fuzz/` is the corpus, with whatever was once found; `KILN_TEST_FUZZ` says how many files each target is given.

#[cfg(feature = "stages")]
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use kiln::catalog::catalog;
use kiln::hash::{ActionKey, Artifact, Digest};
use kiln::pipeline::{self, Overrides};
use kiln::store::{Placement, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many files a target.
fn count() -> usize {
    std::env::var("KILN_TEST_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// No file of a few kilobytes is worth more memory than this.
const MEMORY: u64 = 6 << 30;

/// Numbers that are the same each time: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        static LIMITED: Once = Once::new();
        LIMITED.call_once(|| {
            let limit = Rlimit { current: Some(MEMORY), ..getrlimit(Resource::As) };
            setrlimit(Resource::As, limit).expect("a limit of memory");
        });
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).expect("a small number")
    }
}

/// What mistakes, and attacks, are made of.
const TOKENS: [&[u8]; 34] = [
    b"${",
    b"}",
    b"${params.",
    b"${matrix.",
    b"$${",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!binary ",
    b"!!set ",
    b"[",
    b"]",
    b"{",
    b"}",
    b": ",
    b"- ",
    b"\n",
    b"\t",
    b"'",
    b"\"",
    b"\\",
    b"..",
    b"/",
    b"\0",
    b"\xff",
    b"\xe2\x80\xa8",
    b"99999999999999999999",
    b"-1",
    b"1e999",
    b".nan",
    b"0x",
    b"~",
    b"---\n",
    b"\xf0\x9f\x94\xa5",
];

/// Changes some bytes, or moves, repeats, drops and inserts some.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(out.len() + 1);
        let length = random.below(24).min(out.len() - at);
        match random.below(8) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 if at < out.len() => out[at] = random.below(256) as u8,
            2 => drop(out.drain(at..at + length)),
            3 => out.truncate(at),
            4 => {
                let piece = out[at..at + length].to_vec();
                let to = random.below(out.len() + 1);
                drop(out.splice(to..to, piece));
            }
            5 => {
                let value = [0u32, 1, 0x7fff_ffff, 0xffff_ffff][random.below(4)].to_le_bytes();
                let end = (at + 4).min(out.len());
                drop(out.splice(at..end, value));
            }
            6 => {
                let piece = out[at..at + length].repeat(1 + random.below(200));
                drop(out.splice(at..at, piece));
            }
            _ => drop(out.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
        }
    }
    out
}

fn corpus(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("a corpus").map(|e| e.expect("a file").path()).collect();
    files.retain(|file| file.is_file() && file.extension().is_none_or(|e| e != "stderr"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).expect("read"))).collect()
}

/// Calls for each file of a corpus as it is, and for as many more made from them. What panics is left in a file.
fn each(name: &str, corpus: &[(PathBuf, Vec<u8>)], mut call: impl FnMut(&[u8])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ name.len() as u64);
    let mut tried = |bytes: &[u8]| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(bytes)));
        if let Err(panic) = result {
            let kept = std::env::temp_dir().join(format!("kiln-fuzz-{name}"));
            fs::write(&kept, bytes).expect("keep what was found");
            #[allow(clippy::print_stderr, reason = "a test tells where to look")]
            {
                eprintln!("the file that did it is {}", kept.display());
            }
            std::panic::resume_unwind(panic);
        }
    };
    for (_, bytes) in corpus {
        tried(bytes);
    }
    for _ in 0..count() {
        let (_, bytes) = &corpus[random.below(corpus.len())];
        tried(&mutate(bytes, &mut random));
    }
}

#[test]
fn pipelines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("words.txt"), "a\n").expect("write");
    let file = folder.path().join("pipeline.yaml");
    let mut files = corpus("tests/fuzz/pipeline");
    files.extend(corpus("tests/ui").into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "yaml")));
    let catalog = catalog();
    each("pipelines", &files, |bytes| {
        fs::write(&file, bytes).expect("write");
        let _ = pipeline::load(&file, &catalog, &Overrides::default());
        let set = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).replace('\n', " ");
        let overrides =
            Overrides { profile: Some("strict".into()), set: vec![format!("params.least={set}"), set], cache: None };
        let _ = pipeline::load(&file, &catalog, &overrides);
    });
}

#[cfg(feature = "stages")]
#[test]
fn idx_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    let kind = stages::kinds().find(|kind| kind.name == "import").expect("a kind");
    let input = |path: &Path| vec![stages::kind::Input { label: String::new(), path: path.to_owned() }];
    let params = (kind.check)(&serde_json::json!({})).unwrap_or_else(|e| panic!("{}", e.message));
    let files = corpus("tests/fuzz/idx");
    let good = |name: &str| files.iter().find(|(path, _)| path.ends_with(name)).expect("in the corpus").1.clone();
    let run = || {
        let context = stages::kind::Context {
            inputs: BTreeMap::from([("images".into(), input(&images)), ("labels".into(), input(&labels))]),
            outputs: BTreeMap::from([("dataset".into(), folder.path().join("dataset"))]),
            threads: 1,
            device: "cpu".into(),
            project: folder.path().into(),
            checkpoints: stages::kind::Checkpoints::default(),
            events: &|_| {},
        };
        let _ = (kind.run)(&params, &context);
        let _ = fs::remove_dir_all(folder.path().join("dataset"));
        let _ = fs::remove_file(folder.path().join("dataset"));
    };
    each("idx", &files, |bytes| {
        for (bad, other, name) in [(&images, &labels, "idx/labels"), (&labels, &images, "idx/images")] {
            fs::write(bad, bytes).expect("write");
            fs::write(other, good(name)).expect("write");
            run();
        }
    });
}

/// A cache with a few results, a tree and a run record in it.
fn cache() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "version: 1\nstages:\n  a: {run: 'echo \"{}\" > out/a.json', outputs: {x: {path: out/a.json, role: metrics}}}\n  \
                b: {run: mkdir out/b; cat out/a.json > out/b/f; mkdir out/b/d; ln -s f out/b/l, inputs: {x: {from: a.x}}, outputs: {x: out/b}}\n";
    fs::write(folder.path().join("pipeline.yaml"), text).expect("write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(["run", "--quiet"]).env_remove("KILN_CACHE").current_dir(folder.path());
    assert!(command.status().expect("start kiln").success());
    let cache = folder.path().join("cache");
    (folder, cache)
}

/// Opens a cache and asks it for all it has.
fn read_all(cache: &Path, keys: &[ActionKey]) {
    let Ok(store) = Store::open(cache) else { return };
    for key in keys {
        let _ = store.manifest(key);
        if let Some(result) = store.result(key) {
            for artifact in result.outputs.values() {
                let _ = store.has(artifact);
            }
        }
    }
    for run in store.runs(None).unwrap_or_default() {
        let _ = store.find_run(&run.id.to_string(), None);
    }
    let _ = store.verify(&|_, _| {});
}

/// The frames of a journal: head and body.
fn frames(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut frames = vec![];
    let mut rest = bytes;
    while rest.len() > 20 {
        let length = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes")) as usize;
        let (head, body) = (length(4), length(8));
        frames.push((rest[20..20 + head].to_vec(), rest[20 + head..20 + head + body].to_vec()));
        rest = &rest[20 + head + body..];
    }
    frames
}

/// A frame that is sound, whatever is in it.
fn frame(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0x6b, 0x6c, 0x01];
    out.extend(u32::try_from(head.len()).expect("short").to_le_bytes());
    out.extend(u32::try_from(body.len()).expect("short").to_le_bytes());
    let sum = blake3::Hasher::new().update(&out).update(head).finalize();
    out.extend(&sum.as_bytes()[..8]);
    out.extend(head);
    out.extend(body);
    out
}

#[test]
fn action_logs_and_manifests() {
    let (_folder, cache) = cache();
    let log = cache.join("actions.log");
    let whole = fs::read(&log).expect("read");
    let found = frames(&whole);
    assert_eq!(found.iter().map(|(head, body)| frame(head, body)).collect::<Vec<_>>().concat(), whole, "the format");
    let key = |head: &[u8]| -> Option<ActionKey> {
        head.get(..32).and_then(|key| blake3::Hash::from_slice(key).ok()).and_then(|key| key.to_hex().parse().ok())
    };
    let keys: Vec<ActionKey> = found.iter().filter_map(|(head, _)| key(head)).collect();
    each("action-log", &[(log.clone(), whole)], |bytes| {
        fs::write(&log, bytes).expect("write");
        read_all(&cache, &keys);
    });
    // Heads that no checksum betrays.
    let heads: Vec<(PathBuf, Vec<u8>)> = found.iter().map(|(head, _)| (log.clone(), head[32..].to_vec())).collect();
    each("action-head", &heads, |bytes| {
        let head = [&found[0].0[..32], bytes].concat();
        fs::write(&log, frame(&head, &found[0].1)).expect("write");
        read_all(&cache, &keys);
    });
    // Manifests under the keys that are theirs.
    let bodies: Vec<(PathBuf, Vec<u8>)> = found.iter().map(|(_, body)| (log.clone(), body.clone())).collect();
    each("manifest", &bodies, |bytes| {
        let digest = blake3::Hasher::new_derive_key("kiln 2026-07 action manifest").update(bytes).finalize();
        let head = [digest.as_bytes(), &found[0].0[32..]].concat();
        fs::write(&log, frame(&head, bytes)).expect("write");
        read_all(&cache, &[key(&head).expect("a key")]);
    });
}

#[test]
fn memo_logs() {
    let (_folder, cache) = cache();
    let log = cache.join("memo.log");
    let whole = fs::read(&log).expect("read");
    let heads: Vec<(PathBuf, Vec<u8>)> = frames(&whole).into_iter().map(|(head, _)| (log.clone(), head)).collect();
    each("memo-log", &[(log.clone(), whole)], |bytes| {
        fs::write(&log, bytes).expect("write");
        read_all(&cache, &[]);
    });
    each("memo-head", &heads, |bytes| {
        fs::write(&log, frame(bytes, &[])).expect("write");
        read_all(&cache, &[]);
    });
}

#[test]
fn run_records() {
    let (_folder, cache) = cache();
    let entry = fs::read_dir(cache.join("runs")).expect("list").next().expect("a record").expect("a record");
    let whole = fs::read(entry.path()).expect("read");
    each("record", &[(entry.path(), whole.clone())], |bytes| {
        fs::write(entry.path(), bytes).expect("write");
        read_all(&cache, &[]);
    });
    let text = String::from_utf8(whole).expect("UTF-8");
    let (head, record) = text.split_once('\n').expect("two lines");
    let sum = |head: &str| -> String {
        let head: serde_json::Value = serde_json::from_str(head).expect("JSON");
        head["record_blake3"].as_str().expect("a digest").to_owned()
    };
    let record = record.trim_end_matches('\n').as_bytes().to_vec();
    let true_sum = sum(head);
    assert_eq!(blake3::hash(&record).to_hex().as_str(), true_sum, "the format");
    // Records that no checksum betrays.
    each("record-text", &[(entry.path(), record)], |bytes| {
        let head = head.replace(&true_sum, blake3::hash(bytes).to_hex().as_str());
        fs::write(entry.path(), [head.as_bytes(), b"\n", bytes, b"\n"].concat()).expect("write");
        read_all(&cache, &[]);
    });
}

#[test]
fn listings_of_trees() {
    let (folder, cache) = cache();
    let listing = walk(&cache.join("trees")).pop().expect("a listing");
    let mut files = vec![(listing.clone(), fs::read(&listing).expect("read"))];
    for entry in [
        "d ../out\0",
        "l ../../x\0/etc\0",
        "l x\0../../etc\0",
        "d a/../../b\0",
        "d /tmp/kiln-fuzz\0",
        "l a\0.\0d a/b\0",
        "l a\0..\0",
    ] {
        files.push((listing.clone(), [b"kiln tree 1\0", entry.as_bytes()].concat()));
    }
    let inside = folder.path().join("inside");
    each("listing", &files, |bytes| {
        let digest = blake3::Hasher::new_derive_key("kiln 2026-07 tree listing").update(bytes).finalize().to_hex();
        let path = cache.join("trees").join(&digest[..2]).join(&digest[2..]);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create folder");
        fs::write(&path, bytes).expect("write");
        let digest: Digest = digest.parse().expect("a digest");
        fs::create_dir_all(&inside).expect("create folder");
        let store = Store::open(&cache).expect("a cache");
        let artifact = Artifact { digest, tree: true, bytes: 0, executable: false };
        if store.materialise(&artifact, &inside.join("tree"), Placement::Copy).is_ok() {
            for path in walk(&inside) {
                let target = path.canonicalize().unwrap_or(path);
                assert!(target.starts_with(folder.path().canonicalize().expect("the folder")), "{}", target.display());
            }
        }
        let names: Vec<_> = fs::read_dir(&inside).expect("list").map(|e| e.expect("an entry").file_name()).collect();
        assert!(names.iter().all(|name| name == "tree"), "{names:?}");
        assert!(!Path::new("/tmp/kiln-fuzz").exists());
        fs::remove_dir_all(&inside).expect("remove");
        let _ = fs::remove_file(path);
    });
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
