//! A model file to a typed [`Model`]: keys, types, ranges and names are checked, each mistake with its place.

use std::collections::HashMap;
use std::path::Path;

use common::params;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::kind::{Document, DocumentError, ParamError};

use super::extends;
use super::plan::{self, Rank};
use super::recipe::{Augmentation, Clipping, EarlyStopping, Ema, Optimiser, Schedule};
use super::spec::{Activation, Flaw, Inception, LAYER_TYPES, Layer, LayerKind, Model, Residual};
use super::tree::{Data, Key, Node, Place};

const KEYS: &[&str] = &[
    "name",
    "extends",
    "layers",
    "remove",
    "change",
    "insert",
    "optimiser",
    "schedule",
    "early_stopping",
    "augmentation",
    "label_smoothing",
    "gradient_clipping",
    "ema",
];

/// Resolves a model file to its canonical JSON: one model in full, whatever it extends, with every default spelt out.
/// What the `train` kind's input `model` is keyed by.
///
/// # Errors
/// The first mistake, with its place.
pub fn document(path: &Path) -> Result<Document, DocumentError> {
    let mut sources = Vec::new();
    let model = model(&extends::resolve(path, &mut sources)?)?;
    let bytes = serde_json::to_vec(&model).expect("a model is plain data");
    Ok(Document { bytes, sources })
}

/// Reads a model file.
///
/// # Errors
/// The first mistake, with its place.
pub fn read(path: &Path) -> Result<Model, DocumentError> {
    model(&extends::resolve(path, &mut Vec::new())?)
}

fn model(node: &Node) -> Result<Model, DocumentError> {
    for (key, _) in node.mapping("a model")? {
        if !KEYS.contains(&key.text.as_str()) {
            return Err(unknown(key, "a model", KEYS));
        }
    }
    let name = node.get("name").ok_or_else(|| node.place.error("the model has no `name`"))?;
    let name = name.text().ok_or_else(|| name.place.error("`name` must be text"))?.to_owned();
    let list = node.get("layers").ok_or_else(|| node.place.error("the model has no `layers`"))?;
    let mut places = HashMap::new();
    let layers = layers(list, &mut places)?;
    check_structure(&layers, list, &places)?;
    let smoothing: f32 = setting(node, "label_smoothing")?.unwrap_or(0.0);
    if !(0.0..1.0).contains(&smoothing) {
        let place = node.locate(&["label_smoothing".into()]);
        return Err(place.error("`label_smoothing` must be at least 0 and below 1"));
    }
    Ok(Model {
        name,
        layers,
        optimiser: checked(node, "optimiser", Optimiser::check)?.unwrap_or_default(),
        schedule: checked(node, "schedule", Schedule::check)?.unwrap_or_default(),
        early_stopping: checked(node, "early_stopping", EarlyStopping::check)?,
        augmentation: checked(node, "augmentation", Augmentation::check)?,
        label_smoothing: smoothing,
        gradient_clipping: checked(node, "gradient_clipping", Clipping::check)?,
        ema: checked(node, "ema", Ema::check)?,
    })
}

/// What no layer can say of itself: the last one gives the classes, softmax comes last, ranks fit.
fn check_structure(layers: &[Layer], list: &Node, places: &HashMap<String, Place>) -> Result<(), DocumentError> {
    let Some(last) = layers.last() else { return Err(list.place.error("the model has no layers")) };
    let mut all = Vec::new();
    flatten(layers, &mut all);
    for layer in all {
        if layer.name == last.name {
            continue;
        }
        let place = &places[&layer.name];
        match &layer.kind {
            LayerKind::Dense(d) if d.units.is_none() => {
                return Err(
                    place.error(format!("layer `{}` needs `units` (only the last layer may leave it out)", layer.name))
                );
            }
            LayerKind::Dense(d) if d.activation == Activation::Softmax => {
                return Err(place.error(format!("layer `{}`: softmax belongs on the last layer", layer.name)));
            }
            LayerKind::Conv(c) if c.activation == Activation::Softmax => {
                return Err(place.error(format!("layer `{}`: softmax belongs on the last layer", layer.name)));
            }
            _ => {}
        }
    }
    if let Some(large) = plan::too_large(layers) {
        let mut error = places[&large].error(format!(
            "layer `{large}` makes the model larger than {} parameters, whatever the images",
            plan::MOST_PARAMETERS
        ));
        error.hint = Some("give it, or the layer before it, fewer units or filters".into());
        return Err(error);
    }
    match plan::rank(layers, Rank::Image) {
        Err(e) => Err(places[&e.layer].error(e.to_string())),
        Ok(Rank::Vector) => Ok(()),
        Ok(Rank::Image) => {
            let mut error = places[&last.name].error("the model ends with an image, not with one value a class");
            error.hint = Some("end with `flatten` or `global_avg_pool`, and a `dense` layer".into());
            Err(error)
        }
    }
}

fn flatten<'a>(layers: &'a [Layer], all: &mut Vec<&'a Layer>) {
    for layer in layers {
        all.push(layer);
        for list in layer.kind.inner() {
            flatten(list, all);
        }
    }
}

fn layers(list: &Node, places: &mut HashMap<String, Place>) -> Result<Vec<Layer>, DocumentError> {
    list.sequence("`layers`")?.iter().map(|item| layer(item, places)).collect()
}

