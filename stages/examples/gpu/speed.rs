//! Images a second in training and inference, the most memory, and how often a step calls CUDA.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use candle_core::Device;
use stages::model::inference;
use stages::model::threads::Threads;
use stages::train::epoch::Trainer;
use stages::train::params::Params;

use crate::memory;
use crate::networks::{fresh, images};
use crate::rows::Rows;
use crate::sample::{SIDE, Sample};
use crate::{Settings, sample};

const MODELS: [&str; 3] = ["model-1", "model-5", "resnet"];
const BATCHES: [usize; 3] = [32, 128, 512];

pub(crate) fn measure(settings: &Settings, device: &Device, rows: &mut Rows) -> anyhow::Result<()> {
    let sample = every_image(settings)?;
    for name in MODELS {
        for batch in BATCHES {
            memory::reset(device);
            let rate = training(settings, name, &sample, batch, settings.seconds, None, device)?;
            let memory = memory::peak(device).map_or(String::new(), |mib| format!(", at most {mib:.0} MiB"));
            let calls = calls(settings, name, batch, device)?;
            let result = format!("{rate:.0} images/s{memory}{calls}");
            rows.measured(&format!("train {name}, batch {batch}: Kiln"), &result)?;
        }
        let rate = classifying(settings, name, &sample, device)?;
        rows.measured(&format!("infer {name}: Kiln"), &format!("{rate:.0} images/s"))?;
    }
    Ok(())
}

/// Takes some steps of training on the device that the settings name.
pub(crate) fn steps(settings: &Settings, name: &str, batch: usize, steps: usize) -> anyhow::Result<()> {
    let device = stages::model::device::device(&settings.device)?;
    training(settings, name, &every_image(settings)?, batch, 0.0, Some(steps), &device)?;
    Ok(())
}

/// All images for training, one of them for validation.
fn every_image(settings: &Settings) -> anyhow::Result<Sample> {
    let mut sample = sample::read(&settings.folder, settings.images)?;
    sample.training = (0..sample.labels.len() as u32).collect();
    sample.validation = vec![0];
    Ok(sample)
}

/// Images a second over whole epochs until the time is over, the first not counted; or just so many steps.
fn training(
    settings: &Settings,
    name: &str,
    sample: &Sample,
    batch: usize,
    seconds: f64,
    steps: Option<usize>,
    device: &Device,
) -> anyhow::Result<f64> {
    // Augmentation is work of the CPU before the step.
    let model = stages::model::Model { augmentation: None, ..settings.model(name)? };
    let mut state = fresh(&model, device)?;
    // Only whole batches.
    let steps_of_epoch = steps.unwrap_or_else(|| (sample.training.len() / batch).max(1));
    let rows: Vec<u32> = sample.training.iter().copied().cycle().take(steps_of_epoch * batch).collect();
    let params = Params { batch_size: batch, ..Params::default() };
    let threads = Threads::new(settings.threads)?;
    let set = stages::train::images::Images { rows: &rows, ..images(sample, &model) };
    let trainer = Trainer::new(&model, &params, set, &sample.validation, &threads, &state.network);
    trainer.epoch(&mut state, &|_, _| ())?;
    if steps.is_some() {
        return Ok(0.0);
    }
    let (start, finished) = (Instant::now(), RefCell::new((0usize, 0.0)));
    while finished.borrow().1 < seconds {
        let before = finished.borrow().0;
        trainer.epoch(&mut state, &|step, _| {
            *finished.borrow_mut() = (before + step * batch, start.elapsed().as_secs_f64());
        })?;
    }
    let (images, seconds) = finished.into_inner();
    Ok(images as f64 / seconds)
}

fn classifying(settings: &Settings, name: &str, sample: &Sample, device: &Device) -> anyhow::Result<f64> {
    let network = fresh(&settings.model(name)?, device)?.network;
    let threads = Threads::new(settings.threads)?;
    let once = || inference::over(&network, &threads, &sample.pixels, &sample.training, |x| network.logits(x));
    once()?;
    let (start, mut images) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < settings.seconds {
        images += once()?.len() / network.plan.classes;
    }
    ensure!(sample.pixels.len() == sample.labels.len() * SIDE * SIDE, "the sample has other images than labels");
    Ok(images as f64 / start.elapsed().as_secs_f64())
}

/// Calls of CUDA's functions in a step, by what two processes that take different numbers of steps differ in. Only a program whose
/// libraries were linked by `bench/gpu` counts.
fn calls(settings: &Settings, model: &str, batch: usize, device: &Device) -> anyhow::Result<String> {
    if !device.is_cuda() {
        return Ok(String::new());
    }
    let folder = tempfile::tempdir()?;
    let counted = |steps: usize| -> anyhow::Result<Calls> {
        let file = folder.path().join(steps.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("step").arg(&settings.folder).args([model, &batch.to_string(), &steps.to_string()]);
        let done = command.arg(&settings.device).env("KILN_CUDA_CALLS", &file).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Calls::read(&file)
    };
    let (few, many) = (counted(2)?, counted(6)?);
    let each = |of: fn(&Calls) -> u64| of(&many).saturating_sub(of(&few)) as f64 / 4.0;
    if many.launches == 0 {
        return Ok(", calls not counted".to_owned());
    }
    Ok(format!(
        ", a step: {:.0} launches, {:.0} products of cuBLAS, {:.0} convolutions of cuDNN, {:.0} copies, {:.0} allocations",
        each(|c| c.launches),
        each(|c| c.products),
        each(|c| c.convolutions),
        each(|c| c.copies),
        each(|c| c.allocations),
    ))
}

/// How often each kind of function was called.
#[derive(Default)]
struct Calls {
    launches: u64,
    products: u64,
    convolutions: u64,
    copies: u64,
    allocations: u64,
}

impl Calls {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut calls = Self::default();
        // A program that counts nothing writes no file.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            let (name, count) = line.split_once(' ').context("a line of the counts has no number")?;
            let count: u64 = count.parse()?;
            let to = match name {
                _ if name.starts_with("cuLaunchKernel") => &mut calls.launches,
                _ if name.starts_with("cublas") && name.to_lowercase().contains("gemm") => &mut calls.products,
                "cudnnConvolutionForward" | "cudnnConvolutionBackwardData" | "cudnnConvolutionBackwardFilter" => {
                    &mut calls.convolutions
                }
                _ if name.starts_with("cuMemcpy") => &mut calls.copies,
                _ if name.starts_with("cuMemAlloc") => &mut calls.allocations,
                _ => continue,
            };
            *to += count;
        }
        Ok(calls)
    }
}
