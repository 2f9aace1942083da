//! Whether the layer that an `embed` stage names is one of the model that was trained for it. Known before anything is trained.
//!
//! No kind runs this, so it is in no code fingerprint.

use common::params::hint;
use serde_json::Value;

use crate::embed::Params;
use crate::kind::ParamError;
use crate::model::{Layer, Model};

/// Holds the parameters of an `embed` stage against the canonical model that its network is trained from.
///
/// # Errors
/// If the model has no such layer.
pub fn embeds(params: &Value, model: &[u8]) -> Result<(), ParamError> {
    let (Ok(Params { layer, .. }), Ok(model)) =
        (serde_json::from_value(params.clone()), serde_json::from_slice::<Model>(model))
    else {
        return Ok(());
    };
    let mut names = Vec::new();
    collect(&model.layers, &mut names);
    if names.contains(&layer.as_str()) {
        return Ok(());
    }
    let message = format!("model `{}` has no layer `{layer}`", model.name);
    Err(ParamError { path: vec!["layer".into()], message, hint: hint(&layer, names) })
}

/// The names of layers and of those inside them, in order.
fn collect<'a>(layers: &'a [Layer], names: &mut Vec<&'a str>) {
    for layer in layers {
        names.push(&layer.name);
        layer.kind.inner().iter().for_each(|inner| collect(inner, names));
    }
}
