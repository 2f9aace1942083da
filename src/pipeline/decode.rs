//! From the YAML tree to the typed spec; every mistake of form is collected on the way.

use std::collections::HashSet;

use crate::kind::Role;

use super::cache::{self, PutAs};
use super::environment;
use super::executor;
use super::form::{fields, get, mapping, named, wrong};
use super::mistake::{Mistake, Mistakes};
use super::node::{Content, Entry, Node};
use super::packages;
use super::remote;
use super::spec::{
    Around, BodySpec, InputSpec, ItemSpec, MatrixSpec, OutputSpec, ParamsSpec, Profile, Spec, StageSpec, StepsSpec,
    TimeoutSpec, ViewSpec,
};

/// The keys that are known, by where they stand; `schema.rs` is made from the same lists.
pub(super) const PIPELINE: &[&str] =
    &["version", "params", "profiles", "report", "remote", "cache", "shell", "environment", "executor", "stages"];
pub(super) const PROFILE: &[&str] = &["params", "executor"];
pub(super) const STAGE: &[&str] = &[
    "uses",
    "run",
    "shell",
    "inputs",
    "outputs",
    "with",
    "steps",
    "matrix",
    "env",
    "environment",
    "executor",
    "guard",
    "resources",
    "timeout",
    "retries",
];
pub(super) const INPUT: &[&str] = &["from", "path", "only", "ignore", "keys"];
pub(super) const OUTPUT: &[&str] = &["path", "role"];
pub(super) const RESOURCES: &[&str] =
    &["cpus", "gpu", "device", "memory", "time", "partition", "account", "qos", "constraint", "options"];
pub(super) const TIMEOUT: &[&str] = &["after", "grace"];
pub(super) const STEPS: &[&str] = &["parameter", "unit", "horizon", "metrics", "keep"];
pub(super) const KEEP: &[&str] = &["last", "every", "best", "size"];
/// The keys of a matrix that are no axes.
pub(super) const MATRIX: &[&str] = &["from", "exclude", "include"];
/// The roles of an output.
pub(super) const ROLES: &[(&str, Role)] =
    &[("data", Role::Data), ("metrics", Role::Metrics), ("figure", Role::Figure), ("series", Role::Series)];

/// Reads a pipeline.
pub(super) fn pipeline<'n>(root: &'n Node, mistakes: &mut Mistakes<'_>) -> Spec<'n> {
    let mut spec = Spec {
        params: vec![],
        profiles: vec![],
        report: None,
        remote: None,
        put_as: PutAs::default(),
        executor: None,
        stages: vec![],
    };
    if matches!(root.content, Content::Null) {
        mistakes.add(
            Mistake::new("the pipeline file is empty")
                .at(root.place, "")
                .hint("it needs `version: 1` and `stages:`, and may have `params:` and `profiles:`"),
        );
        return spec;
    }
    let entries = fields(root, "the pipeline", PIPELINE, mistakes);
    if !matches!(root.content, Content::Map(_)) {
        return spec;
    }
    version(get(entries, "version"), mistakes);
    spec.params = get(entries, "params").map_or(vec![], |e| params(e, mistakes));
    for entry in get(entries, "profiles").map_or(&[][..], |e| mapping(e, mistakes)) {
        let what = format!("profile `{}`", entry.key);
        let inner = fields(&entry.node, &what, PROFILE, mistakes);
        let params = get(inner, "params").map_or(vec![], |e| params(e, mistakes));
        let executor = get(inner, "executor").and_then(|e| executor::read(e, mistakes));
        spec.profiles.push(Profile { name: &entry.key, params, executor });
    }
    spec.report = get(entries, "report").map(|e| &e.node);
    spec.remote = get(entries, "remote").and_then(|e| remote::read(&e.node, mistakes));
    spec.put_as = get(entries, "cache").map_or_else(PutAs::default, |e| cache::read(&e.node, mistakes));
    spec.executor = get(entries, "executor").and_then(|e| executor::read(e, mistakes));
    let shell = get(entries, "shell").and_then(|e| environment::shell(e, mistakes));
    let around = get(entries, "environment").and_then(|e| packages::read(&e.node, mistakes));
    match get(entries, "stages") {
        None => mistakes.add(Mistake::new("the pipeline has no `stages:`").at(root.place, "")),
        Some(entry) => {
            // A name that stands twice was told of when the file was read; the second is passed over.
            let entries = mapping(entry, mistakes);
            let mut seen = HashSet::with_capacity(entries.len());
            spec.stages.reserve_exact(entries.len());
            for entry in entries {
                if seen.insert(&entry.key) {
                    spec.stages.push(stage(entry, shell, around.as_ref(), mistakes));
                }
            }
        }
    }
    spec
}

