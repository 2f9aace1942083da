//! The parameters of the `train` kind.

use serde::{Deserialize, Serialize};

use crate::ops::Precision;

/// `with:` of a `train` stage. How the weights follow the gradients is the model file's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Passes over the training images; early stopping may end sooner.
    pub epochs: usize,
    /// Images in a step.
    pub batch_size: usize,
    /// Decides initial weights, order, dropout and augmentation.
    pub seed: u64,
    /// Whether every epoch sees the images in another order.
    pub shuffle: bool,
    /// What the operands of convolutions and dense layers are rounded to, in both directions. Weights, sums and all else stay float32.
    #[serde(skip_serializing_if = "Precision::is_default")]
    #[schemars(extend("default" = "float32"))]
    pub precision: Precision,
}

impl Default for Params {
    fn default() -> Self {
        Self { epochs: 10, batch_size: 32, seed: 0, shuffle: true, precision: Precision::Float32 }
    }
}
