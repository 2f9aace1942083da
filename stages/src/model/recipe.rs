//! How a model is trained: optimiser, schedule, early stopping, augmentation, clipping and averaging, with their defaults.

use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spec::{Flaw, flaw};

/// The optimisers, in Keras's form and with its defaults.
///
/// `weight_decay` is decoupled from the gradient (Loshchilov and Hutter, 2017): a step first multiplies kernels by
/// 1 - rate * decay. Biases and batch normalisation are not decayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent.
    Sgd {
        /// 0.01 unless given.
        #[serde(default = "sgd_rate")]
        learning_rate: f32,
        /// The share of the last step that the next one repeats; 0 unless given.
        #[serde(default)]
        momentum: f32,
        /// Nesterov's form of the momentum.
        #[serde(default)]
        nesterov: bool,
        /// 0 unless given.
        #[serde(default)]
        weight_decay: f32,
    },
    /// Adam (Kingma and Ba, 2014).
    Adam {
        /// 0.001 unless given.
        #[serde(default = "adam_rate")]
        learning_rate: f32,
        /// Memory of the first moment; 0.9 unless given.
        #[serde(default = "adam_beta_1")]
        beta_1: f32,
        /// Memory of the second moment; 0.999 unless given.
        #[serde(default = "adam_beta_2")]
        beta_2: f32,
        /// Added to the root of the uncorrected second moment; 1e-7 unless given.
        #[serde(default = "adam_epsilon")]
        epsilon: f32,
        /// 0 unless given.
        #[serde(default)]
        weight_decay: f32,
    },
    /// Adam with weight decay.
    #[serde(rename = "adamw")]
    AdamW {
        /// 0.001 unless given.
        #[serde(default = "adam_rate")]
        learning_rate: f32,
        /// Memory of the first moment; 0.9 unless given.
        #[serde(default = "adam_beta_1")]
        beta_1: f32,
        /// Memory of the second moment; 0.999 unless given.
        #[serde(default = "adam_beta_2")]
        beta_2: f32,
        /// Added to the root of the uncorrected second moment; 1e-7 unless given.
        #[serde(default = "adam_epsilon")]
        epsilon: f32,
        /// 0.004 unless given.
        #[serde(default = "adamw_decay")]
        weight_decay: f32,
    },
    /// Muon (Jordan et al., 2024) for every kernel but the last, its steps as large as AdamW's (Liu et al., 2025); AdamW for the
    /// last kernel, biases and batch normalisation.
    ///
    /// Each step makes the momentum of a kernel nearly orthogonal, as a matrix of a column for each output. Keras has
    /// the same for dense layers, of which it must be told the last, and gives the kernels of convolutions to AdamW.
    Muon {
        /// 0.001 unless given.
        #[serde(default = "adam_rate")]
        learning_rate: f32,
        /// The share of the velocity, a sum of gradients, that a step keeps; 0.95 unless given.
        #[serde(default = "muon_momentum")]
        momentum: f32,
        /// Nesterov's form of the momentum; true unless given.
        #[serde(default = "yes")]
        nesterov: bool,
        /// Iterations by which a step is made orthogonal; 5 unless given.
        #[serde(default = "muon_ns_steps")]
        ns_steps: usize,
        /// AdamW's memory of the first moment; 0.9 unless given.
        #[serde(default = "adam_beta_1")]
        beta_1: f32,
        /// AdamW's memory of the second moment; 0.999 unless given.
        #[serde(default = "adam_beta_2")]
        beta_2: f32,
        /// Added to the root of AdamW's uncorrected second moment; 1e-7 unless given.
        #[serde(default = "adam_epsilon")]
        epsilon: f32,
        /// 0.004 unless given.
        #[serde(default = "adamw_decay")]
        weight_decay: f32,
    },
}

