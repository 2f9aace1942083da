//! The text of a pipeline file, as a person would write it.

use std::collections::BTreeMap;
use std::path::Path;

use super::comments::Comments;
use super::context::Source;
use super::file::File;
use super::group::{Axis, Values};
use super::note::Notes;
use super::plan::Plan;
use super::planned::{Given, Planned, Taken};
use super::scalar::{block_or, flow, scalar};
use super::yaml::{self, Content, Node};

/// So long may a line become.
const WIDTH: usize = 120;

/// Writes the pipeline of planned stages. With `links`, outputs are put in place as links.
pub(super) fn pipeline(root: &Path, files: &[File], plan: &Plan<'_>, links: bool, notes: &mut Notes) -> String {
    let planned = &plan.stages;
    let mut writer = Writer { out: String::new(), comments: BTreeMap::new() };
    for file in files {
        writer.comments.insert(&file.path, Comments::of(&file.text, &file.root));
    }
    for file in files {
        // What stands over the first key is about the file.
        if let Some(first) = file.root.entries().first() {
            let head = writer.above(&file.path, first.at.line);
            writer.lines(&head, "");
        }
    }
    writer.out.push_str("version: 1\n");
    if links {
        writer.out.push_str("cache: {type: hardlink}\n");
    }
    writer.parameters(root, files, plan, notes);
    let mut before: Option<&Path> = None;
    writer.out.push_str("stages:\n");
    for stage in planned {
        if files.len() > 1 && before != Some(&stage.file.path) {
            writer.out.push_str(&format!("  # {}\n", stage.file.path.display()));
        }
        if before != Some(&stage.file.path) {
            for entry in stage.file.root.entries().iter().filter(|entry| entry.key == "stages" || entry.key == "vars") {
                let comments = writer.above(&stage.file.path, entry.at.line);
                writer.lines(&comments, "  ");
            }
        }
        before = Some(&stage.file.path);
        writer.stage(stage);
    }
    if planned.is_empty() {
        writer.out.truncate(writer.out.len() - 1);
        writer.out.push_str(" {}\n");
    }
    for file in files {
        let rest = writer.comments.get_mut(file.path.as_path()).map(|comments| comments.rest(usize::MAX));
        writer.lines(&rest.unwrap_or_default(), "");
    }
    writer.out
}

struct Writer<'f> {
    out: String,
    comments: BTreeMap<&'f Path, Comments>,
}

impl<'f> Writer<'f> {
    fn above(&mut self, file: &Path, line: usize) -> Vec<String> {
        self.comments.get_mut(file).map(|comments| comments.above(line)).unwrap_or_default()
    }

    fn beside(&mut self, file: &Path, line: usize) -> String {
        let comment = self.comments.get_mut(file).and_then(|comments| comments.beside(line));
        comment.map_or_else(String::new, |comment| format!("  {comment}"))
    }

    fn lines(&mut self, lines: &[String], indent: &str) {
        for line in lines {
            self.out.push_str(&format!("{indent}{line}\n"));
        }
    }

