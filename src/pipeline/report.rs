//! The report that a pipeline names: read, and each of its references held against the stages.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Label, Span};
use crate::kind::Role;
use crate::report::{self, Conditions, Document, Fault, Item, Reference, Sort, Table};
use crate::text;

use super::check;
use super::disk::Disk;
use super::expand::{StageTemplate, World};
use super::matrix::Matrix;
use super::mistake::{Mistake, Mistakes};
use super::no_value;
use super::node::{Content, Node};
use super::paths;
use super::reference::{self, Consumer, Groups, Producer};
use super::stage::Report;
use super::suggest;
use super::template::Use;
use super::written::Written;

/// The largest report that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads the report that `report:` names and checks its references; every mistake is collected.
pub(super) fn load(
    world: &World<'_>,
    written: &Written<'_>,
    node: &Node,
    disk: &mut Disk,
    mistakes: &mut Mistakes<'_>,
) -> Option<Report> {
    let refuse = |message: String, label: &str, hint: Option<String>, mistakes: &mut Mistakes<'_>| {
        mistakes.add(Mistake::new(message).at(node.place, label).maybe_hint(hint));
    };
    let Some(path) = node.text() else {
        let hint = Some("write `report: report.md`".to_owned());
        refuse("`report` has to be the path of a Markdown file".into(), node.what(), hint, mistakes);
        return None;
    };
    let path = match paths::normalise(path) {
        Ok(path) => path,
        Err(fault) => {
            let hint = fault.hint.map(str::to_owned);
            refuse("the report cannot be read".into(), fault.message, hint, mistakes);
            return None;
        }
    };
    let text = match read(&disk.root().join(&path)) {
        Ok(text) => text,
        Err(why) => {
            let hint = "a report is a Markdown file in the project".to_owned();
            refuse(format!("cannot read the report `{path}`: {why}"), "", Some(hint), mistakes);
            return None;
        }
    };
    let page = format!("out/{}.html", Path::new(&path).file_stem()?.to_str()?);
    let taken = written
        .at(&page)
        .or_else(|| written.around(&page).map(|(_, by)| by))
        .or_else(|| written.within(&page).map(|(_, by)| by));
    if let Some((draft, output)) = taken {
        let mistake = Mistake::new(format!("the report is rendered to `{page}`, which a stage writes, too"))
            .at(world.output_place(draft, output), format!("written by `{}`", world.name(draft)))
            .at(node.place, "")
            .hint("give the output or the report another name");
        mistakes.add(mistake);
    }
    if let Some(reach) = disk.reach(&page) {
        let label = check::meeting(&reach);
        let hint = "choose another store with `--cache` or `KILN_CACHE`".to_owned();
        refuse(format!("the report is rendered to `{page}`"), &label, Some(hint), mistakes);
    }
    let mut checker = Checker { world, file: Path::new(&path), groups: Groups::default(), found: vec![] };
    checker.check(&text, mistakes);
    for diagnostic in std::mem::take(&mut checker.found) {
        mistakes.add_foreign(diagnostic);
    }
    Some(Report { file: PathBuf::from(path), text, page: PathBuf::from(page) })
}

/// The text of a report.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    if metadata.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    text::of(&bytes).map(str::to_owned).map_err(|e| e.to_string())
}

struct Checker<'c, 'n> {
    world: &'c World<'n>,
    file: &'c Path,
    groups: Groups,
    found: Vec<Diagnostic>,
}

impl Checker<'_, '_> {
    fn check(&mut self, text: &str, mistakes: &Mistakes<'_>) {
        // Both texts of every condition are checked.
        let whole = Document::read(text);
        let conditions = Conditions::find(text, &whole, &whole.events());
        for block in &conditions.blocks {
            for reference in block.condition.references() {
                if let Err(fault) = self.number(reference, mistakes) {
                    self.add(&within(text, reference), fault);
                }
            }
        }
        for (span, fault) in &conditions.faults {
            self.add(span, fault.clone());
        }
        let document = Document::without(text, &conditions.markers());
        let events = document.events();
        let anchors = document.anchors(&events);
        let places: HashSet<&str> = anchors.iter().map(String::as_str).collect();
        for item in document.items(&events) {
            match item {
                Item::Inline(n) => {
                    if let Some(reference) = self.reference(&document, n, mistakes)
                        && reference.is_block()
                    {
                        let hint = "leave an empty line before and after it";
                        self.add(&document.uses[n].span, Fault::new("this has to be a paragraph of its own", hint));
                    }
                }
                Item::Alone(n) => {
                    self.reference(&document, n, mistakes);
                }
                Item::Picture { reference, silent, span } => {
                    self.picture(&document, reference, silent, &span, mistakes)
                }
                Item::Link { destination, span } => {
                    if let Err(fault) = link(&destination, &anchors, &places, mistakes) {
                        self.add(&span, fault);
                    }
                }
            }
        }
    }

