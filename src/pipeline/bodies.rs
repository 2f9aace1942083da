//! What each variant runs: its checked parameters, or its command with values and paths filled in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::command;
use super::expand::World;
use super::inputs::Inputs;
use super::interpolate::{Files, Scope};
use super::mistake::Mistakes;
use super::node::Content;
use super::settings::{self, Settings};
use super::spec::{BodySpec, StageSpec};
use super::stage::{Body, From};
use super::step_values;
use super::steps::{Keep, Steps};
use super::with;

/// What a variant runs, and how.
pub(super) struct Running {
    /// What it runs; `None` if that was a mistake.
    pub(super) body: Option<Body>,
    /// Its environment.
    pub(super) env: BTreeMap<String, String>,
    /// The variables that come from outside.
    pub(super) pass: Vec<String>,
    /// Those of them that count.
    pub(super) counted: Vec<String>,
    /// The variables that name a lasting folder.
    pub(super) cached: Vec<String>,
    /// Whether it may read what is not declared.
    pub(super) warns: bool,
    /// What of its environment is in its key.
    pub(super) environment: Option<std::sync::Arc<super::stage::Environment>>,
    /// The shell that its script asks for.
    pub(super) shell: Option<String>,
    /// The values that its command is handed.
    pub(super) with: Option<Value>,
    /// The steps of its command.
    pub(super) steps: Option<Box<Steps>>,
    /// Which of their states are kept, if it says so.
    pub(super) keep: Option<Box<Keep>>,
    /// Resources, timeout, retries.
    pub(super) settings: Settings,
}

/// Works out what a variant runs.
pub(super) fn running(world: &World<'_>, id: usize, inputs: &Inputs, mistakes: &mut Mistakes<'_>) -> Running {
    let draft = world.drafts[id];
    let (plan, _) = world.plan(draft);
    let spec = &plan.spec;
    let mut scope = world.scope(draft);
    let settings = settings::read(&spec.resources, spec.executor, spec.timeout, spec.retries, &scope, mistakes);
    if !matches!(spec.body, Some(BodySpec::Uses { .. })) && uses_names(spec) {
        scope.files = Some(files(world, id, inputs));
    }
    let env = command::environment(&spec.env, &scope, mistakes);
    let good = env.is_some();
    let mut env = env.unwrap_or_default();
    let body = body(spec, plan.kind.as_ref(), &scope, &mut env, mistakes).filter(|_| good);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (pass, counted, cached) = (owned(&spec.pass), owned(&spec.counted), owned(&spec.cached));
    let (with, steps) = match spec.body {
        Some(BodySpec::Uses { .. }) => (None, None),
        _ => {
            let with = with::values(spec, &scope, mistakes);
            let steps = step_values::read(spec, with.as_ref(), &scope, mistakes);
            (with, steps.map(Box::new))
        }
    };
    let keep = spec.steps.as_ref().and_then(|steps| step_values::keep(steps, &scope, mistakes)).map(Box::new);
    Running {
        body,
        env,
        pass,
        counted,
        cached,
        warns: spec.warns,
        environment: spec.environment.as_ref().map(|around| around.environment.clone()),
        shell: spec.shell.map(str::to_owned),
        with,
        steps,
        keep,
        settings,
    }
}

fn body(
    spec: &StageSpec<'_>,
    kind: Option<&std::sync::Arc<dyn crate::kind::Kind>>,
    scope: &Scope<'_>,
    env: &mut BTreeMap<String, String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Body> {
    match spec.body? {
        BodySpec::Uses { .. } => {
            let kind = kind?;
            let params = with::check(kind.as_ref(), spec, scope, mistakes)?;
            Some(Body::Uses { kind: kind.clone(), params })
        }
        BodySpec::Argv(items) => command::argv(items, scope, mistakes).map(Body::Run),
        BodySpec::Shell { script, place } => command::script(script, place, scope, env, mistakes).map(Body::Run),
    }
}

/// Whether a command uses any `${...}`: only then its paths are put together.
fn uses_names(spec: &StageSpec<'_>) -> bool {
    let in_body = match spec.body {
        Some(BodySpec::Shell { script, .. }) => script.contains("${"),
        Some(BodySpec::Argv(items)) => items.iter().any(|n| n.text().is_some_and(|t| t.contains("${"))),
        _ => false,
    };
    let in_with = spec.with.is_some_and(|with| !matches!(with.node.content, Content::Null));
    in_body || in_with || spec.env.iter().any(|e| e.node.text().is_some_and(|t| t.contains("${")))
}

fn files<'w>(world: &'w World<'_>, id: usize, inputs: &'w Inputs) -> Files<'w> {
    let path = |from: &'w From| match from {
        From::Source(path) => path.to_str(),
        From::Output { stage, output } => world.outputs[stage.0].get(output).and_then(|o| o.path.to_str()),
    };
    Files {
        inputs: inputs
            .iter()
            .map(|(n, all)| (n.as_str(), all.iter().filter_map(|i| path(&i.from)).collect()))
            .collect(),
        outputs: world.outputs[id].iter().filter_map(|(n, o)| Some((n.as_str(), o.path.to_str()?))).collect(),
    }
}
