//! The one way in: a pipeline file and overrides become a [`Pipeline`], or every mistake in it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use petgraph::graph::{DiGraph, NodeIndex};

use crate::diagnostic::{Diagnostic, Span};
use crate::hash::Digest;
use crate::kind::Catalog;
use crate::text;

use super::bodies::{self, Running};
use super::check as checks;
use super::decode;
use super::disk::Disk;
use super::documents;
use super::expand::World;
use super::graph;
use super::inputs::{self, Inputs};
use super::meet;
use super::mistake::{Mistake, Mistakes, Texts};
use super::node::Place;
use super::overrides::Overrides;
use super::params;
use super::report;
use super::resolved::Documents;
use super::source;
use super::stage::{From, Output, Pipeline, Ports, Stage, StageId, StageName};
use super::view;
use super::written;

/// The largest pipeline file that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Reads a pipeline and checks everything that can be checked before anything runs.
///
/// The project is the folder of the file; diagnostics name files relative to it, and so does the pipeline.
///
/// # Errors
/// All mistakes that were found, in the order of the file.
pub fn load(file: &Path, catalog: &Catalog, overrides: &Overrides) -> Result<Pipeline, Vec<Diagnostic>> {
    let text = bytes_of(file).and_then(|bytes| text_of(file, bytes)).map_err(|d| vec![d])?;
    let root = root_of(file).map_err(|d| vec![d])?;
    check(file, root, &text, catalog, overrides)
}

/// The same for who only looks, or takes results from elsewhere: sources need not be there. Those that are not come with the pipeline, relative to
/// the project.
///
/// # Errors
/// All other mistakes.
pub fn load_without_sources(
    file: &Path,
    catalog: &Catalog,
    overrides: &Overrides,
) -> Result<(Pipeline, Vec<String>), Vec<Diagnostic>> {
    let text = bytes_of(file).and_then(|bytes| text_of(file, bytes)).map_err(|d| vec![d])?;
    let root = root_of(file).map_err(|d| vec![d])?;
    check_with(Mistakes::but_for_sources, file, root, &text, catalog, overrides)
}

/// Checks the text of a pipeline file.
pub(super) fn check(
    file: &Path,
    root: PathBuf,
    text: &str,
    catalog: &Catalog,
    overrides: &Overrides,
) -> Result<Pipeline, Vec<Diagnostic>> {
    check_with(Mistakes::new, file, root, text, catalog, overrides).map(|(pipeline, _)| pipeline)
}

/// The same with what counts as a mistake; the sources that are not there and need not be come beside.
fn check_with<'a>(
    mistakes: fn(Texts<'a>) -> Mistakes<'a>,
    file: &'a Path,
    root: PathBuf,
    text: &'a str,
    catalog: &Catalog,
    overrides: &'a Overrides,
) -> Result<(Pipeline, Vec<String>), Vec<Diagnostic>> {
    let name = Path::new(file.file_name().unwrap_or_default());
    let mut mistakes = mistakes(Texts { file: name, text, set: &overrides.set, files: vec![] });
    match expand(root, name, text, catalog, overrides, &mut mistakes) {
        Some(pipeline) if mistakes.is_empty() => Ok((pipeline, mistakes.absent())),
        _ => Err(mistakes.finish()),
    }
}

/// The project's root: the folder of a pipeline file, absolute.
pub(super) fn root_of(file: &Path) -> Result<PathBuf, Diagnostic> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    folder.canonicalize().map_err(|error| cannot_read(file, &error))
}

/// What a pipeline file holds.
pub(super) fn bytes_of(file: &Path) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    opened(file)?.read_to_end(&mut bytes).map_err(|error| cannot_read(file, &error))?;
    Ok(bytes)
}

/// The text of a pipeline file that holds these bytes.
pub(super) fn text_of(file: &Path, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    text::owned(bytes).map_err(|error| cannot_read(file, &error))
}

/// The digest of what a pipeline file holds. It is read in pieces, as it may be large.
pub(super) fn digest_of(file: &Path) -> Result<Digest, Diagnostic> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(opened(file)?).map_err(|error| cannot_read(file, &error))?;
    Ok(Digest(hasher.finalize().into()))
}