    fn add(&mut self, span: &Range<usize>, fault: Fault) {
        let mut diagnostic = Diagnostic::error(fault.message);
        let span = Span { start: span.start, end: span.end };
        diagnostic.labels.push(Label { file: self.file.to_owned(), span, text: String::new() });
        diagnostic.hint = fault.hint;
        self.found.push(diagnostic);
    }

    /// A good reference, or a mistake.
    fn reference<'t>(&mut self, document: &Document<'t>, n: usize, mistakes: &Mistakes<'_>) -> Option<Reference<'t>> {
        let written = &document.uses[n];
        let checked = match written.inner {
            None => Err(Fault::new("`${` without a closing `}`", "for the text itself write `$${`")),
            Some(inner) => self.resolve(inner, mistakes),
        };
        checked.map_err(|fault| self.add(&written.span, fault)).ok()
    }

    fn resolve<'t>(&mut self, inner: &'t str, mistakes: &Mistakes<'_>) -> Result<Reference<'t>, Fault> {
        let (reference, format) = report::parse(inner)?;
        match &reference {
            Reference::Param(name) => {
                if let Some(value) = self.param(name, mistakes)? {
                    let sort = match &value.content {
                        Content::Number(_) => Sort::Number,
                        Content::Map(_) => {
                            let hint = "name one of its fields, or show it with `${table.params(...)}`";
                            return Err(Fault::new(format!("`params.{name}` is a mapping"), hint));
                        }
                        _ => Sort::Text,
                    };
                    report::suits(format, sort, &format!("params.{name}"))?;
                }
            }
            Reference::Metric(text) => {
                if let Some((plan, _)) = self.stage(text, false, mistakes)?
                    && let Some(outputs) = &plan.outputs
                    && !outputs.iter().any(|o| o.role == Role::Metrics)
                {
                    let message = format!("stage `{}` has no metrics", plan.spec.name);
                    return Err(Fault::new(message, "an output with `role: metrics` has numbers to show"));
                }
            }
            Reference::Stage(text) => {
                let part = self.target(text)?.part;
                self.stage(text, false, mistakes)?;
                let sort = report::fact(report::STAGE_FACTS, part, "a stage")?;
                report::suits(format, sort, part)?;
            }
            Reference::Output(text) => {
                self.stage(text, true, mistakes)?;
            }
            Reference::Table(Table::Beside(param, _), _) => {
                let name = param.name.trim_start_matches("params.");
                if let Some(value) = self.param(name, mistakes)?
                    && !matches!(&value.content, Content::Map(rows) if rows.iter().all(|r| matches!(r.node.content, Content::Map(_))))
                {
                    let hint = "it maps the name of each row to its columns: `{A: {accuracy: 0.9}}`";
                    return Err(Fault::new(format!("`{}` holds no table", param.name), hint));
                }
            }
            Reference::Run(_) | Reference::Graph | Reference::Table(..) => {}
        }
        Ok(reference)
    }

    /// Checks a reference that a condition compares.
    fn number(&mut self, inner: &str, mistakes: &Mistakes<'_>) -> Result<(), Fault> {
        let is_number = |sort: Sort| matches!(sort, Sort::Number | Sort::Seconds);
        let good = match self.resolve(inner, mistakes)? {
            Reference::Metric(_) => true,
            Reference::Param(name) => {
                self.param(name, mistakes)?.is_none_or(|value| matches!(value.content, Content::Number(_)))
            }
            Reference::Stage(text) => is_number(report::fact(report::STAGE_FACTS, self.target(text)?.part, "a stage")?),
            Reference::Run(name) => is_number(report::fact(report::RUN_FACTS, name, "a run")?),
            Reference::Output(_) | Reference::Graph | Reference::Table(..) => false,
        };
        if good {
            return Ok(());
        }
        Err(Fault::new(format!("`{inner}` is no number"), "a condition compares numbers: metrics, parameters, seconds"))
    }

    /// The parameter of a dotted name; nothing where it was refused.
    fn param(&self, name: &str, mistakes: &Mistakes<'_>) -> Result<Option<&Node>, Fault> {
        let dotted = format!("params.{name}");
        let all = Use { name: &dotted, nth: 0 };
        if self.world.params.is_broken(all) {
            return Ok(None);
        }
        let mut node = &self.world.params.tree;
        for segment in name.split('.') {
            node = node.step(segment).ok_or_else(|| fault(no_value::no_step(node, segment, all, mistakes)))?;
        }
        Ok(Some(node))
    }

