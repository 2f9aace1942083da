//! Training as a chain of epochs: what decides an epoch, and where that is the number of epochs itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Chain;
use crate::model::Model;
use crate::model::recipe::Schedule;

/// The chain of a training: all parameters but `epochs`, unless the model's schedule looks at the last epoch from the
/// first on.
pub(super) fn chain(params: &Value, documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
    let model: Model = serde_json::from_slice(documents.get("model")?).ok()?;
    let mut params = params.clone();
    let goal = params.as_object_mut()?.remove("epochs")?.as_u64()?;
    let whole = match model.schedule {
        Schedule::Cosine { .. } => Some("the model's cosine schedule depends on `epochs`".to_owned()),
        Schedule::Constant { .. } | Schedule::Step { .. } => None,
    };
    Some(Chain { params, goal, unit: "epoch".to_owned(), whole })
}
