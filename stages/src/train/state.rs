//! Everything that training carries from one epoch to the next, and its form on disk.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::artifact::tensors::{self, Data, Tensors};
use crate::artifact::write_json;
use crate::model::file::read_values;
use crate::model::plan::{Parameter, Plan};
use crate::model::recipe::Optimiser;
use crate::model::{Model, Network};
use crate::ops::Precision;

use super::history::Epoch;
use super::optimiser::Moments;
use super::stopping::Stopping;

/// Where training stands after some epochs. Saved and loaded, it goes on as if it had not been interrupted.
pub struct TrainState {
    /// The network with its current weights.
    pub network: Network,
    /// The optimiser's memory.
    pub moments: Moments,
    /// The figures of the epochs so far.
    pub history: Vec<Epoch>,
    /// Early stopping's memory.
    pub stopping: Stopping,
    /// The weights of the best epoch, where they are to be restored in the end.
    pub best: Option<Vec<Vec<f32>>>,
    /// The network with the moving average of the weights, where the model asks for one.
    pub(super) average: Option<Network>,
}

/// `state.json` of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Saved {
    step: u64,
    history: Vec<Epoch>,
    stopping: Stopping,
    best: bool,
}

impl TrainState {
    /// The state before the first epoch.
    ///
    /// # Errors
    /// If the device has no room.
    pub fn new(model: &Model, plan: Plan, seed: u64, device: &Device) -> anyhow::Result<Self> {
        let moments = Moments::new(&model.optimiser, &plan);
        let average = model.ema.as_ref().map(|_| Network::new(plan.clone(), seed, device)).transpose()?;
        let network = Network::new(plan, seed, device)?;
        Ok(Self { network, moments, history: Vec::new(), stopping: Stopping::default(), best: None, average })
    }

    /// The network as it is validated and kept: with the average of the weights, where there is one.
    pub fn result(&self) -> &Network {
        self.average.as_ref().unwrap_or(&self.network)
    }

    /// The same state, whose networks' products are computed with this precision.
    ///
    /// # Errors
    /// If the device knows no such products.
    pub fn with_precision(self, precision: Precision) -> anyhow::Result<Self> {
        let network = self.network.with_precision(precision)?;
        let average = self.average.map(|network| network.with_precision(precision)).transpose()?;
        Ok(Self { network, average, ..self })
    }

    /// Epochs finished.
    pub fn epoch(&self) -> usize {
        self.history.len()
    }

    /// Writes a checkpoint into an existing folder:
    ///
    /// - `weights.safetensors`;
    /// - `moments.safetensors`, the optimiser's memory, as `<parameter>:first` and `:second`, where it has one;
    /// - `average.safetensors`, the moving average of the weights, where the model asks for one;
    /// - `best.safetensors`, what the best epoch would have given, where it is to be restored. It has the bytes of that
    ///   epoch's `average.safetensors`, or else of its `weights.safetensors`, so a store which keeps equal files once keeps it once;
    /// - `state.json`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let parameters = &self.network.plan.parameters;
        write_values(&folder.join("weights.safetensors"), parameters, &[("", &self.network.values()?)])?;
        let moments = [(":first", self.moments.first.as_slice()), (":second", self.moments.second.as_slice())];
        if moments.iter().any(|(_, set)| set.iter().any(|values| !values.is_empty())) {
            write_values(&folder.join("moments.safetensors"), parameters, &moments)?;
        }
        if let Some(average) = &self.average {
            write_values(&folder.join("average.safetensors"), parameters, &[("", &average.values()?)])?;
        }
        if let Some(best) = &self.best {
            write_values(&folder.join("best.safetensors"), parameters, &[("", best)])?;
        }
        let saved = Saved {
            step: self.moments.step,
            history: self.history.clone(),
            stopping: self.stopping.clone(),
            best: self.best.is_some(),
        };
        write_json(&folder.join("state.json"), &saved)
    }

    /// Reads a checkpoint of the same model.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the model.
    pub fn load(folder: &Path, model: &Model, plan: Plan, device: &Device) -> anyhow::Result<Self> {
        let path = folder.join("state.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let saved: Saved =
            serde_json::from_slice(&text).with_context(|| format!("{} is not a checkpoint", path.display()))?;
        let moments = read_moments(&folder.join("moments.safetensors"), &model.optimiser, &plan, saved.step)?;
        let weights = |file: &str| read_values(&Tensors::open(&folder.join(file))?, &plan, "");
        let best = saved.best.then(|| weights("best.safetensors")).transpose()?;
        let average = model.ema.as_ref().map(|_| weights("average.safetensors")).transpose()?;
        let average = average.map(|values| Network::with_weights(plan.clone(), values, device)).transpose()?;
        let values = weights("weights.safetensors")?;
        let network = Network::with_weights(plan, values, device)?;
        Ok(Self { network, moments, history: saved.history, stopping: saved.stopping, best, average })
    }
}

/// Writes sets of the values of parameters, each under the parameter's name and the set's suffix.
fn write_values(path: &Path, parameters: &[Parameter], sets: &[(&str, &[Vec<f32>])]) -> anyhow::Result<()> {
    let mut arrays: Vec<(String, &Parameter, &[f32])> = Vec::new();
    for (suffix, set) in sets {
        let kept = parameters.iter().zip(*set).filter(|(_, values)| !values.is_empty());
        arrays.extend(kept.map(|(p, values)| (format!("{}{suffix}", p.name), p, values.as_slice())));
    }
    let arrays: Vec<_> = arrays.iter().map(|(name, p, v)| (name.as_str(), p.shape.clone(), Data::F32(v))).collect();
    tensors::write(path, &arrays, BTreeMap::new())
}

fn read_moments(path: &Path, optimiser: &Optimiser, plan: &Plan, step: u64) -> anyhow::Result<Moments> {
    let kept = Moments::kept(optimiser, plan);
    let any = kept.iter().any(|(first, second)| *first || *second);
    let file = any.then(|| Tensors::open(path)).transpose()?;
    let read = |p: &Parameter, kept: bool, suffix: &str| -> anyhow::Result<Vec<f32>> {
        let Some(file) = file.as_ref().filter(|_| kept) else { return Ok(Vec::new()) };
        let name = format!("{}{suffix}", p.name);
        let values = file.f32(&name)?;
        ensure!(values.len() == p.len(), "`{name}` holds {} values, not {}", values.len(), p.len());
        Ok(values.into_owned())
    };
    let mut moments = Moments { step, first: Vec::new(), second: Vec::new() };
    for (p, (first, second)) in plan.parameters.iter().zip(kept) {
        moments.first.push(read(p, first, ":first")?);
        moments.second.push(read(p, second, ":second")?);
    }
    Ok(moments)
}
