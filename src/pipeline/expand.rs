//! Stages become variants: what each is, what it writes, and the names that its texts may use.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::kind::{Arity, Catalog, Kind, Port, Role};

use super::interpolate::Scope;
use super::matrix::{self, Matrix};
use super::mistake::{Mistake, Mistakes};
use super::name;
use super::node::Place;
use super::params::Params;
use super::paths;
use super::spec::{BodySpec, OutputSpec, Spec, StageSpec};
use super::stage::{Output, Ports, StageName};
use super::suggest;

/// The whole pipeline, expanded.
pub(super) struct World<'n> {
    /// The parameters in force.
    pub(super) params: Params,
    /// Patterns of files that no input folder takes, relative to the project.
    pub(super) ignored: Vec<String>,
    /// What is the same for all variants of a stage, in the order of declaration.
    pub(super) plans: Vec<StageTemplate<'n>>,
    /// Stage name -> index of its plan.
    pub(super) index: HashMap<&'n str, usize>,
    /// Every variant, in the order of declaration.
    pub(super) drafts: Vec<Draft>,
    /// What each variant writes: output name -> where. An output whose path was refused is missing.
    pub(super) outputs: Vec<Ports<Output>>,
}

/// What is the same for all variants of a stage.
pub(super) struct StageTemplate<'n> {
    /// As declared.
    pub(super) spec: StageSpec<'n>,
    /// Its kind; `None` for a command, or if the kind is unknown.
    pub(super) kind: Option<Arc<dyn Kind>>,
    /// The kind's inputs.
    pub(super) ports: Vec<Port>,
    /// Its outputs; `None` if they cannot be known because its kind is not.
    pub(super) outputs: Option<Vec<OutputPlan<'n>>>,
    /// Its variants; `None` if the matrix was refused.
    pub(super) matrix: Option<Matrix>,
    /// The draft of its first variant.
    pub(super) first: usize,
}

/// An output of all variants of a stage.
pub(super) struct OutputPlan<'n> {
    /// Its name.
    pub(super) name: String,
    /// As declared, if it is.
    declared: Option<OutputPathSpec<'n>>,
    /// The file name it has unless the pipeline says otherwise.
    file: Option<String>,
    /// What Kiln may do with it.
    pub(super) role: Role,
}

struct OutputPathSpec<'n> {
    place: Place,
    path: Option<&'n super::node::Node>,
}

/// One variant.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    /// The index of its plan.
    pub(super) plan: usize,
    /// Which variant of it.
    pub(super) variant: usize,
}

impl<'n> World<'n> {
    /// Expands a pipeline up to what every variant writes.
    pub(super) fn new(
        spec: Spec<'n>,
        params: Params,
        ignored: Vec<String>,
        catalog: &Catalog,
        pipeline: &str,
        mistakes: &mut Mistakes<'_>,
    ) -> Self {
        let index: HashMap<&str, usize> = spec.stages.iter().enumerate().map(|(i, s)| (s.name, i)).collect();
        let matrices = matrix::expand(&spec.stages, &index, &params, mistakes);
        let plans = Vec::with_capacity(spec.stages.len());
        let mut world = World { params, ignored, plans, index, drafts: vec![], outputs: vec![] };
        for (stage, matrix) in spec.stages.into_iter().zip(matrices) {
            let plan = plan(stage, matrix, catalog, world.drafts.len(), mistakes);
            let variants = plan.matrix.as_ref().map_or(0, |m| m.len);
            let i = world.plans.len();
            world.drafts.extend((0..variants).map(|variant| Draft { plan: i, variant }));
            world.plans.push(plan);
        }
        world.outputs = world.drafts.iter().map(|draft| world.write(*draft, pipeline, mistakes)).collect();
        world
    }

    /// The plan and matrix of a draft.
    pub(super) fn plan(&self, draft: Draft) -> (&StageTemplate<'n>, &Matrix) {
        let plan = &self.plans[draft.plan];
        (plan, plan.matrix.as_ref().expect("a stage without a matrix has no drafts"))
    }

