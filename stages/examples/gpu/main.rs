//! Holds a device against the CPU: every operator, one epoch of each family of networks, a resumed training; and how fast it trains.
//!
//! `gpu check FOLDER [--device cuda:0] [--rows FILE] [--only PART]... [--images 3000] [--seconds 3] [--threads 1]` works in a folder
//! that has `models/` and `data/sample/`. Each row of the result is printed as soon as it is known, and appended to FILE as JSON.
//! Parts are `operators`, `networks`, `resume` and `speed`. `gpu table FILE...` prints the rows of files as one table. Both end with
//! status 1 where something disagrees. `gpu step MODEL BATCH STEPS DEVICE` takes some steps and nothing else: the calls of CUDA in it
//! are counted. `gpu model FOLDER MODEL` prints a model, `extends` followed and defaults filled in.
//!
//! On a GPU Kiln composes its operators of candle's ([`stages::ops::portable`]). With `--device cpu` the second side is that form on the
//! CPU where operators are compared, and the CPU itself elsewhere, so that all but CUDA can be tried without a GPU.
#![allow(clippy::print_stdout, reason = "a program that prints its result")]

mod memory;
mod networks;
mod operators;
mod resume;
mod rows;
mod sample;
mod speed;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use candle_core::Device;
use rows::Rows;

type Part = fn(&Settings, &Device, &mut Rows) -> anyhow::Result<()>;

/// What is compared and how.
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) device: String,
    pub(crate) only: Vec<String>,
    pub(crate) images: usize,
    pub(crate) seconds: f64,
    pub(crate) threads: usize,
}

impl Settings {
    pub(crate) fn model(&self, name: &str) -> anyhow::Result<stages::model::Model> {
        let path = self.folder.join("models").join(name).with_extension("yaml");
        stages::model::load::read(&path).map_err(|e| anyhow::anyhow!("{}: {e:?}", path.display()))
    }
}

/// Whether NVIDIA's libraries may round the factors of float32 products to 11 bits (TF32), as cuDNN does unless told otherwise.
pub(crate) fn rounds_factors() -> bool {
    std::env::var("NVIDIA_TF32_OVERRIDE").as_deref() != Ok("0")
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().context("`check`, `table`, `step` or `model` is missing")?;
    let rest: Vec<String> = arguments.collect();
    let agrees = match mode.as_str() {
        "check" => check(&rest)?,
        "table" => rows::table(&rest)?,
        "step" => {
            let [folder, model, batch, steps, device] = rest.as_slice() else {
                bail!("`step` takes FOLDER MODEL BATCH STEPS DEVICE")
            };
            let settings = Settings { folder: folder.into(), device: device.clone(), ..Settings::default() };
            speed::steps(&settings, model, batch.parse()?, steps.parse()?)?;
            true
        }
        "model" => {
            let [folder, model] = rest.as_slice() else { bail!("`model` takes FOLDER MODEL") };
            let settings = Settings { folder: folder.into(), ..Settings::default() };
            println!("{}", serde_json::to_string(&settings.model(model)?)?);
            true
        }
        other => bail!("`{other}` is none of `check`, `table`, `step` and `model`"),
    };
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Default for Settings {
    fn default() -> Self {
        let device = "cuda:0".to_owned();
        Self { folder: ".".into(), device, only: Vec::new(), images: 3000, seconds: 3.0, threads: 1 }
    }
}

fn check(arguments: &[String]) -> anyhow::Result<bool> {
    let mut settings = Settings::default();
    let (mut file, mut arguments) = (None, arguments.iter());
    settings.folder = arguments.next().context("the folder is missing")?.into();
    while let Some(option) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{option} wants a value"))?;
        match option.as_str() {
            "--device" => settings.device.clone_from(value),
            "--rows" => file = Some(PathBuf::from(value)),
            "--only" => settings.only.push(value.clone()),
            "--images" => settings.images = value.parse().context("--images")?,
            "--seconds" => settings.seconds = value.parse().context("--seconds")?,
            "--threads" => settings.threads = value.parse().context("--threads")?,
            _ => bail!("there is no option {option}"),
        }
    }
    let device = stages::model::device::device(&settings.device)?;
    let mut rows = Rows::new(file)?;
    let parts: [(&str, Part); 4] = [
        ("operators", operators::compare),
        ("networks", networks::compare),
        ("resume", resume::compare),
        ("speed", speed::measure),
    ];
    if let Some(unknown) = settings.only.iter().find(|only| parts.iter().all(|(name, _)| name != only)) {
        bail!("there is no part `{unknown}`");
    }
    for (name, part) in parts {
        if settings.only.is_empty() || settings.only.iter().any(|only| only == name) {
            // A part that fails is a row like one that disagrees, so that the others are still tried.
            if let Err(error) = part(&settings, &device, &mut rows) {
                rows.failed(name, &format!("{error:#}"))?;
            }
        }
    }
    Ok(rows.agree())
}
