//! `describe`: the extremes of every pixel column over all images, and the summary of those two series.

mod summary;

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::artifact::dataset::{Dataset, Pixels};
use crate::artifact::write_json;
use crate::kind::{self, Arity, Context, Kind, Output, Port, Reads, Role, schema};

use summary::Summary;

/// Describes the pixels of image sets.
pub const KIND: Kind = Kind {
    name: "describe",
    summary: "Summarise the pixel columns and the classes of image sets",
    inputs: &[Port {
        name: "data",
        doc: "image sets with the same image shape and the same classes; they are described as one",
        arity: Arity::Many,
        reads: Reads::Artifact,
    }],
    outputs: &[
        Output {
            name: "columns",
            file: "columns.csv",
            role: Role::Data,
            doc: "pixel,min,max: the extremes of every pixel column; `pixel` counts from 0, row-major over [H, W, C]",
        },
        Output {
            name: "statistics",
            file: "statistics.json",
            role: Role::Metrics,
            doc: "`images`; `classes`: class name -> images; `max` and `min`: count, mean, std (n-1), min, 25%, 50%, \
                  75%, max of that column of `columns`",
        },
    ],
    check: kind::check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "data/describe.rs",
};

/// `describe` has no parameters.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What `statistics.json` holds.
#[derive(serde::Serialize)]
struct Statistics<'a> {
    images: usize,
    classes: Counts<'a>,
    max: Summary,
    min: Summary,
}

/// Images by class, in class order.
struct Counts<'a>(Vec<(&'a str, u64)>);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in &self.0 {
            map.serialize_entry(name, count)?;
        }
        map.end()
    }
}

fn run(_: &Value, context: &Context) -> anyhow::Result<()> {
    let inputs = context.all("data");
    let sets: Vec<Dataset> = inputs.iter().map(|input| Dataset::open(&input.path)).collect::<anyhow::Result<_>>()?;
    let first = sets.first().context("input `data` was not given")?;
    let mut extremes = Extremes::new(first.image_len());
    let mut counts = vec![0u64; first.classes.len()];
    for (set, input) in sets.iter().zip(inputs) {
        let path = input.path.display();
        ensure!(
            set.shape[1..] == first.shape[1..],
            "the images of {path} are {:?}, those of {} are {:?}",
            &set.shape[1..],
            inputs[0].path.display(),
            &first.shape[1..]
        );
        ensure!(
            set.classes == first.classes,
            "the classes of {path} are {:?}, those of {} are {:?}",
            set.classes,
            inputs[0].path.display(),
            first.classes
        );
        match set.pixels()? {
            Pixels::U8(pixels) => extremes.add(pixels),
            Pixels::F32(pixels) => extremes.add(&pixels),
        }
        for &label in &set.labels {
            counts[label as usize] += 1;
        }
    }
    let images = sets.iter().map(Dataset::len).sum();
    ensure!(images > 0 && !extremes.min.is_empty(), "there is no pixel to describe");
    ensure!(
        extremes.min.iter().chain(&extremes.max).all(|v| v.is_finite()),
        "a pixel is infinite, or a column holds nothing but NaN"
    );
    extremes.write(context.output("columns")?)?;
    let statistics = Statistics {
        images,
        classes: Counts(first.classes.iter().map(String::as_str).zip(counts).collect()),
        max: Summary::of(&extremes.max),
        min: Summary::of(&extremes.min),
    };
    write_json(context.output("statistics")?, &statistics)
}

/// The smallest and the largest value of every pixel column.
struct Extremes {
    min: Vec<f32>,
    max: Vec<f32>,
}

impl Extremes {
    fn new(columns: usize) -> Self {
        Self { min: vec![f32::INFINITY; columns], max: vec![f32::NEG_INFINITY; columns] }
    }

    /// Takes in the images of a set. NaN is passed over.
    fn add<T: Copy + Into<f32>>(&mut self, pixels: &[T]) {
        if self.min.is_empty() {
            return;
        }
        for image in pixels.chunks_exact(self.min.len()) {
            for ((min, max), &value) in self.min.iter_mut().zip(&mut self.max).zip(image) {
                let value = value.into();
                *min = min.min(value);
                *max = max.max(value);
            }
        }
    }

    fn write(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let mut text = Vec::from(*b"pixel,min,max\n");
        for (pixel, (min, max)) in self.min.iter().zip(&self.max).enumerate() {
            // `{}` is the shortest text that reads back as the same f32: 255, not 255.0.
            writeln!(text, "{pixel},{min},{max}")?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
