//! `model.safetensors`: the weights under their layers' names, and in its metadata all that is needed to run them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use candle_core::Device;

use crate::artifact::tensors::{self, Data, Tensors};

use super::network::Network;
use super::plan::Plan;
use super::spec::Model;

/// A trained model as read from its file.
pub struct Trained {
    /// Its architecture and recipe.
    pub model: Model,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// Its weights, ready to run.
    pub network: Network,
}

/// Writes a model. The same weights give the same bytes.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, model: &Model, classes: &[String], network: &Network) -> anyhow::Result<()> {
    let values = network.values()?;
    let parameters = &network.plan.parameters;
    let arrays: Vec<_> =
        parameters.iter().zip(&values).map(|(p, v)| (p.name.as_str(), p.shape.clone(), Data::F32(v))).collect();
    let metadata = BTreeMap::from([
        ("architecture".to_owned(), serde_json::to_string(model)?),
        ("classes".to_owned(), serde_json::to_string(classes)?),
        ("input".to_owned(), serde_json::to_string(&network.plan.input)?),
    ]);
    tensors::write(path, &arrays, metadata)
}

/// Reads a model and puts its weights on a device.
///
/// # Errors
/// If the file is not a model, or its weights do not fit its architecture.
pub fn read(path: &Path, device: &Device) -> anyhow::Result<Trained> {
    let file = Tensors::open(path)?;
    let text = |key: &str| {
        file.metadata(key).with_context(|| format!("{} is not a model: its metadata has no `{key}`", path.display()))
    };
    let model: Model = serde_json::from_str(&text("architecture")?).context("the architecture cannot be read")?;
    let classes: Vec<String> = serde_json::from_str(&text("classes")?)?;
    let plan = Plan::new(&model, serde_json::from_str(&text("input")?)?, classes.len())?;
    let values = read_values(&file, &plan, "")?;
    let network = Network::with_weights(plan, values, device)?;
    Ok(Trained { model, classes, network })
}

/// The arrays of all parameters of a plan, each under its name and a suffix.
pub(crate) fn read_values(file: &Tensors, plan: &Plan, suffix: &str) -> anyhow::Result<Vec<Vec<f32>>> {
    let read = |p: &super::plan::Parameter| {
        let name = format!("{}{suffix}", p.name);
        let values = file.f32(&name)?;
        ensure!(values.len() == p.len(), "`{name}` holds {} values, not {}", values.len(), p.len());
        Ok(values.into_owned())
    };
    plan.parameters.iter().map(read).collect()
}

impl Trained {
    /// Fails unless images of this shape ([H, W, C]) and these classes are what the model was trained on.
    ///
    /// # Errors
    /// Says both shapes, or both lists of classes.
    pub fn expect(&self, shape: &[usize], classes: &[String]) -> anyhow::Result<()> {
        let input = self.network.plan.input;
        ensure!(shape == input, "the images are {shape:?} (height, width, channels), but the model takes {input:?}");
        ensure!(
            classes == self.classes.as_slice(),
            "the classes of the data are {classes:?}, but those of the model are {:?}",
            self.classes
        );
        Ok(())
    }
}
