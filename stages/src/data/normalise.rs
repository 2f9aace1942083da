//! `normalise`: scales the pixels of a training and a test set by what the training set says.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::dataset::{self, Dataset, Pixels};
use crate::artifact::write_json;
use crate::kind::{self, Arity, Context, Kind, Output, Port, Reads, Role, schema};

/// Scales the pixels of a training and a test set.
pub const KIND: Kind = Kind {
    name: "normalise",
    summary: "Scale pixels by the range or the spread of the training set",
    inputs: &[
        Port {
            name: "train",
            doc: "image set that decides the scale, and is scaled",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
        Port {
            name: "test",
            doc: "image set that is scaled in the same way",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
    ],
    outputs: &[
        Output { name: "train", file: "train.safetensors", role: Role::Data, doc: "image set, f32 pixels" },
        Output { name: "test", file: "test.safetensors", role: Role::Data, doc: "image set, f32 pixels" },
        Output {
            name: "scale",
            file: "scale.json",
            role: Role::Data,
            doc: "`offset` and `divisor`, a number a channel: scaled = (pixel - offset) / divisor",
        },
    ],
    check: kind::check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "data/normalise.rs",
};

/// The parameters of `normalise`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What the training set is scaled to.
    pub method: Method,
    /// Whether all channels share one scale.
    pub per: Per,
}

/// What the training set is scaled to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The range from 0 to 1.
    #[default]
    MinMax,
    /// Mean 0 and standard deviation 1 (n in the denominator).
    Standardise,
}

/// What shares a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// All pixels of all channels.
    #[default]
    Image,
    /// The pixels of a channel.
    Channel,
}

/// scaled = (pixel - offset) / divisor, for every channel.
#[derive(Debug, PartialEq, Serialize)]
struct Scale {
    method: Method,
    per: Per,
    offset: Vec<f64>,
    divisor: Vec<f64>,
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let train = Dataset::open(context.input("train")?)?;
    let test = Dataset::open(context.input("test")?)?;
    ensure!(
        train.shape[1..] == test.shape[1..],
        "the training images are {:?}, the test images {:?}",
        &train.shape[1..],
        &test.shape[1..]
    );
    ensure!(
        train.classes == test.classes,
        "the training set has the classes {:?}, the test set {:?}",
        train.classes,
        test.classes
    );
    ensure!(!train.is_empty() && train.image_len() > 0, "the training set holds no pixel to take the scale from");
    let channels = train.shape[3];
    let scale = match train.pixels()? {
        Pixels::U8(pixels) => fit(pixels, channels, params),
        Pixels::F32(pixels) => fit(&pixels, channels, params),
    };
    ensure!(
        scale.offset.iter().chain(&scale.divisor).all(|v| v.is_finite()),
        "the training set holds pixels that are not finite numbers"
    );
    for (name, set) in [("train", &train), ("test", &test)] {
        let scaled = match set.pixels()? {
            Pixels::U8(pixels) => apply(pixels, &scale),
            Pixels::F32(pixels) => apply(&pixels, &scale),
        };
        let pixels = Pixels::F32(scaled.into());
        let path = context.output(name)?;
        dataset::write(
            path,
            set.shape,
            &pixels,
            &set.labels,
            &set.original_labels,
            &set.classes,
            &set.original_classes,
        )?;
    }
    write_json(context.output("scale")?, &scale)
}

/// Fits a scale; one divides by 1 where all values are equal.
fn fit<T: Copy + Into<f32>>(pixels: &[T], channels: usize, Params { method, per }: Params) -> Scale {
    let groups = if per == Per::Channel { channels } else { 1 };
    let (offset, divisor): (Vec<f64>, Vec<f64>) = (0..groups)
        .map(|group| {
            let values = || pixels[group..].iter().step_by(groups).map(|&v| f64::from(v.into()));
            let (offset, divisor) = match method {
                Method::MinMax => {
                    // Not `f64::min`, which would pass over NaN.
                    let low = values().fold(f64::INFINITY, |a, v| if v >= a { a } else { v });
                    let high = values().fold(f64::NEG_INFINITY, |a, v| if v <= a { a } else { v });
                    (low, high - low)
                }
                Method::Standardise => {
                    let count = values().count() as f64;
                    let mean = values().sum::<f64>() / count;
                    (mean, (values().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
                }
            };
            (offset, if divisor == 0.0 { 1.0 } else { divisor })
        })
        .unzip();
    let spread = |values: Vec<f64>| if groups == channels { values } else { vec![values[0]; channels] };
    Scale { method, per, offset: spread(offset), divisor: spread(divisor) }
}

/// Scales in f64 and rounds once.
fn apply<T: Copy + Into<f32>>(pixels: &[T], scale: &Scale) -> Vec<f32> {
    let channels = scale.offset.len();
    let mut scaled = Vec::with_capacity(pixels.len());
    for pixel in pixels.chunks_exact(channels) {
        for ((&value, offset), divisor) in pixel.iter().zip(&scale.offset).zip(&scale.divisor) {
            scaled.push(((f64::from(value.into()) - offset) / divisor) as f32);
        }
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(pixels: &[f32], channels: usize, method: Method, per: Per) -> (Vec<f64>, Vec<f64>) {
        let scale = fit(pixels, channels, Params { method, per });
        (scale.offset, scale.divisor)
    }

    #[test]
    fn a_channel_may_have_its_own_scale() {
        let pixels = [1.0, 10.0, 3.0, 30.0];
        assert_eq!(fitted(&pixels, 2, Method::MinMax, Per::Channel), (vec![1.0, 10.0], vec![2.0, 20.0]));
        assert_eq!(fitted(&pixels, 2, Method::MinMax, Per::Image), (vec![1.0, 1.0], vec![29.0, 29.0]));
        assert_eq!(fitted(&pixels, 2, Method::Standardise, Per::Channel), (vec![2.0, 20.0], vec![1.0, 10.0]));
    }

    #[test]
    fn equal_values_are_not_divided_by_zero() {
        assert_eq!(fitted(&[5.0, 5.0], 1, Method::MinMax, Per::Image), (vec![5.0], vec![1.0]));
        assert_eq!(fitted(&[5.0, 5.0], 1, Method::Standardise, Per::Image), (vec![5.0], vec![1.0]));
    }

    #[test]
    fn bytes_scale_to_the_nearest_float() {
        let pixels: Vec<u8> = (0..=255).collect();
        let scaled = apply(&pixels, &fit(&pixels, 1, Params::default()));
        assert!(pixels.iter().zip(&scaled).all(|(&p, &s)| s == f32::from(p) / 255.0));
    }
}