fn version(entry: Option<&Entry>, mistakes: &mut Mistakes<'_>) {
    let Some(entry) = entry else {
        mistakes.add(Mistake::new("the pipeline does not say its `version`").hint("begin the file with `version: 1`"));
        return;
    };
    if !matches!(&entry.node.content, Content::Number(n) if n.as_u64() == Some(1)) {
        mistakes
            .add(Mistake::new("this Kiln reads `version: 1` only").at(entry.node.place, "").hint("write `version: 1`"));
    }
}

/// Reads a stage of a file whose scripts run in `shell` unless a stage says otherwise.
fn stage<'n>(
    entry: &'n Entry,
    shell: Option<&'n str>,
    around: Option<&Around>,
    mistakes: &mut Mistakes<'_>,
) -> StageSpec<'n> {
    named("a stage name", &entry.key, entry.place, true, mistakes);
    let what = format!("stage `{}`", entry.key);
    let entries =
        if matches!(entry.node.content, Content::Null) { &[] } else { fields(&entry.node, &what, STAGE, mistakes) };
    let each = |key: &str, mistakes: &mut Mistakes<'_>| get(entries, key).map_or(&[][..], |e| mapping(e, mistakes));
    // Most stages have few, and there may be a hundred thousand stages.
    let mut outputs: Vec<OutputSpec<'_>> =
        each("outputs", mistakes).iter().filter_map(|e| output(e, mistakes)).collect();
    outputs.shrink_to_fit();
    let body = body(entry, entries, mistakes);
    let own_shell = get(entries, "shell").and_then(|e| environment::shell_of_stage(e, &entry.key, body, mistakes));
    let environment::Variables { set: env, passed: pass, counted, cached } =
        environment::variables(each("env", mistakes), mistakes);
    let warns = get(entries, "guard").is_some_and(|e| environment::warns(e, &entry.key, body, mistakes));
    let around = match get(entries, "environment") {
        Some(own) => packages::of_stage(own, &entry.key, body, mistakes),
        None => around.cloned(),
    };
    let mut stage = StageSpec {
        name: &entry.key,
        place: entry.place,
        body,
        inputs: each("inputs", mistakes).iter().map(|e| input(e, mistakes)).collect(),
        outputs,
        with: get(entries, "with"),
        steps: get(entries, "steps").map(|e| Box::new(steps(e, body, mistakes))),
        output_names: vec![],
        matrix: get(entries, "matrix").map(|e| matrix(e, mistakes)),
        env,
        pass,
        counted,
        cached,
        warns,
        shell: own_shell.or(shell).filter(|_| matches!(body, Some(BodySpec::Shell { .. }))),
        environment: around.filter(|_| !matches!(body, Some(BodySpec::Uses { .. }))),
        resources: match get(entries, "resources") {
            Some(e) => fields(&e.node, "`resources`", RESOURCES, mistakes).iter().collect(),
            None => vec![],
        },
        executor: get(entries, "executor").map(|e| &e.node),
        timeout: get(entries, "timeout").map(|e| timeout(&e.node, mistakes)).unwrap_or_default(),
        retries: get(entries, "retries").map(|e| &e.node),
    };
    if stage.steps.is_some() {
        stage.output_names = stage.outputs.iter().map(|output| output.name).collect();
    }
    match (get(entries, "run"), get(entries, "uses")) {
        (Some(run), None)
            if stage.outputs.is_empty() && !matches!(get(entries, "outputs"), Some(e) if !is_empty(&e.node)) =>
        {
            mistakes.add(
                Mistake::new(format!("{what} declares no outputs"))
                    .at(run.place, "a command has to say what it writes")
                    .hint("add `outputs: {name: path}`"),
            );
        }
        (None, Some(_)) => {
            if let Some(env) = get(entries, "env") {
                mistakes.add(
                    Mistake::new(format!("{what} uses a built-in kind, which reads no environment"))
                        .at(env.place, "")
                        .hint("`env` is for stages with `run`; a kind takes its parameters from `with`"),
                );
            }
        }
        _ => {}
    }
    stage
}

