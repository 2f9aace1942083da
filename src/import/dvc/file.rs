//! One `dvc.yaml`: its stages as they are written, expanded to their variants, with every `${...}` followed.

use std::path::{Path, PathBuf};

use super::context::{self, Context, Local, Source, join};
use super::group::{self, Axis, Point};
use super::note::{Notes, Refused};
use super::template::{Carried, Reading};
use super::text::text;
use super::yaml::{self, At, Content, Entry, Node};

/// One `dvc.yaml`.
pub(super) struct File {
    /// Relative to the project.
    pub(super) path: PathBuf,
    /// Its folder; empty for the project's.
    pub(super) folder: String,
    pub(super) text: String,
    pub(super) root: Node,
    /// Where the values of its templates come from.
    pub(super) sources: Vec<Source>,
    /// Whether a template names one of them.
    pub(super) stages: Vec<Stage>,
}

/// A stage of DVC, or all that a `foreach` or a `matrix` makes of one.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) at: At,
    /// Its axes in Kiln.
    pub(super) axes: Vec<Axis>,
    pub(super) variants: Vec<Variant>,
    pub(super) frozen: bool,
    pub(super) always: bool,
    pub(super) desc: Option<String>,
    /// The line on which it ends.
    pub(super) last: usize,
    /// Where its `cmd` stands.
    pub(super) cmd_at: At,
    /// The command as it is written, where that is folded over lines.
    pub(super) folded: bool,
    /// Its variants as stages of their own, if there are several.
    pub(super) apart: Vec<Stage>,
    /// What there is to say of these.
    pub(super) aside: Notes,
}

/// What DVC takes for a stage.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// `train@a`.
    pub(super) name: String,
    /// Its coordinates in Kiln.
    pub(super) labels: Vec<(String, String)>,
    /// The folder that it runs in, relative to the project.
    pub(super) wdir: String,
    /// The same in Kiln's words.
    pub(super) wdir_written: String,
    /// What it runs: each in a shell of its own.
    pub(super) commands: Vec<Carried>,
    /// Whether they are written as a list.
    pub(super) listed: bool,
    /// As one text, if they are not.
    pub(super) whole: Option<String>,
    pub(super) deps: Vec<Item>,
    pub(super) params: Vec<Params>,
    pub(super) outs: Vec<Out>,
}

/// A path.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Relative to the project.
    pub(super) path: String,
    /// The same in Kiln's words.
    pub(super) written: String,
    /// As `dvc.yaml` and `dvc.lock` have it.
    pub(super) listed: String,
    pub(super) at: At,
}

/// Parameters of one file.
#[derive(Clone, Debug)]
pub(super) struct Params {
    /// The file, relative to the project.
    pub(super) path: String,
    /// Which of them; empty for the whole file.
    pub(super) keys: Vec<String>,
    pub(super) at: At,
}

/// What an output is to DVC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Out,
    Metric,
    /// A folder with a file of metrics in it.
    Metrics,
    Plot,
}

/// An output.
#[derive(Clone, Debug)]
pub(super) struct Out {
    pub(super) item: Item,
    pub(super) what: Use,
    pub(super) cache: bool,
    pub(super) persist: bool,
    /// The column of the abscissa, if it is a plot and says one.
    pub(super) x: Option<String>,
}

const STAGE: &[&str] = &[
    "cmd",
    "deps",
    "params",
    "outs",
    "metrics",
    "plots",
    "wdir",
    "vars",
    "frozen",
    "always_changed",
    "desc",
    "meta",
    "foreach",
    "do",
    "matrix",
    "live",
];
const TOP: &[&str] = &["stages", "vars", "plots", "metrics", "params", "artifacts", "schema", "datasets"];

/// Reads a `dvc.yaml`. `carried` says whether its parameters are those of the pipeline.
pub(super) fn read(root: &Path, path: &Path, carried: bool, notes: &mut Notes) -> Result<File, Refused> {
    let text = text(root, path)?;
    let tree = yaml::read(&text).map_err(|fault| Refused::of(path, fault))?;
    if let Some(entry) = tree.entries().iter().find(|entry| !TOP.contains(&entry.key.as_str())) {
        let what = format!("unknown key `{}`; DVC refuses this file, too", entry.key);
        return Err(Refused::new(path, entry.at, what));
    }
    let folder = path.parent().map_or_else(String::new, |folder| folder.display().to_string());
    let (globals, sources) = context::globals(root, path, &folder, tree.get("vars"))?;
    let context = Context { globals, carried, locals: vec![] };
    let mut stages = Vec::new();
    let mut reader = Stages { root, path, folder: &folder, context: &context, notes };
    for entry in tree.get("stages").into_iter().flat_map(Node::entries) {
        stages.extend(reader.stage(&entry.key, entry.at, &entry.node)?);
    }
    Ok(File { path: path.to_owned(), folder, text, root: tree, sources, stages })
}

