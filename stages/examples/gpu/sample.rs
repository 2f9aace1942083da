//! The images of the sample, as the networks take them.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Side of an image.
pub(crate) const SIDE: usize = 28;
/// Labels of the sample.
pub(crate) const CLASSES: usize = 10;

/// Images and their labels.
pub(crate) struct Sample {
    pub(crate) pixels: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    /// Every sixth image is for validation.
    pub(crate) training: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

/// The first images of the sample.
pub(crate) fn read(folder: &Path, images: usize) -> anyhow::Result<Sample> {
    let folder = folder.join("data/sample");
    let pixels = unpacked(&folder.join("train-images-idx3-ubyte.gz"), 16)?;
    let labels = unpacked(&folder.join("train-labels-idx1-ubyte.gz"), 8)?;
    ensure!(pixels.len() == labels.len() * SIDE * SIDE, "{}: images and labels do not fit", folder.display());
    let images = images.min(labels.len());
    // Mean and standard deviation of Fashion-MNIST.
    let normal = |byte: &u8| (f32::from(*byte) / 255.0 - 0.286) / 0.353;
    let (validation, training) = (0..images as u32).partition(|row| row % 6 == 0);
    Ok(Sample {
        pixels: pixels[..images * SIDE * SIDE].iter().map(normal).collect(),
        labels: labels[..images].iter().map(|label| u32::from(*label)).collect(),
        training,
        validation,
    })
}

fn unpacked(path: &Path, header: usize) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    ensure!(bytes.len() > header, "{} is too short", path.display());
    Ok(bytes.split_off(header))
}
