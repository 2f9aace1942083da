//! The moving average of a network's weights.
//!
//! The weights of single steps swing about a good point, and their mean lies nearer to it (Polyak and Juditsky, 1992). An
//! exponential average forgets the weights of long ago.

use crate::model::Network;
use crate::model::recipe::Ema;
use crate::model::threads::Threads;
use crate::ops::optimiser::{move_average, read, update_in_place};

use super::optimiser::PIECE;

/// Moves the average towards the network's weights after a step, counted from 1. Running statistics of batch normalisation
/// move like weights.
///
/// # Errors
/// candle's.
pub fn follow(
    average: &Network,
    network: &Network,
    ema: &Ema,
    step: u64,
    threads: &Threads,
) -> candle_core::Result<()> {
    let keep = share_kept(ema, step);
    for (average, weight) in average.weights.iter().zip(&network.weights) {
        read(weight, |values| update_in_place(average, |average| halves(average, values, keep, threads)))??;
    }
    Ok(())
}

/// The share of the average that a step keeps: less at first, so that the fresh weights are forgotten. TensorFlow's rule for
/// `tf.train.ExponentialMovingAverage` with `num_updates`.
fn share_kept(ema: &Ema, step: u64) -> f32 {
    let step = step as f32;
    ema.momentum.min((1.0 + step) / (10.0 + step))
}

/// Each element moves by itself, so a parameter can be cut anywhere.
fn halves(average: &mut [f32], values: &[f32], keep: f32, threads: &Threads) {
    if average.len() <= PIECE {
        return move_average(average, values, keep);
    }
    let middle = average.len() / 2;
    let (average, average_2) = average.split_at_mut(middle);
    let (values, values_2) = values.split_at(middle);
    threads.join(|| halves(average, values, keep, threads), || halves(average_2, values_2, keep, threads));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_weights_are_forgotten() {
        let ema = Ema { momentum: 0.99 };
        assert_eq!([1, 8, 890, 2000].map(|step| share_kept(&ema, step)), [2.0 / 11.0, 0.5, 0.99, 0.99]);
        assert!(share_kept(&ema, 880) < 0.99);
    }
}
