//! A pipeline as bytes and back, for the copy that is kept of one that was checked. Read without trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;

use crate::diagnostic::Span;
use crate::hash::Digest;
use crate::hash::picks::{Picks, Texts};
use crate::journal::wire::{Reader, put_count, put_text};
use crate::kind::{Catalog, Role};

use super::cache::PutAs;
use super::executor::ExecutorSpec;
use super::remote::RemoteSpec;
use super::resolved::Documents;
use super::stage::{
    Body, Command, Environment, From, Input, Output, Pipeline, Ports, Report, Resources, Stage, StageId, StageName,
};
use super::view::View;

const USES: u8 = 0;
const ARGV: u8 = 1;
const SHELL: u8 = 2;

const SOURCE: u8 = 0;
const OUTPUT: u8 = 1;
const PICKED: u8 = 2;
const WRITTEN: u8 = 3;

/// All of a pipeline but where it lies and what was asked for; `None` if a path in it is not UTF-8.
pub(super) fn encode(pipeline: &Pipeline) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(pipeline.stages.len() * 256);
    put_text(&mut out, &pipeline.params.to_string());
    put_count(&mut out, pipeline.param_files.len());
    for (file, digest) in &pipeline.param_files {
        put_path(&mut out, file)?;
        out.extend_from_slice(&digest.0);
    }
    Report::put(pipeline.report.as_ref(), &mut out)?;
    put_text(&mut out, &serde_json::to_string(&pipeline.remote).ok()?);
    out.push(u8::from(pipeline.put_as == PutAs::HardLink));
    put_json(&mut out, pipeline.executor.as_ref())?;
    pipeline.documents.put(&mut out)?;
    put_count(&mut out, pipeline.stages.len());
    for stage in &pipeline.stages {
        // Its length goes before it, so that it can be passed over.
        let at = out.len();
        put_count(&mut out, 0);
        put_stage(&mut out, stage)?;
        let length = u32::try_from(out.len() - at - 4).ok()?;
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
    put_count(&mut out, pipeline.graph.edge_count());
    for edge in pipeline.graph.raw_edges() {
        put_count(&mut out, edge.source().index());
        put_count(&mut out, edge.target().index());
    }
    Some(out)
}

/// Reads what [`encode`] wrote; `None` if it is anything else, or names a kind that there is not.
pub(super) fn decode(
    bytes: &[u8],
    root: PathBuf,
    file: &Path,
    profile: Option<String>,
    kinds: &Catalog,
) -> Option<Pipeline> {
    let kept = KeptPipeline::read(bytes)?;
    let count = kept.stages.len();
    let same = |id: usize| (id < count).then_some(StageId(id));
    let stages = kept.stages.iter().map(|bytes| stage(bytes, &same, kinds)).collect::<Option<Vec<_>>>()?;
    let graph = graph(count, kept.edges.iter().copied());
    let KeptPipeline { params, param_files, report, remote, put_as, executor, documents, .. } = kept;
    let file = file.to_owned();
    Some(Pipeline {
        root,
        file,
        profile,
        params,
        param_files,
        report,
        remote,
        put_as,
        executor,
        documents,
        stages,
        graph,
    })
}

/// What [`encode`] wrote, its stages as they stand there.
pub(super) struct KeptPipeline<'a> {
    pub(super) params: Value,
    pub(super) param_files: Vec<(PathBuf, Digest)>,
    pub(super) report: Option<Report>,
    pub(super) remote: Option<RemoteSpec>,
    pub(super) put_as: PutAs,
    pub(super) executor: Option<ExecutorSpec>,
    pub(super) documents: Documents,
    pub(super) stages: Vec<&'a [u8]>,
    /// Producer and consumer, as positions.
    pub(super) edges: Vec<(usize, usize)>,
}

impl<'a> KeptPipeline<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let from = &mut Reader(bytes);
        let params = serde_json::from_str(from.str()?).ok()?;
        let file = |from: &mut Reader<'_>| Some((PathBuf::from(from.text()?), Digest(from.array()?)));
        let param_files = (0..from.count()?).map(|_| file(from)).collect::<Option<Vec<_>>>()?;
        let report = Report::read(from)?;
        let remote = serde_json::from_str(from.str()?).ok()?;
        let put_as = if from.array::<1>()? == [1] { PutAs::HardLink } else { PutAs::Copy };
        let executor = json(from)?;
        let documents = Documents::read(from)?;
        let stages = (0..from.count()?).map(|_| from.bytes()).collect::<Option<Vec<_>>>()?;
        let mut edges = Vec::new();
        for _ in 0..from.count()? {
            let (producer, consumer) = (from.number()?, from.number()?);
            if producer >= consumer || consumer >= stages.len() {
                return None;
            }
            edges.push((producer, consumer));
        }
        from.0.is_empty().then_some(Self {
            params,
            param_files,
            report,
            remote,
            put_as,
            executor,
            documents,
            stages,
            edges,
        })
    }
}