fn steps<'n>(entry: &'n Entry, body: Option<BodySpec<'_>>, mistakes: &mut Mistakes<'_>) -> StepsSpec<'n> {
    let entries = fields(&entry.node, "`steps`", STEPS, mistakes);
    if let Some(BodySpec::Uses { kind, .. }) = body {
        for entry in entries.iter().filter(|entry| STEPS.contains(&entry.key.as_str()) && entry.key != "keep") {
            let mistake = Mistake::new(format!("kind `{kind}` knows itself what its steps are")).at(entry.place, "");
            mistakes.add(mistake.hint("of a built-in kind `steps` says only which states to `keep`"));
        }
    }
    let field = |key: &str| get(entries, key).map(|entry| &entry.node);
    let keep = get(entries, "keep").map_or(&[][..], |entry| fields(&entry.node, "`keep`", KEEP, mistakes));
    StepsSpec {
        place: entry.place,
        parameter: field("parameter"),
        unit: field("unit"),
        horizon: field("horizon"),
        metrics: field("metrics"),
        keep: keep.iter().collect(),
    }
}

fn timeout<'n>(node: &'n Node, mistakes: &mut Mistakes<'_>) -> TimeoutSpec<'n> {
    let Content::Map(_) = &node.content else { return TimeoutSpec { after: Some(node), grace: None } };
    let entries = fields(node, "`timeout`", TIMEOUT, mistakes);
    let field = |key: &str| get(entries, key).map(|entry| &entry.node);
    TimeoutSpec { after: field("after"), grace: field("grace") }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.content, Content::Null) || matches!(&node.content, Content::Map(entries) if entries.is_empty())
}

fn body<'n>(stage: &Entry, entries: &'n [Entry], mistakes: &mut Mistakes<'_>) -> Option<BodySpec<'n>> {
    match (get(entries, "uses"), get(entries, "run")) {
        // A slip in the key, or no mapping at all, was told of already.
        (None, None) if entries.iter().any(|e| !STAGE.contains(&e.key.as_str())) => None,
        (None, None) if !is_empty(&stage.node) && entries.is_empty() => None,
        (None, None) => {
            mistakes.add(
                Mistake::new(format!("stage `{}` does nothing", stage.key))
                    .at(stage.place, "")
                    .hint("give it `uses:` (a built-in kind) or `run:` (a command)"),
            );
            None
        }
        (Some(uses), Some(run)) => {
            mistakes.add(
                Mistake::new(format!("stage `{}` has both `uses` and `run`", stage.key))
                    .at(run.place, "")
                    .at(uses.place, "")
                    .hint("keep one of the two"),
            );
            None
        }
        (Some(uses), None) => match uses.node.text() {
            Some(kind) => Some(BodySpec::Uses { kind, place: uses.node.place }),
            None => wrong(&uses.node, "`uses`", "the name of a kind", mistakes),
        },
        (None, Some(run)) => match &run.node.content {
            Content::Text(script) if !script.trim().is_empty() => {
                Some(BodySpec::Shell { script, place: run.node.place })
            }
            Content::List(argv) if !argv.is_empty() => Some(BodySpec::Argv(argv)),
            Content::Text(_) | Content::List(_) | Content::Null => {
                mistakes.add(Mistake::new("`run` is empty").at(run.place, ""));
                None
            }
            _ => wrong(&run.node, "`run`", "a shell script, or a list of the program and its arguments", mistakes),
        },
    }
}

