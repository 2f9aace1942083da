//! The figures of every epoch: `history.csv`.

use serde::{Deserialize, Serialize};

/// One epoch's figures. Where the model asks for an average of the weights, the validation images are judged by it, and the
/// training images by the weights that are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Mean loss over the training images, each as it was when its batch came.
    pub loss: f64,
    /// Share of them that was classified rightly then.
    pub accuracy: f64,
    /// Mean loss over the validation images after the epoch.
    pub val_loss: f64,
    /// Share of them that is classified rightly.
    pub val_accuracy: f64,
}