impl Report {
    /// Writes the report that a pipeline has, if it has one; `None` if a path of it is not UTF-8.
    pub(crate) fn put(report: Option<&Self>, out: &mut Vec<u8>) -> Option<()> {
        out.push(u8::from(report.is_some()));
        let Some(Self { file, text, page }) = report else { return Some(()) };
        put_path(out, file)?;
        put_text(out, text);
        put_path(out, page)
    }

    /// Reads what [`Self::put`] wrote; `None` if it is anything else.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Option<Self>> {
        Some(match from.byte()? {
            0 => None,
            _ => Some(Self { file: from.text()?.into(), text: from.text()?, page: from.text()?.into() }),
        })
    }
}

/// A graph of so many stages.
pub(super) fn graph(count: usize, edges: impl ExactSizeIterator<Item = (usize, usize)>) -> DiGraph<StageId, ()> {
    let mut graph = DiGraph::with_capacity(count, edges.len());
    for id in 0..count {
        graph.add_node(StageId(id));
    }
    for (producer, consumer) in edges {
        graph.add_edge(NodeIndex::new(producer), NodeIndex::new(consumer), ());
    }
    graph
}

fn put_path(out: &mut Vec<u8>, path: &Path) -> Option<()> {
    put_text(out, path.to_str()?);
    Some(())
}

fn put_stage(out: &mut Vec<u8>, stage: &Stage) -> Option<()> {
    put_text(out, &stage.name.stage);
    put_pairs(out, stage.name.variant.iter().map(|(axis, value)| (axis, value)));
    match &stage.body {
        Body::Uses { kind, params } => {
            out.push(USES);
            put_text(out, kind.name());
            put_text(out, &params.to_string());
        }
        Body::Run(Command::Argv(argv)) => {
            out.push(ARGV);
            put_count(out, argv.len());
            argv.iter().for_each(|word| put_text(out, word));
        }
        Body::Run(Command::Shell(script)) => {
            out.push(SHELL);
            put_text(out, script);
        }
    }
    put_pairs(out, stage.env.iter());
    put_count(out, stage.pass.len());
    stage.pass.iter().for_each(|name| put_text(out, name));
    put_count(out, stage.counted.len());
    stage.counted.iter().for_each(|name| put_text(out, name));
    put_count(out, stage.cached.len());
    stage.cached.iter().for_each(|name| put_text(out, name));
    out.push(u8::from(stage.warns));
    put_text(out, stage.shell.as_deref().unwrap_or_default());
    out.push(u8::from(stage.environment.is_some()));
    if let Some(environment) = &stage.environment {
        out.push(u8::from(environment.counts));
        put_count(out, environment.from.len());
        for file in &environment.from {
            put_path(out, file)?;
        }
        put_count(out, environment.only.len());
        environment.only.iter().for_each(|name| put_text(out, name));
    }
    put_json(out, stage.with.as_ref())?;
    put_json(out, stage.steps.as_ref())?;
    put_json(out, stage.keep.as_ref())?;
    put_count(out, stage.inputs.len());
    for (name, items) in &stage.inputs {
        put_text(out, name);
        put_count(out, items.len());
        for item in items {
            put_text(out, &item.label);
            match &item.from {
                From::Source(path) => {
                    out.push(match item.view.as_deref() {
                        None => SOURCE,
                        Some(View::Picked(_)) => PICKED,
                        Some(View::Written(_)) => WRITTEN,
                    });
                    put_path(out, path)?;
                    match item.view.as_deref() {
                        None => {}
                        Some(View::Picked(picks)) => {
                            let Texts { only, ignore, project, folder } = picks.texts();
                            for list in [only, ignore, project] {
                                put_count(out, list.len());
                                list.iter().for_each(|pattern| put_text(out, pattern));
                            }
                            put_text(out, folder);
                        }
                        Some(View::Written(text)) => put_text(out, text),
                    }
                }
                From::Output { stage, output } => {
                    out.push(OUTPUT);
                    put_count(out, stage.0);
                    put_text(out, output);
                }
            }
            put_span(out, item.span);
        }
    }
    put_count(out, stage.outputs.len());
    for (name, output) in &stage.outputs {
        put_text(out, name);
        put_path(out, &output.path)?;
        out.push(output.role as u8);
    }
    put_u64(out, stage.resources.cpus as u64);
    put_u64(out, stage.resources.gpu as u64);
    put_text(out, &stage.resources.device);
    put_json(out, stage.elsewhere.as_ref())?;
    out.push(u8::from(stage.timeout.is_some()));
    let timeout = stage.timeout.unwrap_or_default();
    put_u64(out, timeout.as_secs());
    put_count(out, timeout.subsec_nanos() as usize);
    put_u64(out, stage.grace.as_secs());
    put_count(out, stage.retries as usize);
    put_span(out, stage.span);
    Some(())
}