    /// The name of a draft.
    pub(super) fn name(&self, draft: usize) -> StageName {
        let (plan, matrix) = self.plan(self.drafts[draft]);
        StageName { stage: plan.spec.name.to_owned(), variant: matrix.labels(self.drafts[draft].variant) }
    }

    /// The names a draft may use.
    pub(super) fn scope(&self, draft: Draft) -> Scope<'_> {
        let (plan, matrix) = self.plan(draft);
        Scope {
            params: &self.params,
            stage: plan.spec.name,
            axes: &matrix.axes,
            point: matrix.point(draft.variant),
            files: None,
        }
    }

    /// Where an output of a draft is declared.
    pub(super) fn output_place(&self, draft: usize, output: &str) -> Place {
        let plan = &self.plans[self.drafts[draft].plan];
        let declared = plan.outputs.iter().flatten().find(|o| o.name == output).and_then(|o| o.declared.as_ref());
        declared.map_or(plan.spec.place, |d| d.path.map_or(d.place, |node| node.place))
    }

    fn write(&self, draft: Draft, pipeline: &str, mistakes: &mut Mistakes<'_>) -> Ports<Output> {
        let (plan, matrix) = self.plan(draft);
        let mut outputs = Ports::with_capacity(plan.outputs.as_ref().map_or(0, Vec::len));
        for output in plan.outputs.iter().flatten() {
            let declared = output.declared.as_ref().and_then(|d| d.path);
            let path = match (declared, &output.file) {
                (Some(node), _) => {
                    let scope = self.scope(draft);
                    scope.text(node, "a path", mistakes).and_then(|text| {
                        let checked = paths::normalise(&text).and_then(|path| match paths::reserved(&path, pipeline) {
                            Some(message) => Err(paths::Fault { message, hint: None }),
                            None => Ok(path),
                        });
                        checked
                            .map_err(|fault| {
                                let message =
                                    format!("stage `{}` cannot write `{}`", plan.spec.name, text.escape_debug());
                                let mistake = Mistake::new(message).at(node.place, fault.message);
                                mistakes.add(scope.blame(mistake.maybe_hint(fault.hint.map(str::to_owned))));
                            })
                            .ok()
                    })
                }
                (None, Some(file)) => {
                    let mut path = format!("out/{}/", plan.spec.name);
                    for (i, (axis, label)) in matrix.axes.iter().zip(matrix.point(draft.variant)).enumerate() {
                        path.push_str(if i > 0 { "," } else { "" });
                        path.push_str(&name::path_form(&axis.points[*label as usize].label));
                    }
                    path.push_str(if matrix.axes.is_empty() { "" } else { "/" });
                    path.push_str(file);
                    match paths::normalise(&path) {
                        Ok(path) => Some(path),
                        Err(fault) => {
                            let message = format!("stage `{}` needs paths of its own for its outputs", plan.spec.name);
                            let hint = format!(
                                "write `outputs: {{{}: PATH}}`, or shorten the labels of its matrix",
                                output.name
                            );
                            mistakes.add(Mistake::new(message).at(plan.spec.place, fault.message).hint(hint));
                            None
                        }
                    }
                }
                (None, None) => None,
            };
            if let Some(path) = path {
                outputs.insert(output.name.clone(), Output { path: PathBuf::from(path), role: output.role });
            }
        }
        outputs
    }
}