struct Stages<'a> {
    root: &'a Path,
    path: &'a Path,
    folder: &'a str,
    context: &'a Context,
    notes: &'a mut Notes,
}

impl Stages<'_> {
    fn stage(&mut self, name: &str, at: At, node: &Node) -> Result<Vec<Stage>, Refused> {
        let path = self.path;
        if let Some(entry) = node.entries().iter().find(|entry| !STAGE.contains(&entry.key.as_str())) {
            let what = format!("unknown key `{}` in stage `{name}`; DVC refuses this file, too", entry.key);
            return Err(Refused::new(path, entry.at, what));
        }
        let mut context = self.context.clone();
        let (axes, points, body) = if let Some(foreach) = node.get("foreach") {
            let body = node
                .get("do")
                .ok_or_else(|| Refused::new(path, at, format!("`{name}` has a `foreach` without `do`")))?;
            let (axis, points) = group::foreach(path, &context, foreach, self.notes)?;
            (vec![axis], points, body)
        } else if let Some(matrix) = node.get("matrix") {
            let (axes, points) = group::matrix(path, &context, matrix, self.notes)?;
            (axes, points, node)
        } else {
            (vec![], vec![Point::default()], node)
        };
        if points.is_empty() {
            self.notes.lost(path, at, format!("`{name}` stands for no stage: there is nothing to go over"), "");
            return Ok(vec![]);
        }
        self.own_vars(body, &mut context)?;
        let mut variants = Vec::new();
        for point in &points {
            variants.push(self.variant(name, body, &context, point, true)?);
        }
        let said = |key: &str| body.get(key).or_else(|| node.get(key)).is_some_and(Node::is_true);
        let cmd = body.get("cmd");
        let stage = Stage {
            name: name.to_owned(),
            at,
            axes,
            variants,
            frozen: said("frozen"),
            always: said("always_changed"),
            desc: body.get("desc").or_else(|| node.get("desc")).and_then(Node::text).map(|text| text.trim().to_owned()),
            last: node.last,
            cmd_at: cmd.map_or(at, |cmd| cmd.at),
            folded: cmd.is_some_and(|cmd| cmd.style == yaml::Style::Folded),
            apart: vec![],
            aside: Notes::default(),
        };
        if let Some(meta) = body.get("meta") {
            self.notes.lost(
                path,
                meta.at,
                format!("`meta` of `{name}` is not kept"),
                "write it as a comment if it matters",
            );
        }
        if stage.axes.is_empty() {
            return Ok(vec![stage]);
        }
        let alone = Stage { variants: vec![], axes: vec![], ..stage.clone() };
        let mut apart = Vec::new();
        // What there is to say of them concerns nobody, if they stay one.
        let told = std::mem::take(self.notes);
        for point in &points {
            let variant = self.variant(name, body, &context, point, false)?;
            let name = format!("{name}-{}", point.key);
            let variants = vec![Variant { labels: vec![], ..variant }];
            apart.push(Stage { name, variants, ..alone.clone() });
        }
        let aside = std::mem::replace(self.notes, told);
        if is_alike(&stage.variants) {
            return Ok(vec![Stage { apart, aside, ..stage }]);
        }
        self.notes.take(aside);
        self.notes.told(
            path,
            at,
            format!("the variants of `{name}` differ in more than their values, so each is a stage of its own"),
            "",
        );
        Ok(apart)
    }

    /// `vars` of a stage: names that only it has.
    fn own_vars(&mut self, body: &Node, context: &mut Context) -> Result<(), Refused> {
        let Some(vars) = body.get("vars") else { return Ok(()) };
        let wdir = body.get("wdir").and_then(Node::text).unwrap_or(".");
        let folder = join(self.folder, wdir);
        let folder = if folder == "." { "" } else { &folder };
        let mut tree = Node::new(Content::Map(vec![]));
        for item in vars.items() {
            context::more(self.root, self.path, folder, item, "", &mut tree, &mut vec![])?;
        }
        if let Content::Map(entries) = tree.content {
            context.locals.extend(entries.into_iter().map(|e| Local {
                name: e.key,
                node: e.node,
                kiln: None,
                fields: false,
            }));
        }
        context::tell_of_own(self.notes, self.path, vars.at);
        Ok(())
    }

    fn variant(
        &mut self,
        name: &str,
        body: &Node,
        context: &Context,
        point: &Point,
        by_name: bool,
    ) -> Result<Variant, Refused> {
        let mut context = context.clone();
        context.locals.extend(point.locals.iter().cloned().map(|mut local| {
            local.kiln = local.kiln.filter(|_| by_name);
            local
        }));
        let path = self.path;
        let folder = self.folder;
        let mut reading = Reading { file: path, context: &context, notes: self.notes };
        let wdir = match body.get("wdir") {
            Some(node) => reading.text(node, node.text().unwrap_or("."), false)?,
            None => Carried::plain("."),
        };
        let (wdir_written, wdir) = (join(folder, &wdir.kiln()), join(folder, &wdir.resolved()));
        let cmd = body.get("cmd").ok_or_else(|| Refused::new(path, body.at, format!("stage `{name}` has no `cmd`")))?;
        let (mut commands, mut whole) = (Vec::new(), None);
        match &cmd.content {
            Content::List(items) => {
                for item in items {
                    let text = item.shown().ok_or_else(|| Refused::new(path, item.at, "a command is a text"))?;
                    commands.push(reading.text(item, &text, true)?);
                }
            }
            Content::Text(text) => {
                let carried = reading.text(cmd, text, true)?;
                whole = Some(carried.resolved());
                commands.extend(carried.lines());
            }
            _ => return Err(Refused::new(path, cmd.at, "`cmd` is a text or a list of texts")),
        }
        let mut paths = Paths { reading, wdir: &wdir, written: &wdir_written };
        let deps = body.get("deps").into_iter().flat_map(Node::items);
        let deps = deps.map(|node| paths.item(node, node.text())).collect::<Result<Vec<_>, _>>()?;
        let mut outs = Vec::new();
        for (key, what) in [("outs", Use::Out), ("metrics", Use::Metric), ("plots", Use::Plot)] {
            for node in body.get(key).into_iter().flat_map(Node::items) {
                outs.push(paths.out(node, what)?);
            }
        }
        for entry in body.get("live").into_iter().flat_map(Node::entries) {
            outs.push(paths.live(entry)?);
        }
        let mut params = Vec::new();
        for node in body.get("params").into_iter().flat_map(Node::items) {
            paths.params(node, &mut params)?;
        }
        let name = if point.key.is_empty() { name.to_owned() } else { format!("{name}@{}", point.key) };
        let labels = point.labels.clone();
        let listed = matches!(cmd.content, Content::List(_));
        Ok(Variant { name, labels, wdir, wdir_written, commands, listed, whole, deps, params, outs })
    }
}

