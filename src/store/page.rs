//! A page: what lasts of consecutive stages of a run, as bytes. The layout is known here and nowhere else.

use std::collections::BTreeMap;

use crate::hash::{ActionKey, Digest};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::json_text::JsonText;
use crate::kind::Role;
use crate::name_map::NameMap;
use crate::record::{Outcome, OutputRecord, Resumed, StageRecord};

/// The bytes of a page.
pub(super) fn encode(stages: &[StageRecord]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(stages.len() * 512);
    stages.iter().for_each(|stage| put(&mut bytes, stage));
    bytes
}

/// A stage in a page, of which as much is decoded as one asks for.
pub(super) struct Entry<'a> {
    /// The stage's name.
    pub(super) name: &'a str,
    /// Its key.
    pub(super) key: Option<ActionKey>,
    stage: &'a str,
    variant: Reader<'a>,
    uses: Option<&'a str>,
    needs: Reader<'a>,
    params: &'a str,
    inputs: Reader<'a>,
    outputs: Reader<'a>,
    metrics: Reader<'a>,
    executed_seconds: Option<f64>,
    resumed: Option<(u64, &'a str, f64)>,
}

/// The stages of a page; `None` if the bytes are anything else.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut from = Reader(bytes);
    let mut entries = Vec::new();
    while !from.0.is_empty() {
        entries.push(Entry::read(&mut from)?);
    }
    Some(entries)
}

impl<'a> Entry<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        Some(Self {
            name: from.str()?,
            stage: from.str()?,
            variant: passed_over(from, |from| Some((from.str()?, from.str()?)))?,
            uses: option(from, Reader::str)?,
            needs: passed_over(from, Reader::str)?,
            key: option(from, |from| from.array().map(ActionKey))?,
            params: from.str()?,
            inputs: passed_over(from, |from| Some((from.str()?, passed_over(from, Reader::array::<32>)?)))?,
            outputs: passed_over(from, output)?,
            metrics: passed_over(from, metric)?,
            executed_seconds: option(from, Reader::f64)?,
            resumed: option(from, |from| Some((from.u64()?, from.str()?, from.f64()?)))?,
        })
    }

    /// Seconds that went into its outputs.
    pub(super) fn total_seconds(&self) -> Option<f64> {
        self.executed_seconds.map(|seconds| seconds + self.resumed.map_or(0.0, |(_, _, before)| before))
    }

    /// Where its outputs went, and what they were.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (&'a str, Digest)> {
        items(self.outputs, output).map(|output| (output.path, output.digest))
    }

    /// The digests of its inputs.
    pub(super) fn inputs(&self) -> impl Iterator<Item = Digest> + use<'a> {
        let inputs = items(self.inputs, |from| {
            from.str()?;
            passed_over(from, Reader::array::<32>)
        });
        inputs.flat_map(|digests| items(digests, Reader::array::<32>)).map(Digest)
    }

    /// Whether it has metrics.
    pub(super) fn has_metrics(&self) -> bool {
        items(self.metrics, metric).next().is_some()
    }

    /// All of it. What a run says beside is as of a stage of which nothing is known.
    pub(super) fn record(&self) -> Option<StageRecord> {
        let inputs = items(self.inputs, |from| {
            let (name, count) = (from.text()?, from.count()?);
            Some((name, (0..count).map(|_| from.array().map(Digest)).collect::<Option<Vec<_>>>()?))
        });
        let outputs = items(self.outputs, output).map(|output| {
            let Output { name, path, digest, bytes, role } = output;
            (name.to_owned(), OutputRecord { path: path.into(), digest, bytes, role })
        });
        Some(StageRecord {
            name: self.name.to_owned(),
            stage: self.stage.to_owned(),
            variant: items(self.variant, |from| Some((from.text()?, from.text()?))).collect(),
            uses: self.uses.map(str::to_owned),
            needs: items(self.needs, Reader::text).collect(),
            key: self.key,
            params: JsonText::of_text(self.params)?,
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            metrics: items(self.metrics, metric).map(|(name, value)| (name.to_owned(), value)).collect(),
            executed_seconds: self.executed_seconds,
            resumed: self.resumed.map(|(step, unit, seconds)| Resumed { step, unit: unit.to_owned(), seconds }),
            ..nothing_known()
        })
    }
}

