//! The manifest: everything that decides an execution's outputs. One text is both what a person reads and what the key
//! is the digest of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Command;
use crate::hash::{ActionKey, Digest, NumberForm, write_string, write_value};
use crate::kind::Role;
use crate::name_map::NameMap;

/// The version of the encoding. Part of the key, so that a change of meaning cannot pass for an old result.
const VERSION: u32 = 1;

/// The name of a command's environment among its inputs. No input can be called so.
pub const ENVIRONMENT: &str = "@environment";

/// Keeps keys apart from digests of files that hold the same text.
const DOMAIN: &str = "kiln 2026-07 action manifest";

/// Everything that decides the outputs of one execution, and nothing else: no names of stages, no places of checkouts,
/// no resources, no times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the encoding.
    pub version: u32,
    /// What is executed.
    #[serde(flatten)]
    pub body: Body,
    /// Input name -> its artifacts, in the order the stage sees them.
    pub inputs: NameMap<Vec<Input>>,
    /// Output name -> what is declared of it.
    pub outputs: NameMap<Output>,
}

/// What is executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// A built-in kind.
    Uses {
        /// The kind's name.
        uses: String,
        /// A text that changes when its code does.
        fingerprint: String,
        /// Its parameters after defaults.
        params: Value,
    },
    /// A user's command.
    Run {
        /// The command.
        run: Command,
        /// The environment variables that are declared.
        env: BTreeMap<String, String>,
        /// The values of its `with`; `None` without any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        params: Option<Value>,
        /// The shell whose language a script asks for; `None` for the system's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shell: Option<String>,
    },
}

/// One artifact of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What tells it from the others of the same input: for a kind, matrix coordinates (`model=5`), empty where it takes
    /// one; for a command, the path it sees.
    pub label: String,
    /// Its content.
    pub digest: Digest,
    /// Whether the command could execute it. Always false for a kind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// A declared output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Where the command writes it; `None` for a kind, which is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What Kiln may do with it.
    pub role: Role,
}

impl Body {
    /// How the numbers among its parameters are told apart: a kind reads them by their value, a command is told their types.
    pub(super) fn numbers(&self) -> NumberForm {
        match self {
            Self::Uses { .. } => NumberForm::ByValue,
            Self::Run { .. } => NumberForm::ByType,
        }
    }
}

impl Manifest {
    /// The manifest of a built-in kind, without inputs and outputs yet.
    pub fn uses(kind: &str, fingerprint: &str, params: Value) -> Self {
        Self::new(Body::Uses { uses: kind.to_owned(), fingerprint: fingerprint.to_owned(), params })
    }

    /// The manifest of a command, without inputs and outputs yet.
    pub fn run(command: Command, env: BTreeMap<String, String>, params: Option<Value>, shell: Option<String>) -> Self {
        Self::new(Body::Run { run: command, env, params, shell })
    }

    fn new(body: Body) -> Self {
        Self { version: VERSION, body, inputs: NameMap::new(), outputs: NameMap::new() }
    }

    /// The parameters of a kind, or the values that a command is handed, if any.
    pub fn params(&self) -> Option<&Value> {
        match &self.body {
            Body::Uses { params, .. } => Some(params),
            Body::Run { params, .. } => params.as_ref(),
        }
    }

    /// The canonical JSON.
    pub fn text(&self) -> String {
        self.text_by(self.body.numbers())
    }

    /// The key that a command had when `1.0` and `1` in its `with` were the same; `None` where it is the same key.
    pub fn untyped_key(&self) -> Option<ActionKey> {
        let Body::Run { params: Some(_), .. } = self.body else { return None };
        let key = key_of(&self.text_by(NumberForm::ByValue));
        (key != self.key()).then_some(key)
    }

