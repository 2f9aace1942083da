//! A network over many images, in batches of a fixed size spread over threads.

use candle_core::{Device, Tensor};

use super::network::{Network, batch_shape};
use super::threads::Threads;

/// Images in a batch. Fixed, so that how many threads there are cannot change the order of any sum.
const BATCH: usize = 64;

/// Runs `compute` on the images of the given rows of `pixels` ([N, H, W, C], normalised), and returns its results, one
/// row after the other.
///
/// # Errors
/// candle's.
pub fn over(
    network: &Network,
    threads: &Threads,
    pixels: &[f32],
    rows: &[u32],
    compute: impl Fn(&Tensor) -> candle_core::Result<Tensor> + Sync,
) -> candle_core::Result<Vec<f32>> {
    let image_len: usize = network.plan.input.iter().product();
    let batch = |rows: &[u32]| -> candle_core::Result<Vec<f32>> {
        let mut images = Vec::with_capacity(rows.len() * image_len);
        for &row in rows {
            images.extend_from_slice(&pixels[row as usize * image_len..][..image_len]);
        }
        let images = Tensor::from_vec(images, &batch_shape(&network.plan, rows.len()), &Device::Cpu)?;
        compute(&images.to_device(&network.device)?)?.flatten_all()?.to_vec1()
    };
    let mut results = Vec::new();
    for part in threads.map(rows.chunks(BATCH).collect(), batch) {
        results.extend(part?);
    }
    Ok(results)
}

/// The class with the largest value in a row; the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Cross-entropy between the softmax of a row of logits and a label, in f64.
pub fn cross_entropy(logits: &[f32], label: usize, smoothing: f32) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let log_sum = logits.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln() + max;
    let smoothing = f64::from(smoothing);
    let even: f64 = logits.iter().map(|&x| log_sum - f64::from(x)).sum::<f64>() / logits.len() as f64;
    (1.0 - smoothing) * (log_sum - f64::from(logits[label])) + smoothing * even
}