fn plan<'n>(
    mut spec: StageSpec<'n>,
    matrix: Option<Matrix>,
    catalog: &Catalog,
    first: usize,
    mistakes: &mut Mistakes<'_>,
) -> StageTemplate<'n> {
    let declared = std::mem::take(&mut spec.outputs);
    let (mut kind, mut ports) = (None, vec![]);
    let outputs = match spec.body {
        None => None,
        Some(BodySpec::Shell { .. } | BodySpec::Argv(_)) => Some(command_outputs(spec.name, declared, mistakes)),
        Some(BodySpec::Uses { kind: wanted, place }) => match catalog.get(wanted) {
            Some(known) => {
                ports = known.inputs().to_vec();
                check_ports(&spec, known.as_ref(), &ports, mistakes);
                kind = Some(known.clone());
                Some(kind_outputs(known.as_ref(), declared, mistakes))
            }
            None => {
                let hint = mistakes.nearest(wanted, catalog.keys().map(String::as_str)).unwrap_or_else(|| {
                    if catalog.is_empty() {
                        "this Kiln was built without the built-in kinds; only `run` is possible".into()
                    } else {
                        format!(
                            "the kinds: {}",
                            suggest::list_all(&catalog.keys().map(String::as_str).collect::<Vec<_>>())
                        )
                    }
                });
                mistakes.add(Mistake::new(format!("unknown kind `{wanted}`")).at(place, "").hint(hint));
                None
            }
        },
    };
    StageTemplate { spec, kind, ports, outputs, matrix, first }
}

fn command_outputs<'n>(stage: &str, declared: Vec<OutputSpec<'n>>, mistakes: &mut Mistakes<'_>) -> Vec<OutputPlan<'n>> {
    for output in declared.iter().filter(|o| o.path.is_none()) {
        let message = format!("output `{}` of the command `{stage}` has no path", output.name);
        mistakes.add(Mistake::new(message).at(output.place, "").hint("write `path: ...`"));
    }
    declared
        .into_iter()
        .map(|o| OutputPlan {
            name: o.name.to_owned(),
            role: o.role.unwrap_or_default(),
            file: None,
            declared: Some(OutputPathSpec { place: o.place, path: o.path }),
        })
        .collect()
}

fn kind_outputs<'n>(
    kind: &dyn Kind,
    declared: Vec<OutputSpec<'n>>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<OutputPlan<'n>> {
    let ports = kind.outputs();
    for output in declared.iter().filter(|o| !ports.iter().any(|p| p.name == o.name)) {
        let names = || ports.iter().map(|p| p.name);
        let hint = mistakes.nearest(output.name, names());
        let hint = hint.unwrap_or_else(|| format!("its outputs: {}", suggest::list(names())));
        let message = format!("kind `{}` has no output `{}`", kind.name(), output.name);
        mistakes.add(Mistake::new(message).at(output.place, "").hint(hint));
    }
    ports
        .iter()
        .map(|port| {
            let own = declared.iter().find(|o| o.name == port.name);
            OutputPlan {
                role: own.and_then(|o| o.role).unwrap_or(port.role),
                declared: own.map(|o| OutputPathSpec { place: o.place, path: o.path }),
                name: port.name.to_owned(),
                file: Some(port.file.to_owned()),
            }
        })
        .collect()
}

/// Inputs that a kind does not have, and those it must be given.
fn check_ports(spec: &StageSpec<'_>, kind: &dyn Kind, ports: &[Port], mistakes: &mut Mistakes<'_>) {
    for input in spec.inputs.iter().filter(|i| !ports.iter().any(|p| p.name == i.name)) {
        let names = || ports.iter().map(|p| p.name);
        let hint = mistakes.nearest(input.name, names());
        let hint = hint.unwrap_or_else(|| format!("its inputs: {}", suggest::list(names())));
        let message = format!("kind `{}` has no input `{}`", kind.name(), input.name);
        mistakes.add(Mistake::new(message).at(input.place, "").hint(hint));
    }
    for port in ports.iter().filter(|p| p.arity != Arity::Optional) {
        if !spec.inputs.iter().any(|i| i.name == port.name) {
            let message = format!("stage `{}` lacks the input `{}` of kind `{}`", spec.name, port.name, kind.name());
            let hint = format!("add it under `inputs:`; it holds {}", sentence(port.doc));
            mistakes.add(Mistake::new(message).at(spec.place, "").hint(hint));
        }
    }
}

/// A port's documentation within a sentence.
fn sentence(doc: &str) -> String {
    let doc = doc.trim().trim_end_matches('.');
    let mut letters = doc.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(doc.chars().skip(1)).collect()
        }
        _ => doc.to_owned(),
    }
}
