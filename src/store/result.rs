//! What an execution gave, and its bytes in the results journal.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash::{ActionKey, Artifact, Digest};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::name_map::NameMap;
use crate::record::Resumed;

/// What an execution gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionResult {
    /// Output name -> what was written.
    pub outputs: NameMap<Artifact>,
    /// The numbers of its outputs with role `metrics`, nested keys joined by dots.
    pub metrics: BTreeMap<String, f64>,
    /// Whether there are outputs of which the numbers could not be read.
    pub unread: bool,
    /// Why not. Found out anew by who needs it, and not kept.
    pub warnings: Vec<String>,
    /// What the log of an execution that ended well complained of.
    pub complaints: Vec<String>,
    /// How long it took, in seconds of wall time.
    pub seconds: f64,
    /// What it went on from, if it did not begin at the beginning.
    pub resumed: Option<Resumed>,
    /// The tool whose result it is, if an import took it over.
    pub adopted: Option<String>,
    /// Of the state of a step: whether a rule of its stage names it, so that it is kept with what it belongs to.
    pub named: bool,
    /// When it ended.
    pub created: Timestamp,
    /// The machine.
    pub host: String,
    /// What made it there; `None` in results of before this was noted.
    pub maker: Option<Maker>,
}

/// What made a result, as far as that may matter to who takes it from another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// Kiln's version.
    pub kiln: String,
    /// The processor family, by what it can do: `x86-64-v3`, `aarch64`.
    pub processor: String,
    /// The commit of the project that was checked out, if it is in a repository; what was not committed counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Maker {
    /// This program on this machine.
    pub fn here() -> Self {
        static FAMILY: LazyLock<&str> = LazyLock::new(family);
        Self { kiln: env!("CARGO_PKG_VERSION").to_owned(), processor: (*FAMILY).to_owned(), commit: None }
    }
}

/// The level of the x86-64 psABI that the processor reaches, or the architecture where there are no such levels.
#[cfg(target_arch = "x86_64")]
fn family() -> &'static str {
    let (avx2, fma) = (is_x86_feature_detected!("avx2"), is_x86_feature_detected!("fma"));
    let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    match (avx2 && fma, avx512) {
        (true, true) => "x86-64-v4",
        (true, false) => "x86-64-v3",
        _ if is_x86_feature_detected!("sse4.2") => "x86-64-v2",
        _ => "x86-64",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn family() -> &'static str {
    std::env::consts::ARCH
}

impl ActionResult {
    /// A result that was made on this machine and ends now, without numbers.
    pub fn of(outputs: impl IntoIterator<Item = (String, Artifact)>) -> Self {
        Self {
            outputs: outputs.into_iter().collect(),
            metrics: BTreeMap::new(),
            unread: false,
            warnings: vec![],
            complaints: vec![],
            seconds: 0.0,
            resumed: None,
            adopted: None,
            named: false,
            created: Timestamp::now(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            maker: Some(Maker::here()),
        }
    }

    /// All that somebody should know who relies on it.
    pub fn all_warnings(&self) -> Vec<String> {
        self.complaints.iter().chain(&self.warnings).cloned().collect()
    }
}

/// What came of publishing a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Published {
    /// It was the first for its key.
    New,
    /// There was one already, with the same outputs.
    Same,
    /// There was one already, with other outputs, and it stays: the action is not deterministic.
    Conflict(Box<ActionResult>),
}

/// What the journal says of one result beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The boot of the machine that published it.
    pub(super) boot: u64,
    /// Whether its outputs were known to be on the disk, not only in memory, when it was published.
    pub(super) durable: bool,
}

const TREE: u8 = 1;
const EXECUTABLE: u8 = 2;

const DURABLE: u8 = 1;
const RESUMED: u8 = 2;
const UNREAD: u8 = 4;
const COMPLAINTS: u8 = 8;
const ADOPTED: u8 = 16;
const NAMED: u8 = 32;
const MAKER: u8 = 64;
const COMMIT: u8 = 128;