    /// `params:`, if a stage takes one.
    fn parameters(&mut self, root: &Path, files: &[File], plan: &Plan<'_>, notes: &mut Notes) {
        let Some(file) = files.first() else { return };
        let is_whole = |source: &Source, path: &str| matches!(source, Source::File { path: known, keys } if known == path && keys.is_empty());
        let own = |path: &str| file.sources.iter().any(|source| is_whole(source, path));
        let by_key = |stage: &Planned<'_>| {
            !stage.stage.frozen
                && stage
                    .inputs
                    .iter()
                    .flat_map(|(_, taken)| taken)
                    .any(|taken| !taken.keys.is_empty() && own(&taken.path))
        };
        let used = plan.stages.iter().any(|stage| is_used(stage) || by_key(stage));
        let mut parts: Vec<Vec<String>> = Vec::new();
        for source in file.sources.iter().filter(|_| used) {
            match source {
                Source::File { path, keys } => {
                    let at = file.root.get("vars").map_or_else(Default::default, |vars| vars.at);
                    if path.ends_with(".py") {
                        let node = super::params::file(root, path).unwrap_or_else(|_| Node::new(Content::Null));
                        let what = format!("the parameters in `{path}` are written into pipeline.yaml");
                        notes.differs(&file.path, at, what, "Kiln reads parameters from YAML, JSON and TOML");
                        let own = node.entries().iter().filter(|e| keys.is_empty() || keys.contains(&e.key));
                        parts.push(mapping(own));
                        continue;
                    }
                    if !keys.is_empty() {
                        let what = format!("of `{path}` all parameters can be named, not only `{}`", keys.join("`, `"));
                        notes.told(&file.path, at, what, "");
                    }
                    parts.push(vec![scalar(path, false)]);
                }
                Source::Inline(node) => {
                    parts.push(mapping(node.entries()));
                }
            }
        }
        let files = plan.more.iter().map(|path| vec![scalar(path, false)]);
        parts.extend(files);
        match parts.as_slice() {
            [] => {}
            [only] if only.len() == 1 && !only[0].contains(": ") => {
                self.out.push_str(&format!("params: {}\n", only[0]));
            }
            [only] => {
                self.out.push_str("params:\n");
                self.lines(only, "  ");
            }
            several => {
                self.out.push_str("params:\n");
                for part in several {
                    for (i, line) in part.iter().enumerate() {
                        self.out.push_str(&format!("  {} {line}\n", if i == 0 { "-" } else { " " }));
                    }
                }
            }
        }
    }

    fn stage(&mut self, planned: &Planned<'_>) {
        let (file, stage) = (&planned.file.path, planned.stage);
        let mut text = std::mem::take(&mut self.out);
        let comments = self.above(file, stage.at.line);
        self.lines(&comments, "  ");
        if let Some(desc) = &stage.desc {
            let lines: Vec<String> = wrapped(desc).into_iter().map(|line| format!("# {line}")).collect();
            self.lines(&lines, "  ");
        }
        if stage.frozen {
            self.lines(&["# Frozen in dvc.yaml: what it wrote is taken as it lies there. To have it executed, take the `#` away.".to_owned()], "  ");
        }
        let whole = std::mem::take(&mut self.out);
        text.push_str(&whole);
        let beside = self.beside(file, stage.at.line);
        self.out.push_str(&format!("  {}:{beside}\n", scalar(&planned.name, false)));
        self.matrix(&stage.axes);
        let comments = self.above(file, stage.cmd_at.line);
        self.lines(&comments, "    ");
        self.run(planned);
        if !planned.env.is_empty() || !planned.pass.is_empty() {
            let mut parts: Vec<String> =
                planned.env.iter().map(|(name, value)| format!("{name}: {}", scalar(value, true))).collect();
            if !planned.pass.is_empty() {
                parts.push(format!("pass: [{}]", planned.pass.join(", ")));
            }
            self.out.push_str(&format!("    env: {{{}}}\n", parts.join(", ")));
        }
        if !planned.inputs.is_empty() {
            self.out.push_str("    inputs:\n");
            for (port, taken) in &planned.inputs {
                self.input(file, port, taken);
            }
        }
        self.out.push_str("    outputs:\n");
        for given in &planned.outputs {
            self.output(file, given);
        }
        let rest = self.comments.get_mut(file.as_path()).map(|comments| comments.rest(stage.last)).unwrap_or_default();
        self.lines(&rest, "    ");
        if stage.frozen {
            let body = std::mem::take(&mut self.out);
            for line in body.lines() {
                let line = line.strip_prefix("  ").unwrap_or(line);
                text.push_str(&format!("  # {line}\n"));
            }
        } else {
            text.push_str(&self.out);
        }
        self.out = text;
    }

    fn matrix(&mut self, axes: &[Axis]) {
        if axes.is_empty() {
            return;
        }
        self.out.push_str("    matrix:\n");
        for axis in axes {
            match &axis.values {
                Values::Name(name) => self.out.push_str(&format!("      {}: ${{{name}}}\n", axis.name)),
                Values::List(items) => {
                    let items: Vec<String> = items.iter().map(flow).collect();
                    let line = format!("      {}: [{}]\n", axis.name, items.join(", "));
                    if line.len() <= WIDTH {
                        self.out.push_str(&line);
                    } else {
                        self.out.push_str(&format!("      {}:\n", axis.name));
                        items.iter().for_each(|item| self.out.push_str(&format!("        - {item}\n")));
                    }
                }
                Values::Labelled(values) => {
                    self.out.push_str(&format!("      {}:\n", axis.name));
                    for (label, node) in values {
                        self.out.push_str(&format!("        {}: {}\n", scalar(label, false), flow(node)));
                    }
                }
            }
        }
    }

    fn run(&mut self, planned: &Planned<'_>) {
        let (file, run) = (&planned.file.path, &planned.run);
        let beside = self.beside(file, planned.stage.cmd_at.line);
        if run.exact {
            let text = block_or(&run.text, "        ");
            self.out.push_str(&format!("    run:{beside}\n      - {}\n      - -c\n      - {text}\n", run.shell));
            return;
        }
        match folded(planned) {
            Some(lines) => {
                self.out.push_str(&format!("    run: >-{beside}\n"));
                self.lines(&lines, "      ");
            }
            None if run.text.contains('\n') => {
                self.out.push_str(&format!("    run: {}\n", block_or(&run.text, "      ")));
                let comment = beside.trim();
                if !comment.is_empty() {
                    self.out.push_str(&format!("    {comment}\n"));
                }
            }
            None => self.out.push_str(&format!("    run: {}{beside}\n", scalar(&run.text, false))),
        }
        if run.shell != "sh" {
            self.out.push_str(&format!("    shell: {}\n", run.shell));
        }
    }

    fn input(&mut self, file: &Path, port: &str, taken: &[Taken]) {
        let line = taken.first().map_or(0, |taken| taken.line);
        let comments = self.above(file, line);
        self.lines(&comments, "      ");
        let beside = self.beside(file, line);
        let shown: Vec<String> = taken.iter().map(|taken| item(taken, taken_is_flow(taken))).collect();
        match shown.as_slice() {
            [only] => self.out.push_str(&format!("      {port}: {only}{beside}\n")),
            several => {
                self.out.push_str(&format!("      {port}:{beside}\n"));
                several.iter().for_each(|item| self.out.push_str(&format!("        - {item}\n")));
            }
        }
    }

    fn output(&mut self, file: &Path, given: &Given) {
        let comments = self.above(file, given.line);
        self.lines(&comments, "      ");
        let beside = self.beside(file, given.line);
        let text = match given.role {
            None => scalar(&given.path, false),
            Some(role) => format!("{{path: {}, role: {role}}}", scalar(&given.path, true)),
        };
        self.out.push_str(&format!("      {}: {text}{beside}\n", given.port));
    }
}

