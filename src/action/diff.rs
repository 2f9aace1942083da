//! Finding how two manifests differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::difference::{Change, Difference, pairs};
use super::{Body, Command, Input, Manifest, Output};
use crate::hash::{NumberForm, canonical_json};

/// Every difference, the most telling first; empty exactly where the keys are the same.
pub fn differences(old: &Manifest, new: &Manifest) -> Vec<Difference> {
    let (mut out, mut paths) = (Vec::new(), Vec::new());
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
                out.push(Difference::Code { uses: kind.clone() });
            }
            out.extend(parameters(old_params, params, new.body.numbers()));
        }
        (
            Body::Run { run: old_run, env: old_env, params: old_params, shell: old_shell },
            Body::Run { run, env, params, shell },
        ) => {
            command(&mut out, old_run, run);
            let none = Value::Object(serde_json::Map::new());
            let [old_params, params] = [old_params, params].map(|params| params.as_ref().unwrap_or(&none));
            out.extend(parameters(old_params, params, new.body.numbers()));
            if old_shell != shell {
                out.push(Difference::Shell(Change { old: old_shell.clone(), new: shell.clone() }));
            }
            for (name, change) in changed(old_env, env, |a, b| a == b) {
                let list = if is_path(&name) { &mut paths } else { &mut out };
                list.push(Difference::Env { name, change });
            }
        }
        (old, new) => out.push(Difference::Kind(change(&kind_of(old), &kind_of(new)))),
    }
    let nothing = Vec::new();
    for name in old.inputs.keys().chain(new.inputs.keys()).collect::<BTreeSet<_>>() {
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
    out.append(&mut paths);
    out
}

/// Whether a variable tells a script where an input or output lies: what there is to say of it, the input or output says.
fn is_path(variable: &str) -> bool {
    let told = variable.strip_prefix("KILN_ARG_").and_then(|rest| rest.split_once('_'));
    told.is_some_and(|(_, told)| told.starts_with("inputs_") || told.starts_with("outputs_"))
}

fn parameters(old: &Value, new: &Value, numbers: NumberForm) -> impl Iterator<Item = Difference> + use<> {
    pairs(old, new, numbers).map(|(path, change)| Difference::Parameter { path, change })
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

/// The entries of two maps that differ.
fn changed<'a, V: Clone + 'a>(
    old: impl IntoIterator<Item = (&'a String, &'a V)>,
    new: impl IntoIterator<Item = (&'a String, &'a V)>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<(String, Change<V>)> {
    let old: BTreeMap<&String, &V> = old.into_iter().collect();
    let new: BTreeMap<&String, &V> = new.into_iter().collect();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).copied().collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (a, b) = (old.get(name).copied(), new.get(name).copied());
            let equal = matches!((a, b), (Some(a), Some(b)) if same(a, b));
            (!equal).then(|| (name.clone(), Change { old: a.cloned(), new: b.cloned() }))
        })
        .collect()
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
    // Labels may repeat; the n-th with a label is compared with the n-th. There may be many thousand.
    let (olds, news) = (numbered(old), numbered(new));
    for key in olds.keys().chain(news.keys()).collect::<BTreeSet<_>>() {
        let (label, name) = (key.0.to_owned(), name.to_owned());
        match (olds.get(key), news.get(key)) {
            (Some(a), Some(b)) if a.digest == b.digest => {
                if a.executable != b.executable {
                    out.push(Difference::Executable { name, label, change: change(&a.executable, &b.executable) });
                }
            }
            (a, b) => {
                let change = Change { old: a.map(|a| a.digest), new: b.map(|b| b.digest) };
                out.push(Difference::Input { name, label, change, fields: vec![], files: None, gone: false });
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

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::manifests;
    use super::*;
    use crate::hash::Digest;
    use crate::kind::Role;
    use crate::show::difference::words;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn there_are_differences_exactly_where_the_keys_differ(a in manifests(), b in manifests()) {
            prop_assert_eq!(differences(&a, &b).is_empty(), a.key() == b.key());
            prop_assert_eq!(differences(&a, &a), vec![]);
            for difference in differences(&a, &b) {
                prop_assert!(!words(&difference).contains('\n'));
                let text = serde_json::to_string(&difference).unwrap();
                prop_assert_eq!(serde_json::from_str::<Difference>(&text).unwrap(), difference);
            }
        }
    }

    fn lines(old: &Manifest, new: &Manifest) -> Vec<String> {
        differences(old, new).iter().map(words).collect()
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
                "parameter layers: [1,{\"units\":2}] => [1,{\"units\":3},4]",
                "parameter optimiser.\"a.b\" added: 1",
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
    fn thousands_of_inputs_are_compared_in_no_time() {
        let gathering = |byte: u8| {
            let mut manifest = Manifest::uses("gather", "1", json!({}));
            manifest.inputs.insert("parts".into(), (0..100_000).map(|i| input(&format!("i={i}"), byte)).collect());
            manifest
        };
        let (old, new) = (gathering(1), gathering(2));
        let began = std::time::Instant::now();
        assert_eq!(differences(&old, &new).len(), 100_000);
        assert!(began.elapsed().as_secs() < 30, "{:?}: that is a look at all for each", began.elapsed());
    }

    #[test]
    fn a_command_is_explained_by_the_first_line_that_differs() {
        let env = |lang: &str| BTreeMap::from([("LANG".to_owned(), lang.to_owned())]);
        let old = Manifest::run(Command::Shell("set -x\nsort in\n".into()), env("C"), None, None);
        let mut new =
            Manifest::run(Command::Shell("set -x\nsort -u in\n".into()), env("C.UTF-8"), None, Some("bash".into()));
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
        let argv = Manifest::run(Command::Argv(vec!["sort".into(), "in".into()]), env("C"), None, None);
        assert_eq!(lines(&old, &argv), ["command: \"set -x\\nsort in\\n\" => \"[\\\"sort\\\",\\\"in\\\"]\""]);
        assert_eq!(lines(&old, &Manifest::uses("train", "1", json!({}))), ["kind: command => train"]);
    }
}