/// The head of a result's frame. Its body is the manifest's text.
pub(super) fn encode(key: &ActionKey, origin: Origin, result: &ActionResult) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&key.0);
    out.extend_from_slice(&origin.boot.to_le_bytes());
    put_fields(&mut out, if origin.durable { DURABLE } else { 0 }, result);
    out
}

/// What a result says, wherever it is: behind flags of where it is from.
pub(super) fn put_fields(out: &mut Vec<u8>, flags: u8, result: &ActionResult) {
    let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
    let complaints = flag(!result.complaints.is_empty(), COMPLAINTS);
    let adopted = flag(result.adopted.is_some(), ADOPTED);
    let rest =
        flag(result.resumed.is_some(), RESUMED) | flag(result.unread, UNREAD) | adopted | flag(result.named, NAMED);
    let commit = result.maker.as_ref().and_then(|maker| maker.commit.as_ref());
    out.push(flags | rest | complaints | flag(result.maker.is_some(), MAKER) | flag(commit.is_some(), COMMIT));
    out.extend_from_slice(&result.created.as_second().to_le_bytes());
    out.extend_from_slice(&result.created.subsec_nanosecond().to_le_bytes());
    out.extend_from_slice(&result.seconds.to_le_bytes());
    put_text(out, &result.host);
    put_count(out, result.outputs.len());
    for (name, artifact) in &result.outputs {
        put_text(out, name);
        out.extend_from_slice(&artifact.digest.0);
        out.push(if artifact.tree { TREE } else { 0 } | if artifact.executable { EXECUTABLE } else { 0 });
        out.extend_from_slice(&artifact.bytes.to_le_bytes());
    }
    put_count(out, result.metrics.len());
    for (name, value) in &result.metrics {
        put_text(out, name);
        out.extend_from_slice(&value.to_le_bytes());
    }
    if let Some(resumed) = &result.resumed {
        out.extend_from_slice(&resumed.step.to_le_bytes());
        put_text(out, &resumed.unit);
        out.extend_from_slice(&resumed.seconds.to_le_bytes());
    }
    if complaints != 0 {
        put_count(out, result.complaints.len());
        result.complaints.iter().for_each(|complaint| put_text(out, complaint));
    }
    if let Some(adopted) = &result.adopted {
        put_text(out, adopted);
    }
    if let Some(maker) = &result.maker {
        put_text(out, &maker.kiln);
        put_text(out, &maker.processor);
        maker.commit.iter().for_each(|commit| put_text(out, commit));
    }
}

/// The key at the front of a head.
pub(super) fn key_of(head: &[u8]) -> Option<ActionKey> {
    Reader(head).array().map(ActionKey)
}

/// Reads what [`encode`] wrote; `None` if it is anything else.
pub(super) fn decode(head: &[u8]) -> Option<(Origin, ActionResult)> {
    let mut from = Reader(head);
    from.array::<32>()?;
    let boot = from.u64()?;
    let (flags, result) = fields(&mut from)?;
    let origin = Origin { boot, durable: flags & DURABLE != 0 };
    from.0.is_empty().then_some((origin, result))
}