    fn text_by(&self, numbers: NumberForm) -> String {
        // Written straight from the fields, sorted by hand, because a plan of many thousand stages does this for each.
        // That it is the canonical form of what serde reads is tested.
        let mut out = String::with_capacity(512);
        match &self.body {
            Body::Uses { uses, fingerprint, params } => {
                out.push_str("{\"fingerprint\":");
                write_string(&mut out, fingerprint);
                self.write_ports(&mut out);
                out.push_str(",\"params\":");
                write_value(&mut out, params, numbers);
                out.push_str(",\"uses\":");
                write_string(&mut out, uses);
            }
            Body::Run { run, env, params, shell } => {
                out.push_str("{\"env\":");
                write_map(&mut out, env, |out, value| write_string(out, value));
                self.write_ports(&mut out);
                if let Some(params) = params {
                    out.push_str(",\"params\":");
                    write_value(&mut out, params, numbers);
                }
                out.push_str(",\"run\":");
                match run {
                    Command::Argv(argv) => {
                        out.push_str("{\"argv\":");
                        write_list(&mut out, argv, |out, word| write_string(out, word));
                    }
                    Command::Shell(script) => {
                        out.push_str("{\"shell\":");
                        write_string(&mut out, script);
                    }
                }
                out.push('}');
                if let Some(shell) = shell {
                    out.push_str(",\"shell\":");
                    write_string(&mut out, shell);
                }
            }
        }
        write!(out, ",\"version\":{}}}", self.version).expect("a String takes everything");
        out
    }

    fn write_ports(&self, out: &mut String) {
        out.push_str(",\"inputs\":");
        write_map(out, &self.inputs, |out, artifacts| {
            write_list(out, artifacts, |out, Input { label, digest, executable }| {
                let mark = if *executable { ",\"executable\":true" } else { "" };
                write!(out, "{{\"digest\":\"{digest}\"{mark},\"label\":").expect("a String takes everything");
                write_string(out, label);
                out.push('}');
            });
        });
        out.push_str(",\"outputs\":");
        write_map(out, &self.outputs, |out, Output { path, role }| {
            out.push('{');
            if let Some(path) = path {
                out.push_str("\"path\":");
                write_string(out, path);
                out.push(',');
            }
            out.push_str(match role {
                Role::Data => "\"role\":\"data\"}",
                Role::Metrics => "\"role\":\"metrics\"}",
                Role::Figure => "\"role\":\"figure\"}",
                Role::Series => "\"role\":\"series\"}",
            });
        });
    }

    /// The digest of the text.
    pub fn key(&self) -> ActionKey {
        key_of(&self.text())
    }
}

/// The key of a manifest's text.
pub(crate) fn key_of(text: &str) -> ActionKey {
    static BLANK: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key(DOMAIN));
    ActionKey(BLANK.clone().update(text.as_bytes()).finalize().into())
}