/// Reads a stage. `numbered` tells the number of a producer by its position when it was written.
pub(super) fn stage(bytes: &[u8], numbered: &dyn Fn(usize) -> Option<StageId>, kinds: &Catalog) -> Option<Stage> {
    let from = &mut Reader(bytes);
    let name = StageName { stage: from.text()?, variant: pairs(from)? };
    let body = match from.byte()? {
        USES => {
            let kind = kinds.get(from.str()?)?.clone();
            Body::Uses { kind, params: serde_json::from_str(from.str()?).ok()? }
        }
        ARGV => Body::Run(Command::Argv((0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?)),
        SHELL => Body::Run(Command::Shell(from.text()?)),
        _ => return None,
    };
    let env = pairs(from)?;
    let pass = (0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?;
    let counted = (0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?;
    let cached = (0..from.count()?).map(|_| from.text()).collect::<Option<_>>()?;
    let warns = from.byte()? != 0;
    let shell = Some(from.text()?).filter(|shell: &String| !shell.is_empty());
    let environment = match from.byte()? {
        0 => None,
        _ => {
            let counts = from.byte()? != 0;
            let mut list = || (0..from.count()?).map(|_| from.text()).collect::<Option<Vec<_>>>();
            let files = list()?.into_iter().map(PathBuf::from).collect();
            Some(Arc::new(Environment { counts, from: files, only: list()? }))
        }
    };
    let (with, steps, keep) = (json(from)?, json(from)?, json(from)?);
    let count = from.count()?;
    let mut inputs = Ports::with_capacity(count.min(16));
    for _ in 0..count {
        let name = from.text()?;
        let count = from.count()?;
        // Most take one.
        let mut items = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            items.push(input(from, numbered)?);
        }
        inputs.insert(name, items);
    }
    let count = from.count()?;
    let mut outputs = Ports::with_capacity(count.min(16));
    for _ in 0..count {
        let (name, path) = (from.text()?, from.text()?);
        let role = Role::of_byte(from.byte()?)?;
        outputs.insert(name, Output { path: path.into(), role });
    }
    let cpus = usize::try_from(from.u64()?).ok()?;
    let gpu = usize::try_from(from.u64()?).ok()?;
    let resources = Resources { cpus, gpu, device: from.text()? };
    let elsewhere = json(from)?;
    let limited = from.byte()? != 0;
    let (secs, nanos) = (from.u64()?, from.number()? as u32);
    let timeout = limited.then(|| Duration::from_secs(secs).saturating_add(Duration::from_nanos(nanos.into())));
    let grace = Duration::from_secs(from.u64()?);
    let retries = from.number()? as u32;
    let span = span(from)?;
    let stage = Stage {
        name,
        body,
        env,
        pass,
        counted,
        cached,
        warns,
        shell,
        environment,
        with,
        steps,
        keep,
        inputs,
        outputs,
        resources,
        elsewhere,
        timeout,
        grace,
        retries,
        span,
    };
    from.0.is_empty().then_some(stage)
}

fn input(from: &mut Reader<'_>, numbered: &dyn Fn(usize) -> Option<StageId>) -> Option<Input> {
    let label = from.text()?;
    let mut view = None;
    let source = match from.byte()? {
        SOURCE => From::Source(from.text()?.into()),
        PICKED => {
            let path = from.text()?.into();
            let mut list = || (0..from.count()?).map(|_| from.text()).collect::<Option<Vec<_>>>();
            let (only, ignore, project) = (list()?, list()?, list()?);
            let texts = Texts { only, ignore, project, folder: from.text()? };
            view = Some(Arc::new(View::Picked(Box::new(Picks::new(texts).ok()?))));
            From::Source(path)
        }
        WRITTEN => {
            let path = from.text()?.into();
            view = Some(Arc::new(View::Written(from.text()?)));
            From::Source(path)
        }
        OUTPUT => From::Output { stage: numbered(from.number()?)?, output: from.text()? },
        _ => return None,
    };
    Some(Input { label, from: source, span: span(from)?, view })
}

/// What few stages have, as JSON; nothing where there is none.
fn put_json<T: serde::Serialize>(out: &mut Vec<u8>, value: Option<&T>) -> Option<()> {
    match value {
        None => put_text(out, ""),
        Some(value) => put_text(out, &serde_json::to_string(value).ok()?),
    }
    Some(())
}

fn json<T: serde::de::DeserializeOwned>(from: &mut Reader<'_>) -> Option<Option<T>> {
    match from.str()? {
        "" => Some(None),
        text => serde_json::from_str(text).ok().map(Some),
    }
}

fn put_pairs<'p>(out: &mut Vec<u8>, pairs: impl ExactSizeIterator<Item = (&'p String, &'p String)>) {
    put_count(out, pairs.len());
    for (key, value) in pairs {
        put_text(out, key);
        put_text(out, value);
    }
}

fn pairs<C: FromIterator<(String, String)>>(from: &mut Reader<'_>) -> Option<C> {
    (0..from.count()?).map(|_| Some((from.text()?, from.text()?))).collect()
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// A pipeline file has less than 4 GB.
fn put_span(out: &mut Vec<u8>, span: Span) {
    put_count(out, span.start);
    put_count(out, span.end);
}

fn span(from: &mut Reader<'_>) -> Option<Span> {
    Some(Span { start: from.number()?, end: from.number()? })
}