/// Reads what [`put_fields`] wrote, and the flags.
pub(super) fn fields(from: &mut Reader<'_>) -> Option<(u8, ActionResult)> {
    let flags = from.byte()?;
    let created = Timestamp::new(from.i64()?, i32::from_le_bytes(from.array()?)).ok()?;
    let seconds = from.f64()?;
    let host = from.text()?;
    let count = from.count()?;
    let mut outputs = NameMap::with_capacity(count.min(16));
    for _ in 0..count {
        let name = from.text()?;
        let digest = Digest(from.array()?);
        let flags = from.byte()?;
        let artifact =
            Artifact { digest, tree: flags & TREE != 0, bytes: from.u64()?, executable: flags & EXECUTABLE != 0 };
        outputs.insert(name, artifact);
    }
    let mut metrics = BTreeMap::new();
    for _ in 0..from.count()? {
        metrics.insert(from.text()?, from.f64()?);
    }
    let resumed = if flags & RESUMED == 0 {
        None
    } else {
        Some(Resumed { step: from.u64()?, unit: from.text()?, seconds: from.f64()? })
    };
    let (unread, named, warnings) = (flags & UNREAD != 0, flags & NAMED != 0, vec![]);
    let mut complaints = Vec::new();
    if flags & COMPLAINTS != 0 {
        for _ in 0..from.count()? {
            complaints.push(from.text()?);
        }
    }
    let adopted = if flags & ADOPTED == 0 { None } else { Some(from.text()?) };
    let maker = match flags & MAKER {
        0 => None,
        _ => {
            let (kiln, processor) = (from.text()?, from.text()?);
            let commit = if flags & COMMIT == 0 { None } else { Some(from.text()?) };
            Some(Maker { kiln, processor, commit })
        }
    };
    let result = ActionResult {
        outputs,
        metrics,
        unread,
        warnings,
        complaints,
        seconds,
        resumed,
        adopted,
        named,
        created,
        host,
        maker,
    };
    Some((flags, result))
}

/// Visits the digests and sizes of the outputs in what [`encode`] wrote, and decodes nothing else.
pub(super) fn each_output(head: &[u8], mut visit: impl FnMut(Digest, u64)) {
    let mut read = || {
        let mut from = Reader(head);
        // Key, boot, flags, created and seconds.
        from.array::<{ 32 + 8 + 1 + 12 + 8 }>()?;
        from.str()?;
        for _ in 0..from.count()? {
            from.str()?;
            let digest = Digest(from.array()?);
            from.byte()?;
            visit(digest, from.u64()?);
        }
        Some(())
    };
    let _ = read();
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::store) fn results() -> impl Strategy<Value = ActionResult> {
        let artifact = (any::<[u8; 32]>(), any::<bool>(), any::<u64>(), any::<bool>())
            .prop_map(|(digest, tree, bytes, executable)| Artifact { digest: Digest(digest), tree, bytes, executable });
        let resumed =
            (any::<u64>(), ".{0,5}", 0.0..1e9).prop_map(|(step, unit, seconds)| Resumed { step, unit, seconds });
        (
            prop::collection::btree_map(".{0,5}", artifact, 0..4),
            prop::collection::btree_map(".{0,5}", -1e300..1e300, 0..4),
            any::<bool>(),
            prop::collection::vec(".{0,5}", 0..3),
            0.0..1e9,
            (prop::option::of(resumed), any::<bool>()),
            prop::option::of(".{0,5}"),
            (-1_000_000_000_000i64..1_000_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap()),
            (".{0,5}", prop::option::of((".{0,5}", ".{0,5}", prop::option::of(".{0,5}")))),
        )
            .prop_map(
                |(outputs, metrics, unread, complaints, seconds, (resumed, named), adopted, created, (host, maker))| {
                    ActionResult {
                        outputs: outputs.into_iter().collect(),
                        metrics,
                        unread,
                        warnings: vec![],
                        complaints,
                        seconds,
                        resumed,
                        adopted,
                        named,
                        created,
                        host,
                        maker: maker.map(|(kiln, processor, commit)| Maker { kiln, processor, commit }),
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn results_read_back(result in results(), key: [u8; 32], boot: u64, durable: bool) {
            let (key, origin) = (ActionKey(key), Origin { boot, durable });
            let head = encode(&key, origin, &result);
            prop_assert_eq!(key_of(&head), Some(key));
            let mut outputs = vec![];
            each_output(&head, |digest, bytes| outputs.push((digest, bytes)));
            prop_assert_eq!(outputs, result.outputs.values().map(|a| (a.digest, a.bytes)).collect::<Vec<_>>());
            prop_assert_eq!(decode(&head), Some((origin, result)));
            for end in 0..head.len() {
                prop_assert_eq!(decode(&head[..end]), None);
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            each_output(&bytes, |_, _| {});
        }
    }
}