fn input<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> InputSpec<'n> {
    named("an input name", &entry.key, entry.place, false, mistakes);
    let mut items = Vec::new();
    match &entry.node.content {
        Content::List(list) => items.extend(list.iter().filter_map(|node| item(node, mistakes))),
        Content::Null => {
            mistakes.add(
                Mistake::new(format!("input `{}` is empty", entry.key))
                    .at(entry.place, "")
                    .hint("give it a path, or a reference to an output: `{from: stage.output}`"),
            );
        }
        _ => {
            // Most take one; a list that grows has room for four.
            items.reserve_exact(1);
            items.extend(item(&entry.node, mistakes));
        }
    }
    InputSpec { name: &entry.key, place: entry.place, items }
}

fn item<'n>(node: &'n Node, mistakes: &mut Mistakes<'_>) -> Option<ItemSpec<'n>> {
    match &node.content {
        Content::Text(_) => Some(ItemSpec::Path(node)),
        Content::Map(_) => {
            let entries = fields(node, "an input", INPUT, mistakes);
            match get(entries, "from") {
                Some(from) if entries.len() > 1 && entries.iter().all(|e| INPUT.contains(&e.key.as_str())) => {
                    let mistake = Mistake::new("a reference is taken whole").at(from.place, "");
                    mistakes.add(mistake.hint("`only`, `ignore` and `keys` are for a `path` of the project"));
                    None
                }
                Some(from) if from.node.text().is_some() => Some(ItemSpec::From(&from.node)),
                Some(from) => wrong(&from.node, "`from`", "a reference such as `stage.output`", mistakes),
                None if entries.iter().any(|e| e.key != "from" && INPUT.contains(&e.key.as_str())) => {
                    view(node, entries, mistakes).map(ItemSpec::View)
                }
                None if entries.is_empty() => wrong(node, "an input", "a path, or `{from: stage.output}`", mistakes),
                None => None,
            }
        }
        _ => wrong(node, "an input", "a path, or `{from: stage.output}`", mistakes),
    }
}

/// Reads `{path: ..., only: [...], ignore: [...]}`, or `{path: ..., keys: [...]}`.
fn view<'n>(node: &'n Node, entries: &'n [Entry], mistakes: &mut Mistakes<'_>) -> Option<ViewSpec<'n>> {
    let Some(path) = get(entries, "path") else {
        mistakes.add(
            Mistake::new("an input needs a `path`").at(node.place, "").hint("name the file or folder: `path: src`"),
        );
        return None;
    };
    path.node.text().or_else(|| wrong(&path.node, "`path`", "a path", mistakes))?;
    let mut list = |key: &str, what: &str| match get(entries, key).map(|e| (&e.node, &e.node.content)) {
        None | Some((_, Content::Null)) => Some(&[][..]),
        Some((node, Content::Text(_))) => Some(std::slice::from_ref(node)),
        Some((_, Content::List(items))) => Some(items.as_slice()),
        Some((node, _)) => wrong(node, &format!("`{key}`"), what, mistakes),
    };
    let (only, ignore) = (list("only", "a list of patterns"), list("ignore", "a list of patterns"));
    let keys = list("keys", "a list of keys, such as `train.epochs`")?;
    if let Some(entry) =
        get(entries, "keys").filter(|entry| matches!(&entry.node.content, Content::List(all) if all.is_empty()))
    {
        let mistake = Mistake::new("`keys` names no key").at(entry.place, "");
        mistakes.add(mistake.hint("name those that the command needs; without `keys` it sees the whole file"));
        return None;
    }
    if let (Some(keys), Some(other)) = (get(entries, "keys"), get(entries, "only").or(get(entries, "ignore"))) {
        let mistake = Mistake::new("an input takes patterns, or keys").at(keys.place, "").at(other.place, "");
        mistakes.add(mistake.hint("patterns are for a folder, keys for a file of parameters"));
        return None;
    }
    Some(ViewSpec { path: &path.node, only: only?, ignore: ignore?, keys })
}