    fn target<'t>(&self, text: &'t str) -> Result<report::Target<'t>, Fault> {
        report::target(text, &|name| self.world.index.contains_key(name))
            .map_err(|why| Fault { message: format!("`{text}` is no reference"), hint: Some(why.to_owned()) })
    }

    /// The stage of a reference and the draft of the one variant it takes; nothing where the stage itself was refused.
    fn stage(
        &mut self,
        text: &str,
        output: bool,
        mistakes: &Mistakes<'_>,
    ) -> Result<Option<(&StageTemplate<'_>, usize)>, Fault> {
        let target = self.target(text)?;
        let Some(&i) = self.world.index.get(target.stage) else {
            let names = self.world.plans.iter().map(|p| p.spec.name);
            let hint = mistakes.nearest(target.stage, names.clone());
            let hint = hint.unwrap_or_else(|| format!("the stages: {}", suggest::list(names)));
            return Err(Fault::new(format!("unknown stage `{}`", target.stage), hint));
        };
        let plan = &self.world.plans[i];
        if let Some(outputs) = &plan.outputs
            && output
            && !outputs.iter().any(|o| o.name == target.part)
        {
            let names = || outputs.iter().map(|o| o.name.as_str());
            let hint = mistakes.nearest(target.part, names());
            let hint = hint.unwrap_or_else(|| format!("its outputs: {}", suggest::list(names())));
            return Err(Fault::new(format!("stage `{}` has no output `{}`", plan.spec.name, target.part), hint));
        }
        let Some(matrix) = &plan.matrix else { return Ok(None) };
        let axes = target.axes.iter().map(|(axis, label)| (*axis, Some(*label))).collect();
        let reference = reference::Reference { stage: target.stage, axes, all: false, output: target.part };
        let producer = Producer { name: plan.spec.name, matrix };
        let open = matrix.axes.iter().find(|axis| !reference.axes.iter().any(|(name, _)| *name == axis.name));
        if let Some(axis) =
            open.filter(|_| reference.axes.iter().all(|(name, _)| matrix.axes.iter().any(|a| a.name == *name)))
        {
            let (stage, example) = (target.stage, axis.labels().next().unwrap_or_default());
            let message =
                format!("stage `{stage}` has variants along `{}`, and the reference does not say which", axis.name);
            let hint = format!("pick one: `{stage}[{}={example}].{}`", axis.name, target.part);
            return Err(Fault::new(message, hint));
        }
        let nobody = Matrix::single();
        let consumer = Consumer { matrix: &nobody, variant: 0 };
        let variants = reference::resolve(&reference, i, &producer, &consumer, &mut self.groups, mistakes);
        match variants {
            Ok(variants) => Ok(variants.first().map(|variant| (plan, plan.first + variant))),
            Err(mistake) => Err(fault(mistake)),
        }
    }

    fn picture(
        &mut self,
        document: &Document<'_>,
        reference: Option<usize>,
        silent: bool,
        span: &Range<usize>,
        mistakes: &Mistakes<'_>,
    ) {
        if silent {
            let hint = "write what it shows between `[` and `]`, for those who cannot see it";
            self.add(span, Fault::new("this picture has no text", hint));
        }
        let Some(n) = reference else {
            let hint = "the page holds all it shows: write `![text](${outputs.STAGE.OUTPUT} \"caption\")`";
            self.add(span, Fault::new("a picture has to be an output of the pipeline", hint));
            return;
        };
        let Some(Reference::Output(text)) = self.reference(document, n, mistakes) else {
            // What is refused already is no second mistake.
            if document.uses[n]
                .inner
                .is_some_and(|inner| report::parse(inner).is_ok_and(|(r, _)| !matches!(r, Reference::Output(_))))
            {
                let hint = "write `![text](${outputs.STAGE.OUTPUT} \"caption\")`";
                self.add(&document.uses[n].span, Fault::new("a picture has to be an output of the pipeline", hint));
            }
            return;
        };
        let part = self.target(text).map(|target| target.part);
        let (Ok(part), Ok(Some((plan, draft)))) = (part, self.stage(text, true, mistakes)) else { return };
        let role = plan.outputs.iter().flatten().find(|o| o.name == part).map(|o| o.role);
        let path = self.world.outputs[draft].get(part).map(|output| output.path.clone());
        let Some((role, path)) = role.zip(path) else { return };
        if role != Role::Series && !report::is_picture(&path) {
            let message = format!("`{}` is no picture", path.display());
            let hint = format!("pictures are {}, and outputs with `role: series`", report::PICTURES.join(", "));
            self.add(&document.uses[n].span, Fault::new(message, hint));
        }
    }
}

/// Where a part of a text stands in it.
fn within(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// Whether a link leads somewhere. `places` are the anchors once more.
fn link(destination: &str, anchors: &[String], places: &HashSet<&str>, mistakes: &Mistakes<'_>) -> Result<(), Fault> {
    if let Some(anchor) = destination.strip_prefix('#') {
        if places.contains(anchor) {
            return Ok(());
        }
        let hint = mistakes.nearest_name(anchor, anchors.iter().map(String::as_str));
        let hint = hint.map_or_else(
            || format!("the places: {}", suggest::list(anchors.iter().map(String::as_str))),
            |near| format!("did you mean `#{near}`?"),
        );
        return Err(Fault::new(format!("no place in the report is called `#{anchor}`"), hint));
    }
    if report::is_outward(destination) {
        return Ok(());
    }
    let hint = "the page is read apart from the project: link to a heading, `#...`, or to `https://...`";
    Err(Fault::new(format!("a link cannot lead to `{destination}`"), hint))
}

fn fault(mistake: Mistake) -> Fault {
    let (message, hint) = mistake.into_words();
    Fault { message, hint }
}