fn write_map<'v, V: 'v>(
    out: &mut String,
    map: impl IntoIterator<Item = (&'v String, &'v V)>,
    write: impl Fn(&mut String, &V),
) {
    out.push('{');
    for (i, (key, value)) in map.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

fn write_list<V>(out: &mut String, list: &[V], write: impl Fn(&mut String, &V)) {
    out.push('[');
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, value);
    }
    out.push(']');
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::hash::json_by;
    use proptest::prelude::*;
    use serde_json::json;

    /// Manifests drawn from few names and values, so that two of them often agree in part.
    pub(in crate::action) fn manifests() -> impl Strategy<Value = Manifest> {
        let params = prop_oneof![
            Just(json!({})),
            Just(json!({"epochs": 10, "optimiser": {"name": "adam", "learning_rate": 0.01}})),
            Just(json!({"epochs": 10.0, "optimiser": {"name": "adam", "learning_rate": 0.02}})),
            Just(json!({"layers": [1, 2, {"units": 3}], "é\n\"": null})),
            Just(json!({"layers": [1, 2]})),
        ];
        let text = prop_oneof![Just(""), Just("a b"), Just("\u{1}\"\\ü")].prop_map(str::to_owned);
        let body = prop_oneof![
            ("[ab]", "[12]", params.clone()).prop_map(|(uses, fingerprint, params)| Body::Uses {
                uses,
                fingerprint,
                params
            }),
            (prop::collection::vec(text.clone(), 0..3), prop::collection::btree_map("[AB]", text.clone(), 0..3))
                .prop_map(|(argv, env)| Body::Run { run: Command::Argv(argv), env, params: None, shell: None }),
            (
                "[ab]\n[cd]\n[ef]",
                prop::collection::btree_map("[AB]", text.clone(), 0..3),
                // A `with` without a value is none.
                prop::option::of(params.prop_filter("some value", |params| *params != json!({}))),
                prop::option::of(text.clone())
            )
                .prop_map(|(script, env, params, shell)| Body::Run {
                    run: Command::Shell(script),
                    env,
                    params,
                    shell
                }),
        ];
        let input = ("[mn]?", 0..3u8, any::<bool>()).prop_map(|(label, n, executable)| Input {
            label,
            digest: Digest([n; 32]),
            executable,
        });
        let inputs = prop::collection::btree_map("[pqr]", prop::collection::vec(input, 0..4), 0..3);
        let role = prop_oneof![Just(Role::Data), Just(Role::Metrics), Just(Role::Figure), Just(Role::Series)];
        let output = (prop::option::of(text), role).prop_map(|(path, role)| Output { path, role });
        let outputs = prop::collection::btree_map("[xyz]", output, 0..3);
        (1..3u32, body, inputs, outputs).prop_map(|(version, body, inputs, outputs)| Manifest {
            version,
            body,
            inputs: inputs.into_iter().collect(),
            outputs: outputs.into_iter().collect(),
        })
    }

    proptest! {
        #[test]
        fn the_text_is_canonical_and_reads_back(manifest in manifests()) {
            let text = manifest.text();
            prop_assert_eq!(&text, &json_by(&serde_json::to_value(&manifest).unwrap(), manifest.body.numbers()));
            let read: Manifest = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.text(), text);
        }
    }

    #[test]
    fn the_key_is_pinned() {
        // A change here makes every cache in the world forget everything: only with a new VERSION.
        let mut manifest = Manifest::uses("train", "f00d", json!({"seed": 42, "rate": 0.5}));
        let input = Input { label: "model=5".into(), digest: Digest([7; 32]), executable: false };
        manifest.inputs.insert("data".into(), vec![input]);
        manifest.outputs.insert("model".into(), Output { path: None, role: Role::Data });
        let digest = "07".repeat(32);
        assert_eq!(
            manifest.text(),
            format!(r#"{{"fingerprint":"f00d","inputs":{{"data":[{{"digest":"{digest}","label":"model=5"}}]}},"#)
                + r#""outputs":{"model":{"role":"data"}},"params":{"rate":0.5,"seed":42},"uses":"train","version":1}"#
        );
        assert_eq!(manifest.key().to_string(), "ae1ebb404e388fbe046f7818a3a209565c3c23f27d76ce8f8a382f99fe10cb54");
    }

    #[test]
    fn a_command_is_told_the_type_of_a_number_and_a_kind_is_not() {
        let run = |params: Value| Manifest::run(Command::Shell("true".into()), BTreeMap::new(), Some(params), None);
        for (a, b) in [(json!({"n": 5}), json!({"n": 5.0})), (json!({"n": [{"m": 0.0}]}), json!({"n": [{"m": -0.0}]}))]
        {
            assert_ne!(run(a.clone()).key(), run(b.clone()).key());
            assert_eq!(Manifest::uses("train", "1", a).key(), Manifest::uses("train", "1", b).key());
        }
        assert!(run(json!({"n": 5.0})).text().contains(r#""params":{"n":5.0}"#));
        assert_eq!(run(json!({"n": 5.0})).untyped_key(), Some(run(json!({"n": 5})).key()));
        assert_eq!(run(json!({"n": 5, "m": 0.5, "l": 1e300})).untyped_key(), None);
        assert_eq!(Manifest::uses("train", "1", json!({"n": 5.0})).untyped_key(), None);
    }

    #[test]
    fn a_script_that_asks_for_no_shell_and_has_no_parameters_says_nothing_of_them() {
        let run = || Command::Shell("true".into());
        let manifest =
            |shell: Option<&str>| Manifest::run(run(), BTreeMap::new(), None, shell.map(str::to_owned)).text();
        let with = Manifest::run(run(), BTreeMap::new(), Some(json!({"rate": 0.5})), None).text();
        // As it was before there was a choice: results of that time count.
        let plain = r#"{"env":{},"inputs":{},"outputs":{},"run":{"shell":"true"},"version":1}"#;
        assert_eq!(manifest(None), plain);
        assert_eq!(manifest(Some("zsh")), plain.replace(r#","version""#, r#","shell":"zsh","version""#));
        assert_eq!(with, plain.replace(r#","run""#, r#","params":{"rate":0.5},"run""#));
    }
}
