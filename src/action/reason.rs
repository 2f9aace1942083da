//! Why two executions are not the same: the difference of their manifests, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::document::{Field, fields};
use super::{Body, Input, Manifest, Output};
use crate::hash::{Digest, canonical_json};
use crate::pipeline::Command;

/// What something was and what it is; `None` where it did not or does not exist.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change<T> {
    /// Before.
    pub old: Option<T>,
    /// Now.
    pub new: Option<T>,
}

/// One difference of two manifests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Difference {
    /// Kiln's own encoding of manifests.
    Version(Change<u32>),
    /// Another kind, or a kind where there was a command (`command`), or the reverse.
    Kind(Change<String>),
    /// The code of a built-in kind.
    Code {
        /// The kind.
        kind: String,
    },
    /// A command, or the first line that differs of a script.
    Command {
        /// The line, from 1, where both are scripts.
        line: Option<usize>,
        /// The text before and now.
        change: Change<String>,
    },
    /// A parameter.
    Parameter {
        /// `optimiser.learning_rate`, `layers[2].units`; empty for the whole.
        path: String,
        /// Its value.
        change: Change<Value>,
    },
    /// The shell that a script asks for.
    Shell(Change<String>),
    /// An environment variable.
    Env {
        /// Its name.
        name: String,
        /// Its value.
        change: Change<String>,
    },
    /// The content of an input.
    Input {
        /// The input.
        name: String,
        /// Which of its artifacts; empty where it takes one.
        label: String,
        /// The digest.
        change: Change<Digest>,
        /// What of it changed, where it is a document and both versions are at hand.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Field>,
    },
    /// The artifacts of an input come in another order.
    Order {
        /// The input.
        name: String,
    },
    /// Whether an input may be executed.
    Executable {
        /// The input.
        name: String,
        /// Which of its artifacts.
        label: String,
        /// The bit.
        change: Change<bool>,
    },
    /// The declaration of an output.
    Output {
        /// The output.
        name: String,
        /// Path and role.
        change: Change<String>,
    },
}

/// Every difference, the most telling first; empty exactly where the keys are the same.
pub fn differences(old: &Manifest, new: &Manifest) -> Vec<Difference> {
    let mut out = Vec::new();
    if old.version != new.version {
        out.push(Difference::Version(change(&old.version, &new.version)));
    }
    match (&old.body, &new.body) {
        (
            Body::Uses { uses: old_kind, fingerprint: old_code, params: old_params },
            Body::Uses { uses: kind, fingerprint: code, params },
        ) => {
            if old_kind != kind {
                out.push(Difference::Kind(change(old_kind, kind)));
            } else if old_code != code {
                out.push(Difference::Code { kind: kind.clone() });
            }
            parameters(&mut out, String::new(), old_params, params);
        }
        (Body::Run { run: old_run, env: old_env, shell: old_shell }, Body::Run { run, env, shell }) => {
            command(&mut out, old_run, run);
            if old_shell != shell {
                out.push(Difference::Shell(Change { old: old_shell.clone(), new: shell.clone() }));
            }
            for (name, change) in changed(old_env, env, |a, b| a == b) {
                out.push(Difference::Env { name, change });
            }
        }
        (old, new) => out.push(Difference::Kind(change(&kind_of(old), &kind_of(new)))),
    }
    let nothing = Vec::new();
    for name in names(&old.inputs, &new.inputs) {
        let (before, after) = (old.inputs.get(name), new.inputs.get(name));
        let unequal = out.len();
        inputs(&mut out, name, before.unwrap_or(&nothing), after.unwrap_or(&nothing));
        if out.len() == unequal && before.is_some() != after.is_some() {
            // An input without artifacts came or went.
            out.push(Difference::Order { name: name.clone() });
        }
    }
    for (name, change) in changed(&old.outputs, &new.outputs, |a, b| a == b) {
        let change = Change { old: change.old.as_ref().map(declaration), new: change.new.as_ref().map(declaration) };
        out.push(Difference::Output { name, change });
    }
    out
}

impl Difference {
    /// Looks into the documents of an input that changed; `document` gives what a digest stands for, if it is at hand.
    #[must_use]
    pub fn look_into(mut self, document: &dyn Fn(&Digest) -> Option<Value>) -> Self {
        if let Self::Input { change: Change { old: Some(old), new: Some(new) }, fields: found, .. } = &mut self
            && let (Some(old), Some(new)) = (document(old), document(new))
        {
            *found = fields(&old, &new);
        }
        self
    }
}

fn change<T: Clone>(old: &T, new: &T) -> Change<T> {
    Change { old: Some(old.clone()), new: Some(new.clone()) }
}

fn kind_of(body: &Body) -> String {
    match body {
        Body::Uses { uses, .. } => uses.clone(),
        Body::Run { .. } => "command".into(),
    }
}

fn declaration(output: &Output) -> String {
    let role = canonical_json(&serde_json::to_value(output.role).unwrap_or_default());
    let role = role.trim_matches('"');
    output.path.as_ref().map_or_else(|| role.to_owned(), |path| format!("{path} ({role})"))
}

