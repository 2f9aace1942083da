//! What each variant reads: references followed to outputs, paths to sources, and a path that a stage writes to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::Span;
use crate::kind::Arity;

use super::expand::{Draft, World};
use super::interpolate::Scope;
use super::matrix::Matrix;
use super::mistake::{Mistake, Mistakes, Spot};
use super::narrow;
use super::node::{Node, Place};
use super::paths;
use super::reference::{self, Consumer, Groups, Producer};
use super::spec::{InputSpec, ItemSpec, ViewSpec};
use super::stage::{From, Input, Ports, StageId, coordinates};
use super::suggest;
use super::written::Written;

/// How many artifacts the inputs of a pipeline may come to.
const LIMIT: usize = 1_000_000;

/// The inputs of one variant by name; producers are named by draft.
pub(super) type Inputs = Ports<Vec<Input>>;

/// A path that no stage writes, as one input names it.
pub(super) struct Source {
    /// Relative to the project.
    pub(super) path: String,
    /// Where it is named.
    pub(super) place: Place,
    /// By which draft.
    pub(super) draft: usize,
    /// For which input.
    pub(super) input: String,
}

/// Resolves the inputs of all variants. `None` if they are more than there may be: then nobody wants to hear of what else is wrong.
pub(super) fn resolve(
    world: &World<'_>,
    written: &Written<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<(Vec<Inputs>, Vec<Source>)> {
    let mut resolver =
        Resolver { world, written, groups: Groups::default(), labels: HashMap::new(), sources: vec![], left: LIMIT };
    let inputs: Option<Vec<Inputs>> = (0..world.drafts.len()).map(|draft| resolver.draft(draft, mistakes)).collect();
    Some((inputs?, resolver.sources))
}

struct Resolver<'w, 'n> {
    world: &'w World<'n>,
    written: &'w Written<'w>,
    groups: Groups,
    /// Draft -> its coordinates as text.
    labels: HashMap<usize, String>,
    sources: Vec<Source>,
    left: usize,
}

impl<'w, 'n> Resolver<'w, 'n> {
    fn draft(&mut self, id: usize, mistakes: &mut Mistakes<'_>) -> Option<Inputs> {
        let world = self.world;
        let draft = world.drafts[id];
        let (plan, matrix) = world.plan(draft);
        let scope = world.scope(draft);
        let mut inputs = Inputs::with_capacity(plan.spec.inputs.len());
        for spec in &plan.spec.inputs {
            let mut taken = Vec::with_capacity(spec.items.len());
            let mut whole = true;
            for item in &spec.items {
                let done = match item {
                    ItemSpec::Path(node) => {
                        self.path(id, spec, node, None, &scope, mistakes).map(|input| taken.push(input))
                    }
                    ItemSpec::View(view) => {
                        self.path(id, spec, view.path, Some(view), &scope, mistakes).map(|input| taken.push(input))
                    }
                    ItemSpec::From(node) => self.reference(draft, matrix, node, &scope, &mut taken, mistakes),
                };
                whole &= done.is_some();
            }
            if whole {
                self.arity(plan, spec, taken.len(), &scope, mistakes);
            }
            match self.left.checked_sub(taken.len()) {
                Some(left) => self.left = left,
                None => {
                    let message = format!("the inputs of this pipeline come to more than {LIMIT} artifacts");
                    mistakes.add(Mistake::new(message).at(spec.place, ""));
                    return None;
                }
            }
            inputs.insert(spec.name.to_owned(), taken);
        }
        self.one_view(&inputs, &scope, mistakes);
        Some(inputs)
    }

    fn path(
        &mut self,
        id: usize,
        spec: &InputSpec<'_>,
        node: &Node,
        part: Option<&ViewSpec<'_>>,
        scope: &Scope<'_>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Input> {
        let text = scope.text(node, "a path", mistakes)?;
        let path = match paths::source(&text) {
            Ok(path) => path,
            Err(fault) => {
                let message = format!("stage `{}` cannot read `{}`", scope.stage, text.escape_debug());
                let mistake = Mistake::new(message).at(node.place, fault.message);
                mistakes.add(scope.blame(mistake.maybe_hint(fault.hint.map(str::to_owned))));
                return None;
            }
        };
        let span = span(node.place);
        if let Some((producer, output)) = self.written.at(&path) {
            if producer == id {
                let message = format!("stage `{}` reads and writes `{path}`", self.world.name(id));
                let mistake = Mistake::new(message).at(node.place, "read here");
                mistakes.add(mistake.at(self.world.output_place(id, output), "written here"));
                return None;
            }
            if part.is_some() {
                let mistake = Mistake::new(format!("`{path}` is an output, which is taken whole")).at(node.place, "");
                let mistake = mistake.at(self.world.output_place(producer, output), "written here");
                mistakes
                    .add(scope.blame(mistake.hint("`only`, `ignore` and `keys` are for files that no stage writes")));
                return None;
            }
            let from = From::Output { stage: StageId(producer), output: output.to_owned() };
            return Some(Input { label: self.label(producer), from, span, view: None });
        }
        if let Some(mistake) = self.overlap(&path) {
            mistakes.add(scope.blame(mistake.0.at(node.place, "read here").at(mistake.1, "written here")));
            return None;
        }
        let input = spec.name.to_owned();
        let body = self.world.plan(self.world.drafts[id]).0.spec.body;
        let view = narrow::of(self.world, body, &path, part, scope, mistakes)?;
        self.sources.push(Source { path: path.clone(), place: node.place, draft: id, input });
        Some(Input { label: String::new(), from: From::Source(PathBuf::from(path)), span, view })
    }

    /// At one path a command finds one thing.
    fn one_view(&self, inputs: &Inputs, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) {
        if inputs.values().flatten().all(|item| item.view.is_none()) {
            return;
        }
        let mut seen: HashMap<&Path, &Input> = HashMap::new();
        for item in inputs.values().flatten() {
            let Some(source) = item.source() else { continue };
            match seen.get(source.path) {
                Some(first) if first.view != item.view => {
                    let place = |span: Span| Place { origin: 0, start: span.start as u32, end: span.end as u32 };
                    let message =
                        format!("stage `{}` takes different parts of `{}`", scope.stage, source.path.display());
                    let mistake = Mistake::new(message).at(place(item.span), "").at(place(first.span), "and here");
                    mistakes.add(scope.blame(mistake.hint("name it once, with the patterns or keys of both")));
                }
                _ => drop(seen.insert(source.path, item)),
            }
        }
    }

    /// A source that lies in an output, or that an output lies in.
    fn overlap(&self, path: &str) -> Option<(Mistake, Place)> {
        if let Some((outer, (draft, output))) = self.written.around(path) {
            let name = self.world.name(draft);
            let mistake = Mistake::new(format!("`{path}` lies in `{outer}`, which stage `{name}` writes")).hint(
                format!("take the whole folder, `{{from: \"{name}.{output}\"}}`, or declare the file as an output"),
            );
            return Some((mistake, self.world.output_place(draft, output)));
        }
        let (inner, (draft, output)) = self.written.within(path)?;
        let name = self.world.name(draft);
        let mistake = Mistake::new(format!("the folder `{path}` holds `{inner}`, which stage `{name}` writes"))
            .hint(format!("take that output, `{{from: \"{name}.{output}\"}}`, or write it elsewhere"));
        Some((mistake, self.world.output_place(draft, output)))
    }

    fn reference(
        &mut self,
        draft: Draft,
        matrix: &Matrix,
        node: &Node,
        scope: &Scope<'_>,
        taken: &mut Vec<Input>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<()> {
        let text = scope.text(node, "a reference", mistakes)?;
        let reference = match reference::parse(&text) {
            Ok(reference) => reference,
            Err(fault) => {
                let mistake = Mistake::new(format!("`{text}` is no reference")).at(node.place, fault);
                mistakes.add(scope.blame(mistake.hint("a path is written without `from`: `name: folder/file`")));
                return None;
            }
        };
        let Some(&i) = self.world.index.get(reference.stage) else {
            let hint = mistakes.nearest(reference.stage, self.world.plans.iter().map(|p| p.spec.name));
            let mistake = Mistake::new(format!("unknown stage `{}`", reference.stage)).at(node.place, "");
            mistakes.add(scope.blame(mistake.maybe_hint(hint)));
            return None;
        };
        let plan = &self.world.plans[i];
        if let Some(outputs) = &plan.outputs
            && !outputs.iter().any(|o| o.name == reference.output)
        {
            let names = || outputs.iter().map(|o| o.name.as_str());
            let hint = mistakes
                .nearest(reference.output, names())
                .unwrap_or_else(|| format!("its outputs: {}", suggest::list(names())));
            let message = format!("stage `{}` has no output `{}`", plan.spec.name, reference.output);
            mistakes.add(scope.blame(Mistake::new(message).at(node.place, "").hint(hint)));
            return None;
        }
        // A producer whose matrix was refused is no second mistake.
        let producer = Producer { name: plan.spec.name, matrix: plan.matrix.as_ref()? };
        let consumer = Consumer { matrix, variant: draft.variant };
        match reference::resolve(&reference, i, &producer, &consumer, &mut self.groups, mistakes) {
            Ok(variants) => {
                // One more than is left is enough for the caller, who counts, to refuse it.
                let variants: Vec<usize> = variants.iter().copied().take(self.left + 1).collect();
                for variant in variants {
                    let id = plan.first + variant;
                    let from = From::Output { stage: StageId(id), output: reference.output.to_owned() };
                    taken.push(Input { label: self.label(id), from, span: span(node.place), view: None });
                }
                Some(())
            }
            Err(mistake) => {
                mistakes.add(scope.blame(mistake.at(Spot::from(node.place), "")));
                None
            }
        }
    }

    fn label(&mut self, draft: usize) -> String {
        let world = self.world;
        let (_, matrix) = world.plan(world.drafts[draft]);
        if matrix.axes.is_empty() {
            return String::new();
        }
        let labels = || coordinates(&matrix.labels(world.drafts[draft].variant));
        self.labels.entry(draft).or_insert_with(labels).clone()
    }

    fn arity(
        &self,
        plan: &super::expand::StageTemplate<'_>,
        spec: &InputSpec<'_>,
        count: usize,
        scope: &Scope<'_>,
        mistakes: &mut Mistakes<'_>,
    ) {
        let arity = plan.ports.iter().find(|p| p.name == spec.name).map_or(Arity::Many, |p| p.arity);
        let (wanted, hint) = match arity {
            Arity::One if count != 1 => ("exactly one artifact", "pick one variant instead of gathering"),
            Arity::Optional if count > 1 => ("at most one artifact", "pick one variant instead of gathering"),
            Arity::Many if count == 0 => ("at least one artifact", "name a path or a reference"),
            _ => return,
        };
        let message = format!("input `{}` takes {wanted}, and is given {count}", spec.name);
        mistakes.add(scope.blame(Mistake::new(message).at(spec.place, "").hint(hint)));
    }
}

fn span(place: Place) -> Span {
    Span { start: place.start as usize, end: place.end as usize }
}