fn taken_is_flow(taken: &Taken) -> bool {
    !taken.keys.is_empty()
}

fn item(taken: &Taken, in_flow: bool) -> String {
    let path = scalar(&taken.path, in_flow);
    if taken.keys.is_empty() {
        return path;
    }
    let keys: Vec<String> = taken.keys.iter().map(|key| scalar(key, true)).collect();
    format!("{{path: {path}, keys: [{}]}}", keys.join(", "))
}

/// Whether a stage names a parameter of the pipeline.
fn is_used(planned: &Planned<'_>) -> bool {
    let named = |text: &str| text.contains("${params.");
    let axis = |axis: &Axis| match &axis.values {
        Values::Name(name) => name.starts_with("params."),
        Values::Labelled(values) => values.iter().any(|(_, node)| node.text().is_some_and(named)),
        Values::List(_) => false,
    };
    !planned.stage.frozen
        && (named(&planned.run.text)
            || planned.inputs.iter().flat_map(|(_, taken)| taken).any(|taken| named(&taken.path))
            || planned.outputs.iter().any(|given| named(&given.path))
            || planned.stage.axes.iter().any(axis))
}

/// The lines of a command that was folded over lines, cut at the same words.
fn folded(planned: &Planned<'_>) -> Option<Vec<String>> {
    let text = &planned.run.text;
    if !planned.stage.folded || text.len() < 80 || text.contains('\n') || text.contains("  ") {
        return None;
    }
    let words: Vec<&str> = text.split(' ').collect();
    let mut lines = Vec::new();
    let mut at = 0;
    for line in planned.file.text.lines().skip(planned.stage.cmd_at.line) {
        let count = line.split_whitespace().count();
        if at >= words.len() || count == 0 {
            break;
        }
        let end = (at + count).min(words.len());
        lines.push(words[at..end].join(" "));
        at = end;
    }
    (at == words.len() && lines.len() > 1 && !lines.iter().any(|line| line.starts_with([' ', '#']))).then_some(lines)
}

fn mapping<'n>(entries: impl IntoIterator<Item = &'n yaml::Entry>) -> Vec<String> {
    let mut lines = Vec::new();
    for yaml::Entry { key, node, .. } in entries {
        match &node.content {
            Content::Map(inner) if !inner.is_empty() => {
                lines.push(format!("{}:", scalar(key, false)));
                let inner: Vec<String> = mapping(inner.as_slice());
                lines.extend(inner.into_iter().map(|line| format!("  {line}")));
            }
            _ => lines.push(format!("{}: {}", scalar(key, false), flow(node))),
        }
    }
    lines
}

/// A description over lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() > 100 {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
