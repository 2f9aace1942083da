//! What `${...}` stands for within a stage: parameters, matrix values, and the paths of inputs and outputs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::axis::Axis;
use super::mistake::{Mistake, Mistakes, Spot};
use super::no_value::{no_step, not_text};
use super::node::{Content, Node, Place};
use super::params::Params;
use super::suggest;
use super::template::{self, Part, Use};

/// The names a stage may use.
pub(super) struct Scope<'a> {
    /// The parameters in force.
    pub(super) params: &'a Params,
    /// The stage's name.
    pub(super) stage: &'a str,
    /// Its axes.
    pub(super) axes: &'a [Rc<Axis>],
    /// The variant: an index into each axis.
    pub(super) point: &'a [u32],
    /// Paths of inputs and outputs, where they may be used.
    pub(super) files: Option<Files<'a>>,
}

/// Paths of a stage's inputs and outputs, by name.
#[derive(Default)]
pub(super) struct Files<'a> {
    /// Inputs; each may have many.
    pub(super) inputs: BTreeMap<&'a str, Vec<&'a str>>,
    /// Outputs.
    pub(super) outputs: BTreeMap<&'a str, &'a str>,
}

/// What a name stands for.
pub(super) enum Found<'a> {
    /// A parameter or a matrix value.
    Value(&'a Node),
    /// The label of a matrix value.
    Label(&'a str),
    /// The path of an output, or the paths of an input.
    Paths(Vec<&'a str>),
}

impl<'a> Scope<'a> {
    /// What a name stands for.
    ///
    /// # Errors
    /// If it is unknown; the mistake has no place yet.
    pub(super) fn find(&self, name: Use<'_>, mistakes: &Mistakes<'_>) -> Result<Found<'a>, Mistake> {
        let mut segments = name.segments();
        let root = segments.next().unwrap_or_default();
        let first = segments.next();
        match (root, first) {
            ("params", None) => Ok(Found::Value(&self.params.tree)),
            ("params", Some(key)) => {
                let tree = &self.params.tree;
                let mut node = self.params.top(key).ok_or_else(|| no_step(tree, key, name, mistakes))?;
                for segment in segments {
                    node = node.step(segment).ok_or_else(|| no_step(node, segment, name, mistakes))?;
                }
                Ok(Found::Value(node))
            }
            ("matrix" | "label", Some(axis)) => {
                let Some(i) = self.axes.iter().position(|a| a.name == axis) else {
                    return Err(self.no_axis(axis, mistakes));
                };
                let point = &self.axes[i].points[self.point[i] as usize];
                if root == "label" {
                    return match segments.next() {
                        None => Ok(Found::Label(&point.label)),
                        Some(_) => Err(Mistake::new(format!("`${{{}}}`: a label has no fields", name.name))),
                    };
                }
                let mut node = &point.node;
                for segment in segments {
                    node = node.step(segment).ok_or_else(|| no_step(node, segment, name, mistakes))?;
                }
                Ok(Found::Value(node))
            }
            ("inputs" | "outputs", Some(port)) if segments.next().is_none() => self.file(root, port, mistakes),
            _ => Err(self.unknown(name)),
        }
    }

    fn file(&self, root: &str, port: &str, mistakes: &Mistakes<'_>) -> Result<Found<'a>, Mistake> {
        let Some(files) = &self.files else {
            return Err(Mistake::new(format!("`${{{root}.{port}}}` can be used in `run` and `env` only")));
        };
        let found = match root {
            "inputs" => files.inputs.get(port).cloned(),
            _ => files.outputs.get(port).map(|path| vec![*path]),
        };
        found.map(Found::Paths).ok_or_else(|| {
            let names: Vec<&str> = match root {
                "inputs" => files.inputs.keys().copied().collect(),
                _ => files.outputs.keys().copied().collect(),
            };
            let hint = mistakes
                .nearest(port, names.iter().copied())
                .unwrap_or_else(|| format!("its {root}: {}", suggest::list(names)));
            Mistake::new(format!("stage `{}` has no {} `{port}`", self.stage, root.trim_end_matches('s'))).hint(hint)
        })
    }

    fn no_axis(&self, axis: &str, mistakes: &Mistakes<'_>) -> Mistake {
        let mistake = Mistake::new(format!("stage `{}` has no matrix axis `{axis}`", self.stage));
        if self.axes.is_empty() {
            return mistake.hint("it has no `matrix:`");
        }
        let names = || self.axes.iter().map(|a| a.name.as_str());
        mistake.hint(mistakes.nearest(axis, names()).unwrap_or_else(|| format!("its axes: {}", suggest::list(names()))))
    }

    fn unknown(&self, name: Use<'_>) -> Mistake {
        let first = name.segments().next().unwrap_or_default();
        let mistake = Mistake::new(format!("unknown name `${{{}}}`", name.name));
        if self.params.tree.step(first).is_some() {
            mistake.hint(format!("did you mean `${{params.{}}}`?", name.name))
        } else if self.axes.iter().any(|a| a.name == first) {
            mistake.hint(format!("did you mean `${{matrix.{}}}`?", name.name))
        } else if self.files.is_some() {
            mistake.hint(format!(
                "names are `params.X`, `matrix.X`, `label.X`, `inputs.X` and `outputs.X`; for a variable of the shell write `${first}` or `$${{{first}}}`"
            ))
        } else {
            mistake.hint("names are `params.X`, `matrix.X` and `label.X`; for the text itself write `$${`")
        }
    }

    /// A mistake in this stage, with the variant it showed in.
    pub(super) fn blame(&self, mistake: Mistake) -> Mistake {
        if self.axes.is_empty() {
            return mistake;
        }
        let labels: Vec<String> = self
            .axes
            .iter()
            .zip(self.point)
            .map(|(axis, i)| format!("{}={}", axis.name, axis.points[*i as usize].label))
            .collect();
        mistake.note(format!("in `{}[{}]`", self.stage, labels.join(",")))
    }

    /// A value with every `${...}` replaced, as JSON. A text that is one `${...}` keeps the type of what it names.
    pub(super) fn value(&self, node: &Node, mistakes: &mut Mistakes<'_>) -> Option<Value> {
        Some(match &node.content {
            Content::Text(text) if text.contains("${") => match template::whole(text) {
                Some(only) => match self.look_up(only, node.place, mistakes)? {
                    Found::Value(value) => value.json(),
                    other => Value::String(self.spliced(&other, only, node.place, mistakes)?),
                },
                None => Value::String(self.fill(text, node.place, mistakes)?),
            },
            Content::List(items) => {
                let items: Vec<_> = items.iter().map(|n| self.value(n, mistakes)).collect();
                Value::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Content::Map(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|e| Some((e.key.clone(), self.value(&e.node, mistakes)?))).collect();
                Value::Object(entries.into_iter().collect::<Option<Map<_, _>>>()?)
            }
            _ => node.json(),
        })
    }

    /// A scalar with every `${...}` replaced, as text.
    pub(super) fn text<'n>(&self, node: &'n Node, what: &str, mistakes: &mut Mistakes<'_>) -> Option<Cow<'n, str>> {
        match &node.content {
            Content::Text(text) if text.contains("${") => Some(self.fill(text, node.place, mistakes)?.into()),
            Content::Text(text) => Some(text.into()),
            _ => match node.scalar() {
                Some(text) => Some(text.into()),
                None => {
                    let mistake = Mistake::new(format!("{what} has to be text, a number or a truth value"));
                    mistakes.add(mistake.at(node.place, format!("this is {}", node.what())));
                    None
                }
            },
        }
    }

    /// A text with every `${...}` replaced by the text of what it names.
    pub(super) fn fill(&self, text: &str, place: Place, mistakes: &mut Mistakes<'_>) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut whole = true;
        for part in self.parts(text, place, mistakes)? {
            match part {
                Part::Literal(literal) => out.push_str(&literal),
                Part::Use(name) => {
                    let found = self.look_up(name, place, mistakes);
                    match found.and_then(|found| self.spliced(&found, name, place, mistakes)) {
                        Some(text) => out.push_str(&text),
                        None => whole = false,
                    }
                }
            }
        }
        whole.then_some(out)
    }

    /// The pieces of a text, or a mistake.
    pub(super) fn parts<'n>(&self, text: &'n str, place: Place, mistakes: &mut Mistakes<'_>) -> Option<Vec<Part<'n>>> {
        template::parse(text)
            .map_err(|fault| {
                let mut mistake = Mistake::new(fault.message).at(Spot { place, usage: Some(fault.nth) }, "");
                mistake = mistake.hint(match self.files {
                    Some(_) => "for the shell's own `${...}` write `$${...}`",
                    None => "for the text itself write `$${`",
                });
                mistakes.add(mistake);
            })
            .ok()
    }

    /// What a name stands for, or a mistake.
    pub(super) fn look_up(&self, name: Use<'_>, place: Place, mistakes: &mut Mistakes<'_>) -> Option<Found<'a>> {
        if self.params.is_broken(name) {
            return None;
        }
        let found = self.find(name, mistakes).and_then(|found| {
            if let Found::Value(value) = found {
                self.params.spend(value)?;
            }
            Ok(found)
        });
        match found {
            Ok(found) => Some(found),
            Err(mistake) => {
                let mistake = mistake.at(Spot { place, usage: Some(name.nth) }, "");
                mistakes.add(self.blame(mistake));
                None
            }
        }
    }

    /// What stands in the place of a name within a text.
    pub(super) fn spliced(
        &self,
        found: &Found<'_>,
        name: Use<'_>,
        place: Place,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<String> {
        let spot = Spot { place, usage: Some(name.nth) };
        match found {
            Found::Value(node) => {
                if let Some(text) = node.scalar() {
                    return Some(text);
                }
                mistakes.add(self.blame(not_text(name, node, spot)));
            }
            Found::Label(label) => return Some((*label).to_owned()),
            Found::Paths(paths) => {
                if let [path] = paths.as_slice() {
                    return Some((*path).to_owned());
                }
                let message = format!("`${{{}}}` is {} paths, and one is needed here", name.name, paths.len());
                mistakes.add(self.blame(Mistake::new(message).at(spot, "").hint(
                    "let it stand alone, as one word of a script or one item of the list: it becomes one argument a path",
                )));
            }
        }
        None
    }
}
