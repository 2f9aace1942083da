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
        let network = Network::new(plan, seed, device)?;
        Ok(Self { network, moments, history: Vec::new(), stopping: Stopping::default(), best: None })
    }

    /// Epochs finished.
    pub fn epoch(&self) -> usize {
        self.history.len()
    }

    /// Writes a checkpoint into an existing folder: `weights.safetensors` (with the optimiser's moments as
    /// `<parameter>:first` and `:second`, and the best epoch's weights as `:best`) and `state.json`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let parameters = &self.network.plan.parameters;
        let current = self.network.values()?;
        let none = Vec::new();
        let sets = [
            ("", &current),
            (":first", &self.moments.first),
            (":second", &self.moments.second),
            (":best", self.best.as_ref().unwrap_or(&none)),
        ];
        let mut arrays: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
        for (suffix, set) in sets {
            let kept = parameters.iter().zip(set).filter(|(_, values)| !values.is_empty());
            arrays.extend(kept.map(|(p, values)| (format!("{}{suffix}", p.name), p.shape.clone(), values.as_slice())));
        }
        let arrays: Vec<_> = arrays.iter().map(|(n, s, v)| (n.as_str(), s.clone(), Data::F32(v))).collect();
        tensors::write(&folder.join("weights.safetensors"), &arrays, BTreeMap::new())?;
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
        let file = Tensors::open(&folder.join("weights.safetensors"))?;
        let moments = read_moments(&file, &model.optimiser, &plan, saved.step)?;
        let best = saved.best.then(|| read_values(&file, &plan, ":best")).transpose()?;
        let values = read_values(&file, &plan, "")?;
        let network = Network::with_weights(plan, values, device)?;
        Ok(Self { network, moments, history: saved.history, stopping: saved.stopping, best })
    }
}

fn read_moments(file: &Tensors, optimiser: &Optimiser, plan: &Plan, step: u64) -> anyhow::Result<Moments> {
    let read = |kept: bool, suffix: &str| -> anyhow::Result<Vec<Vec<f32>>> {
        let one = |p: &Parameter| -> anyhow::Result<Vec<f32>> {
            if !kept || !p.role.is_trained() {
                return Ok(Vec::new());
            }
            let name = format!("{}{suffix}", p.name);
            let values = file.f32(&name)?;
            ensure!(values.len() == p.len(), "`{name}` holds {} values, not {}", values.len(), p.len());
            Ok(values.into_owned())
        };
        plan.parameters.iter().map(one).collect()
    };
    let (first, second) = Moments::kept(optimiser);
    Ok(Moments { step, first: read(first, ":first")?, second: read(second, ":second")? })
}
