//! The `train` kind: a model file and an image set to a trained network.
//!
//! [`params`] is `with:`; [`images`] and [`augment`] make the batches; [`epoch`] runs one epoch in shards;
//! [`optimiser`] and [`schedule`] change the weights, [`average`] follows them; [`stopping`] knows when to stop;
//! [`history`] holds the figures;
//! [`state`] is all that goes from one epoch to the next, kept after each; `chain` says what decides an epoch.

pub mod augment;
pub mod average;
mod chain;
pub mod epoch;
pub mod history;
pub mod images;
pub mod optimiser;
pub mod params;
pub mod schedule;
pub mod state;
pub mod stopping;

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::artifact::dataset::Dataset;
use crate::artifact::tensors::Tensors;
use crate::artifact::{csv_writer, write_json};
use crate::kind::{Arity, Context, Kind, Output, Port, Reads, Role, check, schema};
use crate::model::recipe::Monitor;
use crate::model::summary::summary;
use crate::model::threads::Threads;
use crate::model::{Model, Plan, device, document, file};

use epoch::{Tally, Trainer};
use history::Epoch;
use images::Images;
use params::Params;
use state::TrainState;
use stopping::watched;

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[&TRAIN];

/// Trains a network.
pub const TRAIN: Kind = Kind {
    name: "train",
    summary: "Trains the network of a model file on an image set",
    inputs: &[
        Port {
            name: "data",
            doc: "the image set: normalised images [N, H, W, C], labels",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
        Port {
            name: "split",
            doc: "which rows to train on and which to validate on",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
        Port { name: "model", doc: "the model file (YAML)", arity: Arity::One, reads: Reads::Document(document) },
    ],
    outputs: &[
        Output {
            name: "model",
            file: "model.safetensors",
            role: Role::Data,
            doc: "the weights; metadata `architecture` (canonical model JSON), `classes`, `input`",
        },
        Output {
            name: "history",
            file: "history.csv",
            role: Role::Series,
            doc: "epoch,loss,accuracy,val_loss,val_accuracy; a row an epoch, from 1",
        },
        Output {
            name: "summary",
            file: "summary.json",
            role: Role::Data,
            doc: "the layer table: types, output shapes, parameter counts",
        },
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "the figures of the epoch whose weights were kept, and of the best epoch",
        },
    ],
    check: check_params,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: Some(chain::chain),
    module: "train/mod.rs",
};

fn check_params(value: &Value) -> Result<Value, crate::kind::ParamError> {
    let params: Params = crate::kind::parse(value)?;
    let mistake = |path: &str, message: &str| crate::kind::ParamError {
        path: vec![path.to_owned()],
        message: message.to_owned(),
        hint: None,
    };
    if params.epochs == 0 {
        return Err(mistake("epochs", "must be at least 1"));
    }
    if params.batch_size == 0 {
        return Err(mistake("batch_size", "must be at least 1"));
    }
    check::<Params>(value)
}

/// Trains the model of the input `model` on the images of `data` that `split` names.
fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let data = Dataset::open(context.input("data")?)?;
    let (train, validation) = read_split(context.input("split")?, data.len())?;
    let model = read_model(context.input("model")?)?;
    let pixels = data.normalised()?;
    let [_, h, w, c] = data.shape;
    let plan = Plan::new(&model, [h, w, c], data.classes.len()).with_context(|| format!("model `{}`", model.name))?;
    write_json(context.output("summary")?, &summary(&model.name, &plan))?;

    let device = device::device(&context.device)?;
    let threads = Threads::new(context.threads)?;
    let state = match &context.checkpoints.resume {
        Some((_, folder)) => {
            TrainState::load(folder, &model, plan, &device).context("cannot go on from the epoch kept")?
        }
        None => TrainState::new(&model, plan, params.seed, &device)?,
    };
    let mut state = state.with_precision(params.precision)?;
    let images = Images {
        pixels: &pixels,
        labels: &data.labels,
        shape: [h, w, c],
        rows: &train,
        augmentation: model.augmentation.as_ref(),
        seed: params.seed,
    };
    let trainer = Trainer::new(&model, &params, images, &validation, &threads, &state.network);
    train_epochs(&trainer, &mut state, context)?;

    if let Some(best) = &state.best {
        state.result().set_values(best)?;
    }
    file::write(context.output("model")?, &model, &data.classes, state.result())?;
    let mut table = csv_writer(context.output("history")?)?;
    for epoch in &state.history {
        table.serialize(epoch)?;
    }
    table.flush()?;
    write_json(context.output("metrics")?, &metrics(&model, &state))
}