/// Whether variants are the same but for the values of names.
fn is_alike(variants: &[Variant]) -> bool {
    let form = |variant: &Variant| {
        let commands: Vec<String> = variant.commands.iter().map(Carried::kiln).collect();
        let deps: Vec<&str> = variant.deps.iter().map(|item| item.written.as_str()).collect();
        let outs: Vec<&str> = variant.outs.iter().map(|out| out.item.written.as_str()).collect();
        let params: Vec<_> = variant.params.iter().map(|params| (&params.path, &params.keys)).collect();
        format!("{commands:?}{deps:?}{outs:?}{params:?}{}", variant.wdir_written)
    };
    variants.split_first().is_none_or(|(first, rest)| {
        let first = form(first);
        rest.iter().all(|variant| form(variant) == first)
    })
}

struct Paths<'a, 'r> {
    reading: Reading<'r>,
    wdir: &'a str,
    written: &'a str,
}

impl Paths<'_, '_> {
    fn item(&mut self, node: &Node, text: Option<&str>) -> Result<Item, Refused> {
        let text = text.ok_or_else(|| Refused::new(self.reading.file, node.at, "a path is a text"))?;
        let carried = self.reading.text(node, text, false)?;
        let path = join(self.wdir, &carried.resolved());
        // Where a value leads out of a folder, only the path that comes of it can be written.
        let leads_out = carried.resolved().split('/').any(|part| part == "..") && carried.kiln().contains("${");
        let written = if leads_out { path.clone() } else { join(self.written, &carried.kiln()) };
        Ok(Item { path, written, listed: carried.resolved(), at: node.at })
    }

