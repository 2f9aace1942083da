//! Checkpoints: the manifest of the state after a step, from which a longer execution goes on.
//!
//! It is that of the execution which the step belongs to, but for its outputs and its parameters. These are `chain`, what decides a
//! step; `step`, its number; and `of`, how many steps are wanted, where every step depends on that. So executions that want different
//! numbers of steps share what they have in common.

use serde_json::{Value, json};

use super::{Body, Manifest, Output};
use crate::hash::{Digest, json_by};
use crate::kind::Role;
use crate::name_map::NameMap;

/// The state after a step, as an action of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    manifest: Manifest,
    /// The number of the step, from 1.
    step: u64,
}

impl Checkpoint {
    /// The output that holds the state.
    pub const STATE: &str = "checkpoint";
    /// The output of a command's step that holds the lines of its metrics up to the step, if it wrote any.
    pub const METRICS: &str = "metrics";

    /// The state after a step of an execution. `chain` decides a step, and so does `of`, where there is one.
    pub fn of(action: &Manifest, chain: &Value, of: Option<u64>, step: u64) -> Self {
        let mut params = json!({ "chain": chain, "step": step });
        if let Some(of) = of {
            params["of"] = of.into();
        }
        let mut manifest = Manifest { outputs: NameMap::new(), ..action.clone() };
        manifest.outputs.insert(Self::STATE.to_owned(), Output { path: None, role: Role::Data });
        match &mut manifest.body {
            Body::Uses { params: all, .. } => *all = params,
            Body::Run { params: all, .. } => {
                *all = Some(params);
                manifest.outputs.insert(Self::METRICS.to_owned(), Output { path: None, role: Role::Series });
            }
        }
        Self { manifest, step }
    }

    /// What a manifest is the state of; `None` if it is none.
    pub fn read(manifest: Manifest) -> Option<Self> {
        // An output of a command has a path.
        let state = manifest.outputs.get(Self::STATE)?.path.is_none();
        let params = manifest.params()?.as_object()?;
        let step = params.get("step")?.as_u64()?;
        (state && params.contains_key("chain")).then_some(Self { manifest, step })
    }

    /// The number of the step, from 1.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The same chain's state after another step.
    pub fn set_step(&mut self, step: u64) {
        self.step = step;
        if let Some(params) = params_mut(&mut self.manifest.body) {
            params["step"] = step.into();
        }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A text that the states of a chain have in common, and no others of the same code and inputs.
    pub fn chain(&self) -> String {
        let mut rest = self.manifest.params().cloned().unwrap_or_default();
        if let Some(rest) = rest.as_object_mut() {
            rest.remove("step");
        }
        json_by(&rest, self.manifest.body.numbers())
    }

    /// What an execution and the states on its way have in common: the code and the inputs.
    pub fn family(mut action: Manifest) -> Digest {
        match &mut action.body {
            Body::Uses { params, .. } => *params = Value::Null,
            Body::Run { params, .. } => *params = None,
        }
        action.outputs.clear();
        Digest(blake3::hash(action.text().as_bytes()).into())
    }
}

fn params_mut(body: &mut Body) -> Option<&mut Value> {
    match body {
        Body::Uses { params, .. } => Some(params),
        Body::Run { params, .. } => params.as_mut(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::action::Command;

    #[test]
    fn the_keys_of_a_kinds_states_are_pinned() {
        // As they were when there were only those: what was trained counts.
        let action = Manifest::uses("train", "f00d", json!({"epochs": 3, "seed": 1}));
        let state = Checkpoint::of(&action, &json!({"seed": 1}), None, 2);
        let text = r#"{"fingerprint":"f00d","inputs":{},"outputs":{"checkpoint":{"role":"data"}},"#.to_owned()
            + r#""params":{"chain":{"seed":1},"step":2},"uses":"train","version":1}"#;
        assert_eq!(state.manifest().text(), text);
        let whole = Checkpoint::of(&action, &json!({}), Some(3), 2).manifest().text();
        assert!(whole.contains(r#""params":{"chain":{},"of":3,"step":2}"#), "{whole}");
    }

    #[test]
    fn states_are_told_from_results_and_chains_from_each_other() {
        let run = || Command::Shell("train".into());
        let params = json!({"epochs": 3, "rate": 0.5});
        let mut action = Manifest::run(run(), BTreeMap::new(), Some(params), None);
        action.outputs.insert("checkpoint".into(), Output { path: Some("out/x".into()), role: Role::Data });
        assert_eq!(Checkpoint::read(action.clone()), None);
        let mut state = Checkpoint::of(&action, &json!({"rate": 0.5}), None, 2);
        assert_eq!(Checkpoint::read(state.manifest().clone()), Some(state.clone()));
        let (chain, family) = (state.chain(), Checkpoint::family(state.manifest().clone()));
        state.set_step(7);
        assert_eq!(
            (state.chain(), Checkpoint::read(state.manifest().clone()).map(|it| it.step())),
            (chain.clone(), Some(7))
        );
        assert_eq!(Checkpoint::family(action.clone()), family);
        assert_ne!(Checkpoint::of(&action, &json!({"rate": 0.6}), None, 2).chain(), chain);
    }
}