impl Default for Optimiser {
    fn default() -> Self {
        Self::Sgd { learning_rate: sgd_rate(), momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl Optimiser {
    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f32 {
        match *self {
            Self::Sgd { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::AdamW { learning_rate, .. }
            | Self::Muon { learning_rate, .. } => learning_rate,
        }
    }

    /// The decoupled weight decay.
    pub fn weight_decay(&self) -> f32 {
        match *self {
            Self::Sgd { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::AdamW { weight_decay, .. }
            | Self::Muon { weight_decay, .. } => weight_decay,
        }
    }
}

/// How the learning rate changes, step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// It stays.
    Constant {
        /// Epochs over which the rate first grows from 0, linearly.
        #[serde(default)]
        warm_up: f32,
    },
    /// It is multiplied by `factor` after every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: usize,
        /// 0.1 unless given.
        #[serde(default = "tenth")]
        factor: f32,
        /// Epochs over which the rate first grows from 0, linearly.
        #[serde(default)]
        warm_up: f32,
    },
    /// It falls along half a cosine to `minimum` times its value at the last epoch (Loshchilov and Hutter, 2016).
    Cosine {
        /// The share that is left at the end; 0 unless given.
        #[serde(default)]
        minimum: f32,
        /// Epochs over which the rate first grows from 0, linearly.
        #[serde(default)]
        warm_up: f32,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant { warm_up: 0.0 }
    }
}

/// What early stopping watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Loss on the validation images.
    #[default]
    ValLoss,
    /// Accuracy on the validation images.
    ValAccuracy,
    /// Loss on the training images.
    Loss,
    /// Accuracy on the training images.
    Accuracy,
}

impl Monitor {
    /// Whether more is better.
    pub fn rises(self) -> bool {
        matches!(self, Self::ValAccuracy | Self::Accuracy)
    }
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// What to watch; `val_loss` unless given.
    #[serde(default)]
    pub monitor: Monitor,
    /// Training stops after this many epochs in a row without improvement.
    pub patience: usize,
    /// A change that is not larger is no improvement; 0 unless given.
    #[serde(default)]
    pub min_delta: f32,
    /// Whether to go back to the weights of the best epoch when stopped; false unless given, as in Keras.
    #[serde(default)]
    pub restore_best: bool,
}

/// How [`Flip::Alternating`] is written.
const ALTERNATING: &str = "alternating";

/// Which of the varied images are mirrored, left to right: `false`, `true` or `alternating` in a model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flip {
    /// None.
    #[default]
    Never,
    /// A random half of them.
    Random,
    /// A random half of them in the first epoch, the other half in the next, and so on: two epochs show an image from both
    /// sides (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024).
    Alternating,
}

impl Serialize for Flip {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => to.serialize_bool(false),
            Self::Random => to.serialize_bool(true),
            Self::Alternating => to.serialize_str(ALTERNATING),
        }
    }
}

impl<'de> Deserialize<'de> for Flip {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form;

        impl Visitor<'_> for Form {
            type Value = Flip;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(to, "true, false or `{ALTERNATING}`")
            }

            fn visit_bool<E>(self, flip: bool) -> Result<Flip, E> {
                Ok(if flip { Flip::Random } else { Flip::Never })
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Flip, E> {
                match word {
                    ALTERNATING => Ok(Flip::Alternating),
                    "true" | "false" => Err(E::invalid_type(Unexpected::Str(word), &self)),
                    _ => Err(E::unknown_variant(word, &["true", "false", ALTERNATING])),
                }
            }
        }

        from.deserialize_any(Form)
    }
}

/// How training images are varied: each by its own random rotation, shift and zoom, bilinear, zeros beyond the border.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// The largest rotation, in degrees either way.
    #[serde(default)]
    pub rotation: f32,
    /// The largest shift, as a share of height and of width, either way.
    #[serde(default)]
    pub shift: f32,
    /// The largest change of scale, as a share, either way.
    #[serde(default)]
    pub zoom: f32,
    /// The largest move in whole pixels, up or down and left or right: what a random crop of the image with a border of as
    /// many zeros gives. Unlike `shift` it blurs nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crop: usize,
    /// Which copies are mirrored.
    #[serde(default)]
    pub flip: Flip,
    /// The largest rectangle that is blackened, as a share of the area (random erasing: Zhong et al., 2017).
    #[serde(default)]
    pub erase: f32,
    /// false: every image is varied anew in every epoch. true: one varied copy of each image is appended to the set,
    /// the same in every epoch, so that the set doubles.
    #[serde(default)]
    pub append: bool,
}

/// An exponential moving average of the weights, running statistics included. The network is validated with it, and it is
/// what is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping, as {momentum: 0.99}")]
pub struct Ema {
    /// The largest share of the average that a step keeps; 0.99 unless given, as in Keras.
    #[serde(default = "ema_momentum")]
    pub momentum: f32,
}

/// A bound on gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Clipping {
    /// All gradients are scaled together so that their common Euclidean norm is at most `limit`.
    Norm {
        /// The largest norm.
        limit: f32,
    },
    /// Every element is kept within -limit..=limit.
    Value {
        /// The largest absolute value.
        limit: f32,
    },
}