    fn out(&mut self, node: &Node, what: Use) -> Result<Out, Refused> {
        let (node, flags) = match node.entries() {
            [entry] => (Node { at: entry.at, ..Node::new(Content::Text(entry.key.clone())) }, Some(&entry.node)),
            _ => (node.clone(), None),
        };
        let item = self.item(&node, node.text())?;
        let is = |key: &str| flags.and_then(|flags| flags.get(key));
        let persist = is("persist").or_else(|| is("checkpoint")).is_some_and(Node::is_true);
        let (file, notes) = (self.reading.file, &mut *self.reading.notes);
        let name = &item.path;
        for flag in flags.into_iter().flat_map(Node::entries) {
            match flag.key.as_str() {
                "persist" | "x" | "type" | "checkpoint" => {}
                "cache" if flag.node.is_true() => {}
                "cache" => {
                    notes.told_once(file, flag.at, "outputs with `cache: false` are kept in Kiln's cache, as all are")
                }
                "remote" | "push" => notes.lost(
                    file,
                    flag.at,
                    format!("`{}` of `{name}` says where DVC pushes it", flag.key),
                    "Kiln shares all results through one cache",
                ),
                "template" | "y" | "title" | "x_label" | "y_label" | "header" => notes.lost(
                    file,
                    flag.at,
                    format!("`{}` of the plot `{name}` says how DVC draws it", flag.key),
                    "curves of CSV files with `role: series` are drawn by `kiln report` and `kiln compare --html`",
                ),
                other => {
                    notes.lost(file, flag.at, format!("`{other}` of `{name}` is not kept"), "it changes no result")
                }
            }
        }
        let x = is("x").and_then(Node::text).map(str::to_owned);
        let cache = !is("cache").is_some_and(|node| matches!(node.content, Content::Bool(false)));
        Ok(Out { item, what, cache, persist, x })
    }

    /// `live` of DVC 2: a folder that dvclive writes, which was an output.
    fn live(&mut self, entry: &Entry) -> Result<Out, Refused> {
        let node = Node { at: entry.at, ..Node::new(Content::Text(entry.key.clone())) };
        let item = self.item(&node, node.text())?;
        let what = format!("`live` is of DVC 2, and DVC 3 refuses it: the folder `{}` is an output", item.path);
        let hint = "what dvclive writes beside the folder is lost unless it is an output, too: `NAME.json` with `role: metrics`";
        self.reading.notes.lost(self.reading.file, entry.at, what, hint);
        let is = |key: &str, default: bool| match entry.node.get(key).map(|node| &node.content) {
            Some(Content::Bool(said)) => *said,
            _ => default,
        };
        Ok(Out { item, what: Use::Out, cache: is("cache", true), persist: is("persist", false), x: None })
    }

    fn params(&mut self, node: &Node, out: &mut Vec<Params>) -> Result<(), Refused> {
        let mut add = |path: &str, keys: Option<Vec<String>>, at: At| {
            let full = join(self.wdir, path);
            match (out.iter_mut().find(|known| known.path == full), keys) {
                (Some(known), Some(keys)) if !known.keys.is_empty() => {
                    for key in keys {
                        if !known.keys.contains(&key) {
                            known.keys.push(key);
                        }
                    }
                }
                (Some(known), None) => known.keys.clear(),
                (Some(_), Some(_)) => {}
                (None, keys) => {
                    out.push(Params { path: full, keys: keys.unwrap_or_default(), at });
                }
            }
        };
        match &node.content {
            Content::Map(entries) => {
                for entry in entries {
                    let file = self.reading.text(node, &entry.key, false)?.resolved();
                    let mut keys = Vec::new();
                    for key in entry.node.items() {
                        let text = key.shown().unwrap_or_default();
                        keys.push(self.reading.text(key, &text, false)?.resolved());
                    }
                    add(&file, (!keys.is_empty()).then_some(keys), entry.at);
                }
            }
            _ => {
                let text = node.shown().unwrap_or_default();
                let key = self.reading.text(node, &text, false)?.resolved();
                add("params.yaml", Some(vec![key]), node.at);
            }
        }
        Ok(())
    }
}
