//! One epoch: batches cut into shards, shards run at once, their gradients added in a fixed order.

use anyhow::ensure;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};

use crate::model::inference::{self, argmax, cross_entropy};
use crate::model::network::{Network, Sinks, Statistics, Training, batch_shape};
use crate::model::threads::Threads;
use crate::model::{LayerKind, Model};
use crate::ops::{self, Tape, optimiser::update_in_place};

use super::average::follow;
use super::history::Epoch;
use super::images::Images;
use super::params::Params;
use super::schedule::{Position, factor};
use super::state::TrainState;

/// Parts of a batch. Fixed: with it the order of every sum is fixed, whatever the number of threads.
const SHARDS: usize = 2;

/// Trains a model epoch by epoch.
pub struct Trainer<'a> {
    /// The model.
    pub model: &'a Model,
    /// The stage's parameters.
    pub params: &'a Params,
    /// What it is trained on.
    pub images: Images<'a>,
    /// The rows it is validated on.
    pub validation: &'a [u32],
    /// The threads it may use.
    pub threads: &'a Threads,
    sinks: [Sinks; SHARDS],
}

/// What a batch, or many of them, came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Images seen.
    pub images: usize,
    /// The sum of their losses.
    pub loss: f64,
    /// How many were classified rightly.
    pub right: usize,
}

impl Tally {
    /// Mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// Share classified rightly.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.images.max(1) as f64
    }
}

/// What one shard came to.
#[derive(Default)]
struct Shard {
    loss: f32,
    right: usize,
    statistics: Vec<Statistics>,
}

impl<'a> Trainer<'a> {
    /// A trainer for networks like the given one.
    pub fn new(
        model: &'a Model,
        params: &'a Params,
        images: Images<'a>,
        validation: &'a [u32],
        threads: &'a Threads,
        network: &Network,
    ) -> Self {
        let sinks = std::array::from_fn(|_| network.sinks());
        Self { model, params, images, validation, threads, sinks }
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        self.images.samples().div_ceil(self.params.batch_size)
    }

    /// Trains one more epoch, validates, and takes the result into the state. `progress` is told the number of finished
    /// steps and the tally so far.
    ///
    /// # Errors
    /// If the loss is no longer a number; candle's.
    pub fn epoch(&self, state: &mut TrainState, progress: &dyn Fn(usize, &Tally)) -> anyhow::Result<()> {
        let number = state.epoch() + 1;
        let order = self.images.order(number, self.params.shuffle);
        let mut tally = Tally::default();
        for (batch, samples) in order.chunks(self.params.batch_size).enumerate() {
            let loss = self.step(state, samples, number, &mut tally)?;
            ensure_finite(f64::from(loss), || format!("in epoch {number}, batch {}", batch + 1))?;
            progress(batch + 1, &tally);
        }
        let validation = self.validate(state.result())?;
        ensure_finite(validation.loss, || format!("on the validation images after epoch {number}"))?;
        let epoch = Epoch {
            epoch: number,
            loss: tally.mean_loss(),
            accuracy: tally.accuracy(),
            val_loss: validation.mean_loss(),
            val_accuracy: validation.accuracy(),
        };
        if let Some(rule) = &self.model.early_stopping {
            let is_best = state.stopping.see(rule, &epoch);
            if is_best && rule.restore_best {
                state.best = Some(state.result().values()?);
            }
        }
        state.history.push(epoch);
        Ok(())
    }

    /// Loss and accuracy on the validation images.
    ///
    /// # Errors
    /// candle's.
    pub fn validate(&self, network: &Network) -> candle_core::Result<Tally> {
        let (pixels, rows) = (self.images.pixels, self.validation);
        let logits = inference::over(network, self.threads, pixels, rows, |x| network.logits(x))?;
        let mut tally = Tally::default();
        for (logits, &row) in logits.chunks(network.plan.classes).zip(rows) {
            let label = self.images.labels[row as usize] as usize;
            tally.images += 1;
            tally.loss += cross_entropy(logits, label, self.model.label_smoothing);
            tally.right += usize::from(argmax(logits) == label);
        }
        Ok(tally)
    }