fn names<'a, V>(old: &'a BTreeMap<String, V>, new: &'a BTreeMap<String, V>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

/// The entries of two maps that differ.
fn changed<V: Clone>(
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<(String, Change<V>)> {
    names(old, new)
        .into_iter()
        .filter_map(|name| {
            let (a, b) = (old.get(name), new.get(name));
            let equal = matches!((a, b), (Some(a), Some(b)) if same(a, b));
            (!equal).then(|| (name.clone(), Change { old: a.cloned(), new: b.cloned() }))
        })
        .collect()
}

fn parameters(out: &mut Vec<Difference>, path: String, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                parameter(out, member(&path, key), a.get(key), b.get(key));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                parameter(out, format!("{path}[{i}]"), a.get(i), b.get(i));
            }
        }
        // `1` and `1.0` are the same parameter, as they are the same key.
        _ if canonical_json(old) == canonical_json(new) => {}
        _ => out.push(Difference::Parameter { path, change: change(old, new) }),
    }
}

fn parameter(out: &mut Vec<Difference>, path: String, old: Option<&Value>, new: Option<&Value>) {
    match (old, new) {
        (Some(a), Some(b)) => parameters(out, path, a, b),
        (a, b) => out.push(Difference::Parameter { path, change: Change { old: a.cloned(), new: b.cloned() } }),
    }
}

pub(super) fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Value::from(key)),
    }
}

fn command(out: &mut Vec<Difference>, old: &Command, new: &Command) {
    if old == new {
        return;
    }
    if let (Command::Shell(a), Command::Shell(b)) = (old, new) {
        let (mut a, mut b) = (a.split('\n'), b.split('\n'));
        for line in 1.. {
            let (a, b) = (a.next(), b.next());
            if a != b {
                let change = Change { old: a.map(str::to_owned), new: b.map(str::to_owned) };
                out.push(Difference::Command { line: Some(line), change });
                return;
            }
        }
    }
    let text = |command: &Command| match command {
        Command::Argv(argv) => canonical_json(&Value::from(argv.clone())),
        Command::Shell(script) => script.clone(),
    };
    out.push(Difference::Command { line: None, change: change(&text(old), &text(new)) });
}

fn inputs(out: &mut Vec<Difference>, name: &str, old: &[Input], new: &[Input]) {
    if old == new {
        return;
    }
    let before = out.len();
    // Labels may repeat; the n-th with a label is compared with the n-th.
    let (old, new) = (numbered(old), numbered(new));
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (a, b): (Option<&Input>, Option<&Input>) = (old.get(key).copied(), new.get(key).copied());
        let label = key.0.to_owned();
        let name = name.to_owned();
        match (a, b) {
            (Some(a), Some(b)) if a.digest == b.digest => {
                if a.executable != b.executable {
                    out.push(Difference::Executable { name, label, change: change(&a.executable, &b.executable) });
                }
            }
            (a, b) => {
                let change = Change { old: a.map(|a| a.digest), new: b.map(|b| b.digest) };
                out.push(Difference::Input { name, label, change, fields: vec![] });
            }
        }
    }
    if out.len() == before {
        out.push(Difference::Order { name: name.to_owned() });
    }
}

fn numbered(list: &[Input]) -> BTreeMap<(&str, usize), &Input> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    list.iter()
        .map(|input| {
            let n = seen.entry(&input.label).and_modify(|n| *n += 1).or_insert(0);
            ((input.label.as_str(), *n), input)
        })
        .collect()
}

impl<T: fmt::Display> fmt::Display for Change<T> {
    /// ` added: new`, ` removed: old` or `: old => new`, to be put behind a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, ": {old} => {new}"),
            (None, Some(new)) => write!(f, " added: {new}"),
            (Some(old), None) => write!(f, " removed: {old}"),
            (None, None) => Ok(()),
        }
    }
}

