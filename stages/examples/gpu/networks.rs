//! Each family of networks on the device and on the CPU: the first gradients, and what an epoch on the sample comes to.

use candle_core::{Device, Tensor};
use stages::model::network::{Training, batch_shape};
use stages::model::threads::Threads;
use stages::model::{Model, Plan};
use stages::ops;
use stages::train::epoch::Trainer;
use stages::train::images::Images;
use stages::train::params::Params;
use stages::train::state::TrainState;

use crate::operators::worse;
use crate::rows::Rows;
use crate::sample::{self, CLASSES, SIDE, Sample};
use crate::{Settings, rounds_factors};

/// Dense layers, convolutions, a residual block, normalisation with residual blocks, inceptions, and all that our own network has.
pub(crate) const FAMILIES: [&str; 6] = ["model-1", "model-5", "model-7", "resnet", "googlenet", "own-long"];
/// Of the norm of all gradients of a network. A difference of one operator passes through the next, and a value next to 0 is cut by a
/// ReLU on one side only: both make some ten times what an operator alone has.
const GRADIENTS: f64 = 1e-3;
/// The same where factors of products are rounded to 11 bits.
const ROUNDED: f64 = 3e-2;
/// An epoch makes many steps of small differences: two runs that agree end near each other, not on the same bits.
const LOSS: f64 = 0.1;
const ACCURACY: f64 = 0.05;

pub(crate) fn compare(settings: &Settings, device: &Device, rows: &mut Rows) -> anyhow::Result<()> {
    let sample = sample::read(&settings.folder, settings.images)?;
    let limit = if rounds_factors() && device.is_cuda() { ROUNDED } else { GRADIENTS };
    for name in FAMILIES {
        let result = settings.model(name).and_then(|model| {
            let (logits, gradients) = first_step(&model, &sample, device)?;
            rows.difference(&format!("{name}, first step: logits"), logits, limit)?;
            rows.difference(&format!("{name}, first step: gradients"), gradients, limit)?;
            let (there, seconds) = epoch(&model, &sample, settings, device)?;
            let (here, _) = epoch(&model, &sample, settings, &Device::Cpu)?;
            let (loss, accuracy) = ((there.0 / here.0 - 1.0).abs(), (there.1 - here.1).abs());
            let what = format!("{name}, an epoch of {} images in {seconds:.1} s", sample.training.len());
            rows.difference(&format!("{what}: loss, {:.3} on the CPU", here.0), loss, LOSS)?;
            rows.difference(&format!("{what}: accuracy, {:.3} on the CPU", here.1), accuracy, ACCURACY)
        });
        if let Err(error) = result {
            rows.failed(name, &format!("{error:#}"))?;
        }
    }
    Ok(())
}

/// The state before the first epoch.
pub(crate) fn fresh(model: &Model, device: &Device) -> anyhow::Result<TrainState> {
    TrainState::new(model, Plan::new(model, [SIDE, SIDE, 1], CLASSES)?, 0, device)
}

/// Images of the sample for training.
pub(crate) fn images<'a>(sample: &'a Sample, model: &'a Model) -> Images<'a> {
    let shape = [SIDE, SIDE, 1];
    let augmentation = model.augmentation.as_ref();
    Images { pixels: &sample.pixels, labels: &sample.labels, shape, rows: &sample.training, augmentation, seed: 0 }
}

/// Differences of the logits and of all gradients of a first batch, relative to their norms.
fn first_step(model: &Model, sample: &Sample, device: &Device) -> anyhow::Result<(f64, f64)> {
    let (logits, gradients) = gradients(model, sample, &Device::Cpu)?;
    let (logits_there, gradients_there) = self::gradients(model, sample, device)?;
    Ok((apart(&logits_there, &logits), apart(&gradients_there, &gradients)))
}

fn gradients(model: &Model, sample: &Sample, device: &Device) -> anyhow::Result<(Vec<f32>, Vec<f32>)> {
    let network = fresh(model, device)?.network;
    let batch = &sample.training[..sample.training.len().min(64)];
    let set = images(sample, model);
    let pixels = Tensor::from_vec(set.gather(batch, 1), &batch_shape(&network.plan, batch.len()), device)?;
    let labels: Vec<u32> = set.labels_of(batch);
    // Without sinks, so that both sides leave the gradients in the same place.
    let sinks = network.weights.iter().map(|_| None).collect();
    let (logits, _) = network.train(&pixels, &Training { sinks: &sinks, seed: 0, step: 0, first_row: 0 })?;
    let store = ops::softmax_cross_entropy(&logits, &labels, batch.len(), model.label_smoothing)?.backward()?;
    let mut gradients = Vec::new();
    for weight in &network.weights {
        if let Some(gradient) = store.get(weight) {
            gradients.extend(gradient.flatten_all()?.to_vec1::<f32>()?);
        }
    }
    Ok((logits.flatten_all()?.to_vec1()?, gradients))
}

/// The norm of a difference, relative to the norm of what is expected.
pub(crate) fn apart(values: &[f32], expected: &[f32]) -> f64 {
    if values.len() != expected.len() {
        return f64::NAN;
    }
    let norm = |each: &mut dyn Iterator<Item = f64>| each.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut values.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    worse(difference / norm(&mut expected.iter().map(|x| f64::from(*x))), 0.0)
}

/// Loss and accuracy on the validation images after an epoch, and how long it took.
fn epoch(model: &Model, sample: &Sample, settings: &Settings, device: &Device) -> anyhow::Result<((f64, f64), f64)> {
    let start = std::time::Instant::now();
    let threads = if device.is_cpu() { std::thread::available_parallelism()?.get().min(4) } else { settings.threads };
    let state = trained(model, sample, fresh(model, device)?, 1, threads)?;
    let last = state.history.last().map_or((f64::NAN, f64::NAN), |epoch| (epoch.val_loss, epoch.val_accuracy));
    let finished = state.network.values()?;
    anyhow::ensure!(finished.iter().flatten().all(|x| x.is_finite()), "the network has values that are no numbers");
    Ok((last, start.elapsed().as_secs_f64()))
}

/// A state some epochs later.
pub(crate) fn trained(
    model: &Model,
    sample: &Sample,
    mut state: TrainState,
    epochs: usize,
    threads: usize,
) -> anyhow::Result<TrainState> {
    let (params, threads) = (Params { epochs: 2, ..Params::default() }, Threads::new(threads)?);
    let trainer = Trainer::new(model, &params, images(sample, model), &sample.validation, &threads, &state.network);
    for _ in 0..epochs {
        trainer.epoch(&mut state, &|_, _| ())?;
    }
    Ok(state)
}