    /// One step; returns the batch's mean loss.
    fn step(
        &self,
        state: &mut TrainState,
        samples: &[u32],
        epoch: usize,
        tally: &mut Tally,
    ) -> candle_core::Result<f32> {
        let network = &state.network;
        let step = state.moments.step;
        let middle = samples.len().div_ceil(SHARDS);
        let (head, tail) = samples.split_at(middle);
        let work = |shard: usize, samples, first_row| {
            let training = Training { sinks: &self.sinks[shard], seed: self.params.seed, step, first_row };
            self.shard(network, samples, middle + tail.len(), epoch, &training)
        };
        let (first, second) = self.threads.join(|| work(0, head, 0), || work(1, tail, middle));
        let shards = [(first?, head.len()), (second?, tail.len())];

        let at = Position { step, steps_per_epoch: self.steps() as u64, epochs: self.params.epochs };
        let optimiser = &self.model.optimiser;
        let rate = (f64::from(optimiser.learning_rate()) * factor(&self.model.schedule, at)) as f32;
        let clipping = self.model.gradient_clipping.as_ref();
        state.moments.apply(network, &self.sinks, optimiser, rate, clipping, self.threads)?;
        if shards.iter().any(|(s, _)| !s.statistics.is_empty()) {
            let seen: Vec<_> = shards.iter().map(|(s, rows)| (s.statistics.as_slice(), *rows)).collect();
            remember(network, &seen)?;
        }
        if let (Some(average), Some(ema)) = (&state.average, &self.model.ema) {
            follow(average, network, ema, state.moments.step, self.threads)?;
        }

        let loss = shards[0].0.loss + shards[1].0.loss;
        tally.images += samples.len();
        tally.loss += f64::from(loss) * samples.len() as f64;
        tally.right += shards[0].0.right + shards[1].0.right;
        Ok(loss)
    }

    /// Forward and backward through one shard: gradients go to its sinks.
    fn shard(
        &self,
        network: &Network,
        samples: &[u32],
        total: usize,
        epoch: usize,
        training: &Training,
    ) -> candle_core::Result<Shard> {
        training.sinks.iter().flatten().for_each(ops::GradSink::reset);
        if samples.is_empty() {
            return Ok(Shard::default());
        }
        let labels = self.images.labels_of(samples);
        let pixels = self.images.gather(samples, epoch);
        let images = Tensor::from_vec(pixels, &batch_shape(&network.plan, samples.len()), &Device::Cpu)?;
        let tape = network.device.is_cpu().then(Tape::new);
        let (logits, statistics) = network.train(&images.to_device(&network.device)?, training)?;
        let loss = ops::softmax_cross_entropy(&logits, &labels, total, self.model.label_smoothing)?;
        match tape {
            Some(tape) => tape.backward(&loss)?,
            None => absorb(&mut loss.backward()?, network, training.sinks)?,
        }
        let values = logits.detach().flatten_all()?.to_vec1::<f32>()?;
        let rows = values.chunks(network.plan.classes).zip(&labels);
        let right = rows.filter(|(row, label)| argmax(row) == **label as usize).count();
        Ok(Shard { loss: loss.to_scalar()?, right, statistics })
    }
}

/// Moves the gradients that candle computed into the sinks.
fn absorb(gradients: &mut GradStore, network: &Network, sinks: &Sinks) -> candle_core::Result<()> {
    for (i, sink) in sinks.iter().enumerate() {
        if let Some(sink) = sink {
            sink.absorb(gradients, &network.weights[i], Some(&network.weights[i + 1]))?;
        }
    }
    Ok(())
}

fn ensure_finite(loss: f64, place: impl Fn() -> String) -> anyhow::Result<()> {
    ensure!(
        loss.is_finite(),
        "the loss is {loss} {}: training has diverged (try a lower `learning_rate` or \
         `gradient_clipping: {{type: norm, limit: 1}}` in the model)",
        place()
    );
    Ok(())
}

/// Moves the running statistics of batch normalisation towards what the shards saw, weighted by their images.
fn remember(network: &Network, shards: &[(&[Statistics], usize)]) -> candle_core::Result<()> {
    let total: usize = shards.iter().map(|(_, rows)| rows).sum();
    let layers = shards.iter().map(|(statistics, _)| statistics.len()).max().unwrap_or(0);
    for layer in 0..layers {
        let mut sums: [Vec<f32>; 2] = Default::default();
        let mut parameter = 0;
        for (statistics, rows) in shards {
            let Some(seen) = statistics.get(layer) else { continue };
            parameter = seen.parameter;
            let share = *rows as f32 / total as f32;
            for (sum, seen) in sums.iter_mut().zip([&seen.mean, &seen.variance]) {
                let seen = seen.to_vec1::<f32>()?;
                sum.resize(seen.len(), 0.0);
                sum.iter_mut().zip(seen).for_each(|(sum, value)| *sum += share * value);
            }
        }
        let keep = momentum(network, parameter);
        for (i, sum) in sums.iter().enumerate() {
            update_in_place(&network.weights[parameter + i], |running| {
                running.iter_mut().zip(sum).for_each(|(r, s)| *r = *r * keep + s * (1.0 - keep));
            })?;
        }
    }
    Ok(())
}

/// The momentum of the batch normalisation that owns a running mean.
fn momentum(network: &Network, parameter: usize) -> f32 {
    let name = &network.plan.parameters[parameter].name;
    let layer = name.rsplit_once('.').map_or(name.as_str(), |(layer, _)| layer);
    match network.plan.step(layer).map(|s| &s.kind) {
        Some(LayerKind::BatchNorm(norm)) => norm.momentum,
        _ => unreachable!("only batch normalisation has running statistics, and `{name}` belongs to none"),
    }
}