impl<T> Change<T> {
    /// The same change, shown otherwise.
    pub fn map<U>(&self, show: impl Fn(&T) -> U) -> Change<U> {
        Change { old: self.old.as_ref().map(&show), new: self.new.as_ref().map(&show) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labelled = |name: &str, label: &str| {
            if label.is_empty() { name.to_owned() } else { format!("{name}[{label}]") }
        };
        match self {
            Self::Version(change) => write!(f, "encoding version{change}"),
            Self::Kind(change) => write!(f, "kind{change}"),
            Self::Code { kind } => write!(f, "code of `{kind}` changed"),
            Self::Command { line: None, change } => write!(f, "command{}", change.map(|text| shown(text))),
            Self::Command { line: Some(line), change } => {
                write!(f, "command, line {line}{}", change.map(|text| shown(text)))
            }
            Self::Parameter { path, change } if path.is_empty() => {
                write!(f, "parameters{}", change.map(canonical_json))
            }
            Self::Parameter { path, change } => write!(f, "parameter {path}{}", change.map(canonical_json)),
            Self::Shell(change) => {
                let named = |shell: &Option<String>| Some(shell.clone().unwrap_or_else(|| "sh".into()));
                write!(f, "shell{}", Change { old: named(&change.old), new: named(&change.new) })
            }
            Self::Env { name, change } => write!(f, "environment variable {name}{}", change.map(|v| shown(v))),
            Self::Input { name, label, change, fields } => match &fields[..] {
                [] => write!(f, "input {}{}", labelled(name, label), change.map(Digest::short)),
                [first, more @ ..] => {
                    write!(f, "input {}: {first}", labelled(name, label))?;
                    if more.is_empty() { Ok(()) } else { write!(f, " and {} more", more.len()) }
                }
            },
            Self::Order { name } => write!(f, "input {name}: same artifacts in another order"),
            Self::Executable { name, label, change } => {
                let change = change.map(|x| if *x { "executable" } else { "not executable" });
                write!(f, "input {}{change}", labelled(name, label))
            }
            Self::Output { name, change } => write!(f, "output {name}{change}"),
        }
    }
}

/// A text on one line, in quotes.
fn shown(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::manifests;
    use super::*;
    use crate::kind::Role;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn there_are_differences_exactly_where_the_keys_differ(a in manifests(), b in manifests()) {
            prop_assert_eq!(differences(&a, &b).is_empty(), a.key() == b.key());
            prop_assert_eq!(differences(&a, &a), vec![]);
            for difference in differences(&a, &b) {
                prop_assert!(!difference.to_string().contains('\n'));
            }
        }
    }

    fn lines(old: &Manifest, new: &Manifest) -> Vec<String> {
        differences(old, new).iter().map(ToString::to_string).collect()
    }

    fn input(label: &str, byte: u8) -> Input {
        Input { label: label.into(), digest: Digest([byte; 32]), executable: false }
    }

    #[test]
    fn a_kind_is_explained_field_by_field() {
        let params =
            json!({"epochs": 10, "optimiser": {"learning_rate": 0.01, "old": true}, "layers": [1, {"units": 2}]});
        let mut old = Manifest::uses("train", "1", params);
        old.inputs.insert("data".into(), vec![input("", 1)]);
        old.inputs.insert("metrics".into(), vec![input("model=1", 1), input("model=2", 2)]);
        old.outputs.insert("model".into(), Output { path: None, role: Role::Data });

        let mut new = old.clone();
        new.body = Body::Uses {
            uses: "train".into(),
            fingerprint: "2".into(),
            params: json!({"layers": [1, {"units": 3}, 4], "epochs": 10.0, "optimiser": {"learning_rate": 0.02, "a.b": 1}}),
        };
        new.inputs.insert("data".into(), vec![input("", 0xab)]);
        new.inputs.insert("metrics".into(), vec![input("model=2", 2), input("model=3", 3)]);
        new.outputs.insert("model".into(), Output { path: None, role: Role::Figure });
        assert_eq!(
            lines(&old, &new),
            [
                "code of `train` changed",
                "parameter layers[1].units: 2 => 3",
                "parameter layers[2] added: 4",
                "parameter optimiser[\"a.b\"] added: 1",
                "parameter optimiser.learning_rate: 0.01 => 0.02",
                "parameter optimiser.old removed: true",
                "input data: 010101010101 => abababababab",
                "input metrics[model=1] removed: 010101010101",
                "input metrics[model=3] added: 030303030303",
                "output model: data => figure",
            ]
        );
        let mut swapped = old.clone();
        swapped.inputs.insert("metrics".into(), vec![input("model=2", 2), input("model=1", 1)]);
        assert_eq!(lines(&old, &swapped), ["input metrics: same artifacts in another order"]);
    }

    #[test]
    fn a_command_is_explained_by_the_first_line_that_differs() {
        let env = |lang: &str| BTreeMap::from([("LANG".to_owned(), lang.to_owned())]);
        let old = Manifest::run(Command::Shell("set -x\nsort in\n".into()), env("C"), None);
        let mut new = Manifest::run(Command::Shell("set -x\nsort -u in\n".into()), env("C.UTF-8"), Some("bash".into()));
        new.inputs.insert("script".into(), vec![Input { executable: true, ..input("run.sh", 1) }]);
        assert_eq!(
            lines(&old, &new),
            [
                "command, line 2: \"sort in\" => \"sort -u in\"",
                "shell: sh => bash",
                "environment variable LANG: \"C\" => \"C.UTF-8\"",
                "input script[run.sh] added: 010101010101",
            ]
        );
        let mut plain = new.clone();
        plain.inputs.insert("script".into(), vec![input("run.sh", 1)]);
        assert_eq!(lines(&new, &plain), ["input script[run.sh]: executable => not executable"]);
        let argv = Manifest::run(Command::Argv(vec!["sort".into(), "in".into()]), env("C"), None);
        assert_eq!(lines(&old, &argv), ["command: \"set -x\\nsort in\\n\" => \"[\\\"sort\\\",\\\"in\\\"]\""]);
        assert_eq!(lines(&old, &Manifest::uses("train", "1", json!({}))), ["kind: command => train"]);
    }
}