fn output<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> Option<OutputSpec<'n>> {
    named("an output name", &entry.key, entry.place, false, mistakes);
    let mut output = OutputSpec { name: &entry.key, place: entry.place, path: None, role: None };
    match &entry.node.content {
        Content::Text(_) => output.path = Some(&entry.node),
        Content::Map(_) => {
            let entries = fields(&entry.node, "an output", OUTPUT, mistakes);
            if let Some(path) = get(entries, "path") {
                match path.node.text() {
                    Some(_) => output.path = Some(&path.node),
                    None => return wrong(&path.node, "`path`", "a path", mistakes),
                }
            }
            if let Some(role) = get(entries, "role") {
                output.role = self::role(&role.node, mistakes);
            }
        }
        _ => {
            return wrong(
                &entry.node,
                &format!("output `{}`", entry.key),
                "a path, or `{path: ..., role: ...}`",
                mistakes,
            );
        }
    }
    Some(output)
}

fn role(node: &Node, mistakes: &mut Mistakes<'_>) -> Option<Role> {
    let Some(text) = node.text() else {
        return wrong(node, "`role`", "`data`, `metrics`, `figure` or `series`", mistakes);
    };
    let known = ROLES.iter().find(|(name, _)| *name == text);
    if known.is_none() {
        let hint = mistakes
            .nearest(text, ROLES.iter().map(|(name, _)| *name))
            .unwrap_or_else(|| "a role is `data`, `metrics`, `figure` or `series`".into());
        mistakes.add(Mistake::new(format!("unknown role `{text}`")).at(node.place, "").hint(hint));
    }
    known.map(|(_, role)| *role)
}

fn matrix<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> MatrixSpec<'n> {
    let mut spec = MatrixSpec::default();
    for entry in mapping(entry, mistakes) {
        match entry.key.as_str() {
            "from" => match entry.node.text() {
                Some(stage) => spec.from = Some((stage, entry.node.place)),
                None => {
                    let _: Option<()> = wrong(&entry.node, "`from`", "the name of a stage", mistakes);
                }
            },
            "exclude" | "include" => match &entry.node.content {
                Content::List(list) if entry.key == "exclude" => spec.exclude.extend(list),
                Content::List(list) => spec.include.extend(list),
                _ => {
                    let what = format!("`{}`", entry.key);
                    let _: Option<()> = wrong(&entry.node, &what, "a list of combinations", mistakes);
                }
            },
            axis => {
                named("an axis name", axis, entry.place, false, mistakes);
                spec.axes.push(entry);
            }
        }
    }
    spec
}

/// Reads `params:`: a mapping, the path of a file, or a list of these.
fn params<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> Vec<ParamsSpec<'n>> {
    let mut one = |node: &'n Node| match &node.content {
        Content::Map(_) => Some(ParamsSpec::Inline(node)),
        Content::Text(_) => Some(ParamsSpec::File(node)),
        _ => {
            wrong(node, "`params`", "a mapping, the path of a file such as `params.yaml`, or a list of these", mistakes)
        }
    };
    match &entry.node.content {
        Content::Null => vec![],
        Content::List(items) => items.iter().filter_map(one).collect(),
        _ => one(&entry.node).into_iter().collect(),
    }
}
