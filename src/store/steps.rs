//! Which results are steps on the way to others: the last step of each is worth keeping, for a longer execution goes on from it.
//!
//! A step's manifest is that of the execution it belongs to, but for its outputs and its parameters: these are `chain`, what
//! decides the step, `step`, its number, and perhaps more that tells chains apart.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Store;
use crate::action::{Body, Manifest};
use crate::hash::{ActionKey, Digest, canonical_json};

impl Store {
    /// The last step of each chain that belongs to one of the kept results. Only what no run record names can be a step.
    pub(super) fn last_steps(
        &self,
        kept: &HashSet<ActionKey>,
        unnamed: impl Iterator<Item = ActionKey>,
    ) -> HashSet<ActionKey> {
        let mut last: HashMap<(Digest, String), (u64, ActionKey)> = HashMap::new();
        for key in unnamed {
            let Some(manifest) = self.manifest(&key) else { continue };
            let Some((number, chain)) = step(&manifest) else { continue };
            let found = (number, key);
            last.entry((family(manifest), chain)).and_modify(|last| *last = found.max(*last)).or_insert(found);
        }
        if last.is_empty() {
            return HashSet::new();
        }
        let families: HashSet<Digest> = kept.iter().filter_map(|key| self.manifest(key)).map(family).collect();
        last.into_iter().filter(|((family, _), _)| families.contains(family)).map(|(_, (_, key))| key).collect()
    }
}

/// The number of a step and the rest of its parameters; `None` for what is no step.
fn step(manifest: &Manifest) -> Option<(u64, String)> {
    let Body::Uses { params: Value::Object(params), .. } = &manifest.body else { return None };
    let number = params.get("step")?.as_u64()?;
    let mut rest = params.clone();
    rest.remove("step");
    rest.contains_key("chain").then(|| (number, canonical_json(&Value::Object(rest))))
}

/// What an execution and its steps have in common: the code and the inputs.
fn family(mut manifest: Manifest) -> Digest {
    if let Body::Uses { params, .. } = &mut manifest.body {
        *params = Value::Null;
    }
    manifest.outputs.clear();
    Digest(blake3::hash(manifest.text().as_bytes()).into())
}