fn opened(file: &Path) -> Result<File, Diagnostic> {
    let metadata = fs::metadata(file).map_err(|e| {
        cannot_read(file, &e).hint(
            "a pipeline is a YAML file at the root of the project, `pipeline.yaml` unless `--file` names it; Kiln finds it from the folders below, too",
        )
    })?;
    if !metadata.is_file() {
        return Err(cannot_read(file, &"it is not a file"));
    }
    if metadata.len() > LARGEST {
        return Err(cannot_read(file, &format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    File::open(file).map_err(|error| cannot_read(file, &error))
}

fn cannot_read(file: &Path, why: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::error(format!("cannot read `{}`: {why}", file.display()))
}

fn expand(
    root: PathBuf,
    name: &Path,
    text: &str,
    catalog: &Catalog,
    overrides: &Overrides,
    mistakes: &mut Mistakes<'_>,
) -> Option<Pipeline> {
    let tree = source::tree(text, 0, 0, mistakes)?;
    let spec = decode::pipeline(&tree, mistakes);
    let params = params::resolve(&spec, &root, overrides, mistakes);
    let (report, remote, put_as) = (spec.report, spec.remote.clone(), spec.put_as);
    let of_profile = spec.profiles.iter().find(|profile| Some(profile.name) == overrides.profile.as_deref());
    let executor = of_profile.and_then(|profile| profile.executor.clone()).or_else(|| spec.executor.clone());
    let ignored = view::project(&root, mistakes);
    let world = World::new(spec, params, ignored, catalog, &name.to_string_lossy(), mistakes);
    let written = written::collect(&world, mistakes);
    checks::params(&world, &written, mistakes);
    let (inputs, sources) = inputs::resolve(&world, &written, mistakes)?;
    let running: Vec<Running> =
        inputs.iter().enumerate().map(|(id, inputs)| bodies::running(&world, id, inputs, mistakes)).collect();
    let mut disk = Disk::new(&root, &overrides.store(&root));
    checks::ways(&world, &mut disk, mistakes);
    checks::locks(&world, &mut disk, mistakes);
    let good = checks::sources(&world, &sources, &written, &mut disk, mistakes);
    let present = || sources.iter().zip(&good).filter(|(_, good)| **good).map(|(source, _)| source);
    meet::check(&world, present(), name, &mut disk, mistakes);
    let documents = Documents::default();
    documents::check(&world, present(), (&inputs, &running), (&documents, &root), mistakes);
    let report = report.and_then(|node| report::load(&world, &written, node, &mut disk, mistakes));
    let edges = edges(&inputs);
    let order = match graph::order(&edges) {
        Ok(order) => order,
        Err(cycles) => {
            let mut told = HashSet::new();
            for cycle in cycles {
                let stages: Vec<usize> = cycle.iter().map(|id| world.drafts[*id].plan).collect();
                // The variants of a matrix go round together; one of them tells it.
                if told.insert(stages) {
                    mistakes.add(ring(&world, &inputs, &cycle));
                }
            }
            return None;
        }
    };
    if !mistakes.is_empty() {
        return None;
    }
    let params = world.params.tree.json();
    let param_files = world.params.files.clone();
    let frames = frames(world);
    // Of a large pipeline the tree is most of what is in memory, and nobody needs it any more.
    let ((), assembled) = rayon::join(move || drop(tree), || assemble(frames, order, inputs, running, &edges));
    let (stages, graph) = assembled?;
    Some(Pipeline {
        root,
        file: name.to_owned(),
        profile: overrides.profile.clone(),
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

/// What is left to know of a draft.
struct Frame {
    name: StageName,
    outputs: Ports<Output>,
    span: Span,
}

fn frames(mut world: World<'_>) -> Vec<Frame> {
    let outputs = std::mem::take(&mut world.outputs);
    let frame = |(draft, outputs)| {
        let place = world.plan(world.drafts[draft]).0.spec.place;
        let span = Span { start: place.start as usize, end: place.end as usize };
        Frame { name: world.name(draft), outputs, span }
    };
    outputs.into_iter().enumerate().map(frame).collect()
}

/// Who needs whom, each pair once.
fn edges(inputs: &[Inputs]) -> DiGraph<usize, ()> {
    let mut graph = DiGraph::with_capacity(inputs.len(), inputs.len());
    for id in 0..inputs.len() {
        graph.add_node(id);
    }
    for (id, inputs) in inputs.iter().enumerate() {
        let mut producers: Vec<usize> = inputs.values().flatten().filter_map(producer).collect();
        producers.sort_unstable();
        producers.dedup();
        for producer in producers {
            graph.add_edge(NodeIndex::new(producer), NodeIndex::new(id), ());
        }
    }
    graph
}

fn producer(input: &super::stage::Input) -> Option<usize> {
    match &input.from {
        From::Output { stage, .. } => Some(stage.0),
        From::Source(_) => None,
    }
}

/// `a -> b -> a`, each arrow where it is written.
fn ring(world: &World<'_>, inputs: &[Inputs], cycle: &[usize]) -> Mistake {
    let names: Vec<String> = cycle.iter().chain(&cycle[..1]).map(|id| world.name(*id).to_string()).collect();
    let shown = match names.len() {
        n if n > 12 => {
            format!("{} -> ... ({} more) -> {}", names[..6].join(" -> "), n - 9, names[n - 3..].join(" -> "))
        }
        _ => names.join(" -> "),
    };
    let mut mistake = Mistake::new("stages depend on each other in a ring");
    for (i, &id) in cycle.iter().enumerate().take(8) {
        let before = cycle[(i + cycle.len() - 1) % cycle.len()];
        if let Some(input) = inputs[id].values().flatten().find(|input| producer(input) == Some(before)) {
            let place = Place { origin: 0, start: input.span.start as u32, end: input.span.end as u32 };
            mistake = mistake.at(place, format!("`{}` needs `{}`", world.name(id), world.name(before)));
        }
    }
    mistake.note(format!("{shown} (an arrow leads from a stage to one that needs it)"))
}

/// Puts the variants in their order and renames producers accordingly.
fn assemble(
    frames: Vec<Frame>,
    order: Vec<usize>,
    inputs: Vec<Inputs>,
    running: Vec<Running>,
    edges: &DiGraph<usize, ()>,
) -> Option<(Vec<Stage>, DiGraph<StageId, ()>)> {
    let mut position = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        position[*old] = new;
    }
    let mut graph = DiGraph::with_capacity(order.len(), edges.edge_count());
    for new in 0..order.len() {
        graph.add_node(StageId(new));
    }
    let parts = frames.into_iter().zip(inputs).zip(running);
    let mut parts: Vec<Option<((Frame, Inputs), Running)>> = parts.map(Some).collect();
    let mut stages = Vec::with_capacity(order.len());
    for old in order {
        let ((frame, mut inputs), running) = parts[old].take()?;
        for input in inputs.iter_mut().flat_map(|(_, items)| items) {
            if let From::Output { stage, .. } = &mut input.from {
                stage.0 = position[stage.0];
            }
        }
        for producer in edges.neighbors_directed(NodeIndex::new(old), petgraph::Direction::Incoming) {
            graph.add_edge(NodeIndex::new(position[producer.index()]), NodeIndex::new(position[old]), ());
        }
        stages.push(Stage {
            name: frame.name,
            body: running.body?,
            env: running.env,
            pass: running.pass,
            counted: running.counted,
            cached: running.cached,
            warns: running.warns,
            shell: running.shell,
            environment: running.environment,
            with: running.with,
            steps: running.steps,
            keep: running.keep,
            inputs,
            outputs: frame.outputs,
            resources: running.settings.resources,
            elsewhere: running.settings.elsewhere,
            timeout: running.settings.timeout,
            grace: running.settings.grace,
            retries: running.settings.retries,
            span: frame.span,
        });
    }
    Some((stages, graph))
}
