//! How many images a second a model trains on, or classifies: the trainer of the `train` kind on random images.
//!
//! `throughput <train|infer|train-bf16|infer-bf16> MODEL.yaml BATCH THREADS SECONDS [SIDE]` prints a line of JSON with the rate of each window
//! of about half a second and, on Linux, how many pages of memory the process was given in it. `throughput model MODEL.yaml`
//! prints the model, `extends` followed and defaults filled in, and how many operations an image of 28 x 28 takes.
//! `bench/training.py` runs it beside PyTorch and Keras, and `bench/recipe.py` has it print the model. Images are not varied:
//! a model's augmentation is left out.
#![allow(clippy::print_stdout, reason = "a program that prints its result")]

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use candle_core::Device;
use stages::model::plan::{Shape, Step};
use stages::model::threads::Threads;
use stages::model::{LayerKind, Plan, inference, load};
use stages::ops::Precision;
use stages::rng::Rng;
use stages::train::epoch::Trainer;
use stages::train::images::Images;
use stages::train::params::Params;
use stages::train::state::TrainState;

const CLASSES: usize = 5;
const WINDOW: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, name: &str| arguments.get(i).with_context(|| format!("{name} is missing"));
    let number = |i: usize, name: &str| -> anyhow::Result<usize> { Ok(argument(i, name)?.parse()?) };
    let (mode, model) = (argument(0, "train, infer or model")?.as_str(), argument(1, "MODEL.yaml")?);
    let model = load::read(Path::new(model)).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    if mode == "model" {
        let plan = Plan::new(&model, [28, 28, 1], CLASSES)?;
        let forward = operations(&plan.steps, &plan);
        // Backward, each product is taken twice more: for the weights and for the inputs, of which the image needs none.
        let train = 3 * forward - operations(&plan.steps[..1], &plan);
        println!("{}", serde_json::json!({"model": model, "operations": {"infer": forward, "train": train}}));
        return Ok(());
    }
    let (batch_size, threads, seconds) = (number(2, "BATCH")?, number(3, "THREADS")?, number(4, "SECONDS")?);
    let side = if arguments.len() > 5 { number(5, "SIDE")? } else { 28 };

    let threads = Threads::new(threads)?;
    let images = 2048_usize.next_multiple_of(batch_size);
    let mut rng = Rng::new(0, "throughput", 0);
    let pixels: Vec<f32> = (0..images * side * side).map(|_| rng.uniform()).collect();
    let labels: Vec<u32> = (0..images).map(|_| rng.below(CLASSES) as u32).collect();
    let rows: Vec<u32> = (0..images as u32).collect();
    let params = Params { batch_size, ..Params::default() };
    let plan = Plan::new(&model, [side, side, 1], CLASSES)?;
    let (mode, precision) =
        mode.strip_suffix("-bf16").map_or((mode, Precision::Float32), |mode| (mode, Precision::Bf16));
    let mut state = TrainState::new(&model, plan, 0, &Device::Cpu)?.with_precision(precision)?;
    let rates = RefCell::new(Rates {
        last: Instant::now(),
        images: 0,
        rates: Vec::new(),
        faults: page_faults(),
        pages: Vec::new(),
    });
    let start = Instant::now();
    // The first window warms up.
    let enough = || start.elapsed() > WINDOW + Duration::from_secs(seconds as u64) && rates.borrow().rates.len() > 1;
    match mode {
        "train" => {
            let shape = [side, side, 1];
            let set = Images { pixels: &pixels, labels: &labels, shape, rows: &rows, augmentation: None, seed: 0 };
            let trainer = Trainer::new(&model, &params, set, &rows[..1], &threads, &state.network);
            while !enough() {
                trainer.epoch(&mut state, &|_, _| rates.borrow_mut().add(batch_size))?;
            }
        }
        "infer" => {
            while !enough() {
                inference::over(&state.network, &threads, &pixels, &rows, |x| state.network.logits(x))?;
                rates.borrow_mut().add(images);
            }
        }
        other => anyhow::bail!("`{other}` is none of train, infer, train-bf16, infer-bf16 and model"),
    }
    let Rates { rates, pages, .. } = rates.into_inner();
    println!("{}", serde_json::json!({"images_per_second": rates[1..], "page_faults": pages[1..]}));
    Ok(())
}

/// Multiplications and additions of the convolutions and dense layers for one image, forward, as their definition has them.
fn operations(steps: &[Step], plan: &Plan) -> u64 {
    let of = |step: &Step| {
        let own = match (&step.kind, step.output) {
            (LayerKind::Conv(_), Shape::Image(h, w, _)) => h * w * plan.parameters[step.parameters.start].len(),
            (LayerKind::Dense(_), _) => plan.parameters[step.parameters.start].len(),
            _ => 0,
        };
        let inner: u64 = step.inner.iter().map(|steps| operations(steps, plan)).sum();
        let projection = step.projection.as_deref().map_or(0, |p| operations(std::slice::from_ref(p), plan));
        2 * own as u64 + inner + projection
    };
    steps.iter().map(of).sum()
}

struct Rates {
    last: Instant,
    images: usize,
    rates: Vec<f64>,
    faults: u64,
    pages: Vec<u64>,
}

/// Pages given to this process so far that were not on disk: 0 where the system does not say.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces; `minflt` is the eighth field behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    behind.split_whitespace().nth(7).and_then(|field| field.parse().ok()).unwrap_or_default()
}

impl Rates {
    fn add(&mut self, images: usize) {
        self.images += images;
        if self.last.elapsed() >= WINDOW {
            self.rates.push(self.images as f64 / self.last.elapsed().as_secs_f64());
            let faults = page_faults();
            self.pages.push(faults - self.faults);
            (self.last, self.images, self.faults) = (Instant::now(), 0, faults);
        }
    }
}
