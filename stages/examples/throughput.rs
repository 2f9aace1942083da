//! Training speed of a model: `throughput MODEL.yaml [batch] [threads] [seconds] [height] [width]` prints samples a second.
#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use candle_core::Device;
use stages::model::threads::Threads;
use stages::model::{Plan, inference, load};
use stages::rng::Rng;
use stages::train::epoch::Trainer;
use stages::train::images::Images;
use stages::train::params::Params;
use stages::train::state::TrainState;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| "models/model-1.yaml".into());
    let mut number = |default: usize| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (batch_size, threads, seconds, h, w) = (number(32), number(2), number(5), number(28), number(28));
    let model = load::read(Path::new(&model)).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let threads = Threads::new(threads)?;
    let images = 32 * batch_size;
    let mut rng = Rng::new(0, "throughput", 0);
    let pixels: Vec<f32> = (0..images * h * w).map(|_| rng.uniform() * rng.uniform()).collect();
    let labels: Vec<u32> = (0..images).map(|_| rng.below(5) as u32).collect();
    let rows: Vec<u32> = (0..images as u32).collect();
    let params = Params { batch_size, ..Params::default() };
    let mut state = TrainState::new(&model, Plan::new(&model, [h, w, 1], 5)?, 0, &Device::Cpu)?;
    let set = Images { pixels: &pixels, labels: &labels, shape: [h, w, 1], rows: &rows, augmentation: None, seed: 0 };
    let trainer = Trainer::new(&model, &params, set, &rows[..batch_size], &threads, &state.network);

    // Windows of eight steps; the best and the median, since other programs take their share of the machine.
    let mut rates = Vec::new();
    let start = Instant::now();
    while start.elapsed().as_secs() < seconds as u64 {
        let last = Cell::new(Instant::now());
        let windows = std::cell::RefCell::new(Vec::new());
        trainer.epoch(&mut state, &|step, _| {
            if step % 8 == 0 {
                windows
                    .borrow_mut()
                    .push((8 * batch_size) as f64 / last.replace(Instant::now()).elapsed().as_secs_f64());
            }
        })?;
        rates.append(&mut windows.into_inner());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{} batch {batch_size}: train best {:.0} median {:.0} samples/s",
        model.name,
        rates[rates.len() - 1],
        rates[rates.len() / 2]
    );

    let mut rates = Vec::new();
    let start = Instant::now();
    while start.elapsed().as_secs() < seconds as u64 {
        let begin = Instant::now();
        inference::over(&state.network, &threads, &pixels, &rows, |x| state.network.logits(x))?;
        rates.push(images as f64 / begin.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{}: inference best {:.0} median {:.0} samples/s",
        model.name,
        rates[rates.len() - 1],
        rates[rates.len() / 2]
    );
    Ok(())
}