fn layer(node: &Node, places: &mut HashMap<String, Place>) -> Result<Layer, DocumentError> {
    node.mapping("a layer")?;
    let mut rest = node.clone();
    let name = rest.take("name").ok_or_else(|| node.place.error("the layer has no `name`"))?;
    let text = name.text().ok_or_else(|| name.place.error("the name of a layer must be text"))?.to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || !text.chars().all(plain) {
        return Err(name.place.error(format!("layer `{text}`: a name is made of letters, digits, `_` and `-`")));
    }
    if let Some(first) = places.insert(text.clone(), name.place.clone()) {
        let place = format!("{}:{}", first.file.display(), first.line);
        return Err(name.place.error(format!("there are two layers named `{text}` (the other at {place})")));
    }
    let kind = rest.take("type").ok_or_else(|| node.place.error(format!("layer `{text}` has no `type`")))?;
    let kind_name = kind.text().unwrap_or_default();
    let kind = match kind_name {
        "conv" => LayerKind::Conv(typed(&rest)?),
        "max_pool" => LayerKind::MaxPool(typed(&rest)?),
        "avg_pool" => LayerKind::AvgPool(typed(&rest)?),
        "global_avg_pool" => LayerKind::GlobalAvgPool(typed(&rest)?),
        "flatten" => LayerKind::Flatten(typed(&rest)?),
        "dense" => LayerKind::Dense(typed(&rest)?),
        "dropout" => LayerKind::Dropout(typed(&rest)?),
        "batch_norm" => LayerKind::BatchNorm(typed(&rest)?),
        "residual" => residual(&mut rest, places)?,
        "inception" => inception(&mut rest, places)?,
        _ => {
            let mut error = kind.place.error(format!("layer `{text}`: there is no layer type `{kind_name}`"));
            error.hint = params::hint(kind_name, LAYER_TYPES.iter().copied());
            return Err(error);
        }
    };
    in_range(node, &format!("layer `{text}`"), kind.check())?;
    Ok(Layer { name: text, kind })
}

fn residual(node: &mut Node, places: &mut HashMap<String, Place>) -> Result<LayerKind, DocumentError> {
    let list = node.take("layers").ok_or_else(|| node.place.error("a residual block needs `layers`"))?;
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rest {
        activation: Option<Activation>,
    }
    let rest: Rest = typed(node)?;
    let activation = rest.activation.unwrap_or(Activation::Relu);
    Ok(LayerKind::Residual(Residual { layers: layers(&list, places)?, activation }))
}

fn inception(node: &mut Node, places: &mut HashMap<String, Place>) -> Result<LayerKind, DocumentError> {
    let list = node.take("branches").ok_or_else(|| node.place.error("an inception block needs `branches`"))?;
    if let [(key, _), ..] = node.mapping("a layer")? {
        return Err(unknown(key, "an inception block", &["branches"]));
    }
    let branches = list.sequence("`branches`")?.iter().map(|b| layers(b, places)).collect::<Result<_, _>>()?;
    Ok(LayerKind::Inception(Inception { branches }))
}

/// An optional top-level value; null is as good as absent.
fn setting<T: DeserializeOwned>(node: &Node, key: &str) -> Result<Option<T>, DocumentError> {
    match node.get(key) {
        None => Ok(None),
        Some(value) if matches!(value.data, Data::Scalar(serde_json::Value::Null)) => Ok(None),
        Some(value) => typed(value).map(Some),
    }
}

fn checked<T: DeserializeOwned>(
    node: &Node,
    key: &str,
    check: impl Fn(&T) -> Result<(), Flaw>,
) -> Result<Option<T>, DocumentError> {
    let value = setting(node, key)?;
    if let (Some(value), Some(at)) = (&value, node.get(key)) {
        in_range(at, &format!("`{key}`"), check(value))?;
    }
    Ok(value)
}

fn in_range(node: &Node, what: &str, found: Result<(), Flaw>) -> Result<(), DocumentError> {
    found.map_err(|(field, message)| node.locate(&[field.into()]).error(format!("{what}: `{field}`: {message}")))
}

/// Reads a typed value; a mistake points at the offending key or value.
fn typed<T: DeserializeOwned>(node: &Node) -> Result<T, DocumentError> {
    params::read(node.to_value()).map_err(|ParamError { path, message, .. }| {
        let unknown = params::unknown(&message);
        // Inside a tagged value serde loses the path, but an unknown key is named in the message.
        let key = unknown.as_ref().and_then(|(name, _)| match &node.data {
            Data::Mapping(entries) => entries.iter().map(|(k, _)| k).find(|k| k.text == *name),
            _ => None,
        });
        let mut error = key.map_or_else(|| node.locate(&path), |k| &k.place).error(message.clone());
        error.hint = unknown.and_then(|(wrong, known)| params::near(wrong, known));
        error
    })
}

/// The mistake of a key that nothing reads.
pub(super) fn unknown(key: &Key, what: &str, known: &[&str]) -> DocumentError {
    let mut error = key.place.error(format!("{what} has no key `{}`", key.text));
    error.hint = params::hint(&key.text, known.iter().copied());
    error
}