/// Trains until the wanted number of epochs is reached or early stopping says so.
fn train_epochs(trainer: &Trainer, state: &mut TrainState, context: &Context) -> anyhow::Result<()> {
    let (steps, epochs) = (trainer.steps(), trainer.params.epochs);
    let total = (steps * epochs) as u64;
    while state.epoch() < epochs && !state.stopping.stop {
        let done = state.epoch();
        let validated = state
            .history
            .last()
            .map_or_else(String::new, |e| format!(" val_loss {:.4} val_accuracy {:.4}", e.val_loss, e.val_accuracy));
        let progress = |step: usize, tally: &Tally| {
            // About a hundred events an epoch, counted rather than timed.
            if step.is_multiple_of((steps / 100).max(1)) || step == steps {
                let (loss, accuracy) = (tally.mean_loss(), tally.accuracy());
                let epoch = done + 1;
                let detail = format!("epoch {epoch}/{epochs} loss {loss:.4} accuracy {accuracy:.4}{validated}");
                context.progress((done * steps + step) as u64, total, "batch", detail);
            }
        };
        trainer.epoch(state, &progress)?;
        context.checkpoint(state.epoch() as u64, |folder| state.save(folder));
        if let Some(e) = state.history.last() {
            context.message(format!(
                "epoch {}/{epochs}: loss {:.4} accuracy {:.4} val_loss {:.4} val_accuracy {:.4}",
                e.epoch, e.loss, e.accuracy, e.val_loss, e.val_accuracy
            ));
        }
    }
    if state.stopping.stop && state.epoch() < epochs {
        context.message(format!(
            "stopped after epoch {}: no improvement for {} epochs",
            state.epoch(),
            state.stopping.waited
        ));
    }
    Ok(())
}

fn read_model(path: &Path) -> anyhow::Result<Model> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a resolved model", path.display()))
}

/// The rows to train on and to validate on.
fn read_split(path: &Path, images: usize) -> anyhow::Result<(Vec<u32>, Vec<u32>)> {
    let file = Tensors::open(path)?;
    let rows = |name: &str| -> anyhow::Result<Vec<u32>> {
        let rows = file.u32(name)?;
        ensure!(!rows.is_empty(), "the split has no image under `{name}`");
        let outside = rows.iter().find(|&&r| r as usize >= images);
        ensure!(outside.is_none(), "the split names image {outside:?} of `{name}`, but there are {images}");
        Ok(rows)
    };
    Ok((rows("train")?, rows("validation")?))
}

/// `metrics.json`.
#[derive(Serialize)]
struct Metrics {
    /// Epochs trained.
    epochs: usize,
    /// The epoch whose weights were kept: the last, unless the best was restored.
    #[serde(flatten)]
    kept: Epoch,
    /// The epoch that was best by the early-stopping monitor, or by validation loss.
    best: Epoch,
}

fn metrics(model: &Model, state: &TrainState) -> Metrics {
    let monitor = model.early_stopping.as_ref().map_or(Monitor::ValLoss, |rule| rule.monitor);
    let rank = |e: &Epoch| if monitor.rises() { -watched(monitor, e) } else { watched(monitor, e) };
    let best = state.history.iter().min_by(|a, b| rank(a).total_cmp(&rank(b))).expect("at least one epoch was trained");
    let restored = state.best.as_ref().and(state.stopping.best).and_then(|(_, epoch)| state.history.get(epoch - 1));
    let kept = restored.or(state.history.last()).unwrap_or(best);
    Metrics { epochs: state.epoch(), kept: kept.clone(), best: best.clone() }
}
