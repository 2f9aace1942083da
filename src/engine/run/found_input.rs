//! Inputs that were found. Those of one variant of a stage are written so that they hold for all: a path or a name that holds the label of the variant takes that
//! of each, if what the others would read is there as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::pipeline::{self, Pipeline, Stage, StageId};

/// An input to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundInput {
    /// A file or folder.
    Path(PathBuf),
    /// The files of a folder that end so.
    Suffix(PathBuf, String),
    /// A file of parameters, and its keys.
    Keys(PathBuf, Vec<String>),
    /// An output of another stage: `first.x`.
    From(String),
}

/// A file of parameters with its keys: so the command is handed the values in force, and other keys, comments and their order execute nothing. Anything else
/// as it is.
pub(super) fn by_keys(input: FoundInput, pipeline: &Pipeline) -> FoundInput {
    let FoundInput::Path(path) = &input else { return input };
    let is_param_file = pipeline.param_files.iter().any(|(file, _)| file == path);
    if !is_param_file || path.extension().is_some_and(|ending| ending == "toml") {
        return input;
    }
    let is_plain = |key: &String| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    match pipeline::file_values(&pipeline.root, path) {
        Some(Value::Object(values)) if !values.is_empty() && values.keys().all(is_plain) => {
            FoundInput::Keys(path.clone(), values.into_iter().map(|(key, _)| key).collect())
        }
        _ => input,
    }
}

/// Coordinates of a variant.
type Variant = [(String, String)];

/// An input as all variants of a stage would write it.
pub(super) fn for_all(input: FoundInput, pipeline: &Pipeline, id: StageId) -> FoundInput {
    let stage = &pipeline.stages[id.0];
    let own: &Variant = &stage.name.variant;
    let is_other = |other: &&Stage| other.name.stage == stage.name.stage && other.name != stage.name;
    let others: Vec<&Variant> = pipeline.stages.iter().filter(is_other).map(|other| &*other.name.variant).collect();
    let is_there = |path: &str| pipeline.root.join(path).exists();
    let path = |path: &Path| template(&path.to_string_lossy(), own, &others, &is_there).into();
    match input {
        FoundInput::Path(found) => FoundInput::Path(path(&found)),
        FoundInput::Suffix(found, suffix) => FoundInput::Suffix(path(&found), suffix),
        FoundInput::Keys(..) => input,
        FoundInput::From(output) => {
            let is_made = |output: &str| outputs(pipeline).any(|(_, made)| made == output);
            FoundInput::From(template(&output, own, &others, &is_made))
        }
    }
}

/// Outputs of other stages. Those of all variants of one are taken together: `train[*].model`.
pub(super) fn gathered(found: BTreeSet<String>, pipeline: &Pipeline) -> BTreeSet<String> {
    let mut left = found.clone();
    let mut together = BTreeSet::new();
    for (stage, output) in
        outputs(pipeline).filter(|(stage, output)| !stage.name.variant.is_empty() && found.contains(output))
    {
        let Some((_, name)) = output.rsplit_once('.') else { continue };
        let of_all: Vec<String> = outputs(pipeline)
            .filter(|(other, made)| {
                other.name.stage == stage.name.stage && made.rsplit_once('.').is_some_and(|(_, other)| other == name)
            })
            .map(|(_, made)| made)
            .collect();
        if of_all.len() > 1 && of_all.iter().all(|made| found.contains(made)) {
            left.retain(|made| !of_all.contains(made));
            together.insert(format!("{}[*].{name}", stage.name.stage));
        }
    }
    left.extend(together);
    left
}

/// All outputs as an input names them: `train[model=5].model`.
fn outputs(pipeline: &Pipeline) -> impl Iterator<Item = (&Stage, String)> {
    pipeline
        .stages
        .iter()
        .flat_map(|stage| stage.outputs.keys().map(move |name| (stage, format!("{}.{name}", stage.name))))
}

/// A text in which labels of a variant became `${label.axis}`, as far as what it comes to for each of the others is there.
fn template(text: &str, own: &Variant, others: &[&Variant], is_there: &dyn Fn(&str) -> bool) -> String {
    let mut template = text.to_owned();
    for (axis, label) in own {
        let new = with_label(&template, label, &format!("${{label.{axis}}}"));
        if new != template && !others.is_empty() && others.iter().all(|other| is_there(&filled(&new, other))) {
            template = new;
        }
    }
    template
}

/// A text with something else for a label, where that is no part of a longer word.
fn with_label(text: &str, label: &str, instead: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(label).filter(|_| !label.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + label.len()..]);
        let begins = before.chars().next_back().or(out.chars().next_back()).is_none_or(|c| !in_word(c));
        let ends = after.chars().next().is_none_or(|c| !in_word(c));
        out.push_str(before);
        out.push_str(if begins && ends { instead } else { label });
        rest = after;
    }
    out + rest
}

/// What a template comes to for a variant.
fn filled(template: &str, variant: &Variant) -> String {
    let fill = |text: String, (axis, label): &(String, String)| text.replace(&format!("${{label.{axis}}}"), label);
    variant.iter().fold(template.to_owned(), fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_replaced_where_that_holds_for_all() {
        let variant = |model: &str, seed: &str| {
            vec![("model".to_owned(), model.to_owned()), ("seed".to_owned(), seed.to_owned())]
        };
        let (own, others) = (variant("a", "1"), [variant("b", "1"), variant("b", "2"), variant("a", "2")]);
        let others: Vec<&Variant> = others.iter().map(Vec::as_slice).collect();
        let all = |_: &str| true;
        let new = |text: &str| template(text, &own, &others, &all);
        assert_eq!(new("conf/a.yaml"), "conf/${label.model}.yaml");
        assert_eq!(new("data/a-1/all.csv"), "data/${label.model}-${label.seed}/all.csv");
        assert_eq!(new("prep[model=a].x"), "prep[model=${label.model}].x");
        assert_eq!(new("data/a1"), "data/a1");
        let some = |text: &str| text != "conf/b.yaml";
        assert_eq!(template("conf/a.yaml", &own, &others, &some), "conf/a.yaml");
    }
}