impl Optimiser {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        let within = |x: f32| (0.0..1.0).contains(&x);
        flaw(!self.learning_rate().is_finite() || self.learning_rate() <= 0.0, "learning_rate", "must be above 0")?;
        flaw(!within(self.weight_decay()), "weight_decay", "must be at least 0 and below 1")?;
        if let Self::Sgd { momentum, .. } | Self::Muon { momentum, .. } = *self {
            flaw(!within(momentum), "momentum", "must be at least 0 and below 1")?;
        }
        if let Self::Muon { ns_steps, .. } = *self {
            flaw(!(1..=100).contains(&ns_steps), "ns_steps", "must be 1 to 100")?;
        }
        match *self {
            Self::Sgd { .. } => Ok(()),
            Self::Adam { beta_1, beta_2, epsilon, .. }
            | Self::AdamW { beta_1, beta_2, epsilon, .. }
            | Self::Muon { beta_1, beta_2, epsilon, .. } => {
                flaw(!within(beta_1), "beta_1", "must be at least 0 and below 1")?;
                flaw(!within(beta_2), "beta_2", "must be at least 0 and below 1")?;
                flaw(epsilon.is_nan() || epsilon <= 0.0, "epsilon", "must be above 0")
            }
        }
    }
}

impl Schedule {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        let (Self::Constant { warm_up } | Self::Step { warm_up, .. } | Self::Cosine { warm_up, .. }) = *self;
        flaw(!warm_up.is_finite() || warm_up < 0.0, "warm_up", "must be at least 0")?;
        match *self {
            Self::Constant { .. } => Ok(()),
            Self::Step { every, factor, .. } => {
                flaw(every == 0, "every", "must be at least 1")?;
                flaw(!factor.is_finite() || factor <= 0.0, "factor", "must be above 0")
            }
            Self::Cosine { minimum, .. } => {
                flaw(!(0.0..=1.0).contains(&minimum), "minimum", "must be a share of the rate, 0 to 1")
            }
        }
    }

    /// Whether the rate of an epoch depends on how many epochs there are in all.
    pub fn depends_on_total(&self) -> bool {
        matches!(self, Self::Cosine { .. })
    }
}

impl EarlyStopping {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        flaw(self.patience == 0, "patience", "must be at least 1 epoch")?;
        flaw(!self.min_delta.is_finite() || self.min_delta < 0.0, "min_delta", "must be at least 0")
    }
}

impl Augmentation {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        flaw(!(0.0..=180.0).contains(&self.rotation), "rotation", "must be 0 to 180 degrees")?;
        flaw(!(0.0..=1.0).contains(&self.shift), "shift", "must be a share, 0 to 1")?;
        flaw(self.crop > 10_000, "crop", "must be at most 10000 pixels")?;
        flaw(!(0.0..1.0).contains(&self.zoom), "zoom", "must be a share, at least 0 and below 1")?;
        flaw(!(0.0..1.0).contains(&self.erase), "erase", "must be a share, at least 0 and below 1")?;
        let fixed = self.flip == Flip::Alternating && self.append;
        flaw(fixed, "flip", "cannot be `alternating` with `append`, whose copies are the same in every epoch")
    }
}

impl Ema {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        flaw(!(0.0..1.0).contains(&self.momentum), "momentum", "must be at least 0 and below 1")
    }
}

impl Clipping {
    /// Checks ranges that types cannot express.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Flaw> {
        let (Self::Norm { limit } | Self::Value { limit }) = *self;
        flaw(!limit.is_finite() || limit <= 0.0, "limit", "must be above 0")
    }
}

const fn is_zero(pixels: &usize) -> bool {
    *pixels == 0
}
const fn sgd_rate() -> f32 {
    0.01
}
const fn adam_rate() -> f32 {
    1e-3
}
const fn adam_beta_1() -> f32 {
    0.9
}
const fn adam_beta_2() -> f32 {
    0.999
}
const fn adam_epsilon() -> f32 {
    1e-7
}
const fn adamw_decay() -> f32 {
    0.004
}
const fn muon_momentum() -> f32 {
    0.95
}
const fn muon_ns_steps() -> usize {
    5
}
const fn yes() -> bool {
    true
}
const fn ema_momentum() -> f32 {
    0.99
}
const fn tenth() -> f32 {
    0.1
}