/// An output, as it stands in a page.
struct Output<'a> {
    name: &'a str,
    path: &'a str,
    digest: Digest,
    bytes: u64,
    role: Role,
}

fn output<'a>(from: &mut Reader<'a>) -> Option<Output<'a>> {
    let (name, path) = (from.str()?, from.str()?);
    let (digest, bytes) = (Digest(from.array()?), from.u64()?);
    Some(Output { name, path, digest, bytes, role: Role::of_byte(from.byte()?)? })
}

fn metric<'a>(from: &mut Reader<'a>) -> Option<(&'a str, f64)> {
    Some((from.str()?, from.f64()?))
}

/// Reads a count and so many items, of which nothing is kept; returns where they stand.
fn passed_over<'a, T>(from: &mut Reader<'a>, item: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<Reader<'a>> {
    let place = *from;
    for _ in 0..from.count()? {
        item(from)?;
    }
    Some(place)
}

/// Items that were passed over before, so that they make sense.
fn items<'a, T>(mut from: Reader<'a>, item: impl Fn(&mut Reader<'a>) -> Option<T>) -> impl Iterator<Item = T> {
    let count = from.count().unwrap_or(0);
    (0..count).map_while(move |_| item(&mut from))
}

fn put(out: &mut Vec<u8>, stage: &StageRecord) {
    put_text(out, &stage.name);
    put_text(out, &stage.stage);
    put_count(out, stage.variant.len());
    for (axis, value) in &stage.variant {
        put_text(out, axis);
        put_text(out, value);
    }
    put_option(out, stage.uses.as_ref(), |out, uses| put_text(out, uses));
    put_count(out, stage.needs.len());
    stage.needs.iter().for_each(|name| put_text(out, name));
    put_option(out, stage.key.as_ref(), |out, key| out.extend_from_slice(&key.0));
    put_text(out, stage.params.text());
    put_count(out, stage.inputs.len());
    for (name, digests) in &stage.inputs {
        put_text(out, name);
        put_count(out, digests.len());
        digests.iter().for_each(|digest| out.extend_from_slice(&digest.0));
    }
    put_count(out, stage.outputs.len());
    for (name, output) in &stage.outputs {
        put_text(out, name);
        // As JSON would have it.
        put_text(out, &output.path.to_string_lossy());
        out.extend_from_slice(&output.digest.0);
        out.extend_from_slice(&output.bytes.to_le_bytes());
        out.push(output.role as u8);
    }
    put_count(out, stage.metrics.len());
    for (name, value) in &stage.metrics {
        put_text(out, name);
        out.extend_from_slice(&value.to_le_bytes());
    }
    put_option(out, stage.executed_seconds.as_ref(), |out, seconds| out.extend_from_slice(&seconds.to_le_bytes()));
    put_option(out, stage.resumed.as_ref(), |out, resumed| {
        out.extend_from_slice(&resumed.step.to_le_bytes());
        put_text(out, &resumed.unit);
        out.extend_from_slice(&resumed.seconds.to_le_bytes());
    });
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<&T>, put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// The outer `None` is nonsense, the inner one nothing.
fn option<'a, T>(from: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<Option<T>> {
    match from.byte()? {
        0 => Some(None),
        1 => read(from).map(Some),
        _ => None,
    }
}

/// The record of a stage of which nothing is known.
fn nothing_known() -> StageRecord {
    StageRecord {
        name: String::new(),
        stage: String::new(),
        variant: BTreeMap::new(),
        uses: None,
        needs: vec![],
        outcome: Outcome::Skipped,
        reasons: vec![],
        causes: vec![],
        key: None,
        params: JsonText::default(),
        inputs: NameMap::new(),
        outputs: NameMap::new(),
        metrics: BTreeMap::new(),
        warnings: vec![],
        ready: None,
        start: None,
        seconds: 0.0,
        queued: None,
        executed_seconds: None,
        resumed: None,
        maker: None,
        log: None,
        error: None,
        failure: None,
    }
}
