//! `visualise/calibration`: how often a network is right when it says how sure it is.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::axis::Axis;
use super::chart::bars::{Bar, BarChart};
use super::chart::legend::Legend;
use super::chart::line::{LineChart, Series};
use super::figure::{Chart, Figure};
use super::predictions::{self, Prediction};
use super::read::grouped;
use super::share::wilson;
use super::style::{self, PAPER, mix};
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/calibration",
    summary: "Draws the reliability curve of a network's predictions with the expected calibration error.",
    inputs: &[super::port("predictions", Arity::One, "`predictions.csv` of an evaluate stage")],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/calibration.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// Into how many intervals of equal width confidence is divided.
    bins: NonZeroUsize,
}

impl Default for Params {
    fn default() -> Self {
        let bins = NonZeroUsize::new(15).expect("15 is not 0");
        Self { title: "Calibration".to_owned(), caption: String::new(), bins }
    }
}

/// The size of the reliability curve, and of the histogram beside it.
const PANEL: Point = (380.0, 330.0);

/// The predictions in an interval of confidence.
#[derive(Clone, Default)]
struct Bin {
    count: usize,
    right: usize,
    confidence: f64,
}

impl Bin {
    /// The mean confidence and the share that is right.
    fn point(&self) -> Point {
        (self.confidence / self.count as f64, self.right as f64 / self.count as f64)
    }
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let predictions = predictions::open(context.input("predictions")?)?;
    let bins = bins(&predictions, params.bins.get());
    let all = predictions.len() as f64;
    let error = expected_error(&bins);
    let right = predictions.iter().filter(|p| p.is_right()).count() as f64 / all;
    let sure = predictions.iter().map(|p| p.confidence).sum::<f64>() / all;
    let title = format!("{}: expected calibration error {error:.4}", params.title);
    let subtitle = format!(
        "Accuracy {right:.4}, mean confidence {sure:.4}; {} predictions in {} intervals",
        grouped(predictions.len() as u64),
        bins.len()
    );
    let filled = || bins.iter().filter(|bin| bin.count > 0);
    // Nothing is less sure than one in as many as there are classes.
    let low = filled().map(|bin| bin.point().0).fold(1.0, f64::min);
    let low = ((low - 0.02) * 10.0).floor().max(0.0) / 10.0;
    let confidence = || Axis::between("confidence", low, 1.0);
    let diagonal = Series { colour: style::AXIS, points: vec![(low, low), (1.0, 1.0)], marked: false };
    let interval = |bin: &Bin| {
        let (x, y) = bin.point();
        let (low, high) = wilson(y, bin.count as u64);
        Series { colour: mix(style::category(0), PAPER, 0.55), points: vec![(x, low), (x, high)], marked: false }
    };
    let curve = Series { colour: style::category(0), points: filled().map(Bin::point).collect(), marked: true };
    let reliability = LineChart {
        title: "Share that is right".to_owned(),
        size: PANEL,
        x: confidence(),
        y: Axis::between("accuracy", 0.0, 1.0),
        series: [diagonal].into_iter().chain(filled().map(interval)).chain([curve]).collect(),
        rules: Vec::new(),
    };
    let width = 1.0 / bins.len() as f64;
    let histogram = BarChart {
        title: "Share of the predictions".to_owned(),
        size: PANEL,
        x: confidence(),
        y: Axis::between("share", 0.0, 1.0),
        bars: (0..bins.len())
            .filter(|&i| bins[i].count > 0)
            .map(|i| Bar {
                interval: ((i as f64 * width).max(low), (i + 1) as f64 * width),
                height: bins[i].count as f64 / all,
            })
            .collect(),
        colour: style::category(0),
    };
    let legend = [("network, with 95% intervals", style::category(0)), ("perfect calibration", style::AXIS)];
    let legend = legend.map(|(name, colour)| (name.to_owned(), colour));
    let rows: Vec<Vec<Box<dyn Chart>>> =
        vec![vec![Box::new(Legend::new(2.0 * PANEL.0, legend))], vec![Box::new(reliability), Box::new(histogram)]];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// The predictions by confidence; a bin holds its upper end.
fn bins(predictions: &[Prediction], count: usize) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); count];
    for p in predictions {
        let place = (p.confidence * count as f64).ceil() as usize;
        let bin = &mut bins[place.clamp(1, count) - 1];
        bin.count += 1;
        bin.right += usize::from(p.is_right());
        bin.confidence += p.confidence;
    }
    bins
}

/// The mean distance of confidence and accuracy over the bins, each counted by its predictions (Naeini, Cooper and
/// Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015).
fn expected_error(bins: &[Bin]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.count).sum();
    bins.iter().map(|bin| (bin.confidence - bin.right as f64).abs()).sum::<f64>() / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_error_by_hand() {
        let of = |confidence: f64, right: bool| Prediction {
            index: 0,
            label: 0,
            predicted: usize::from(!right),
            confidence,
        };
        // Two of confidence 0.9, one of them right; one of 0.6, right; one of exactly 0.5, which is the upper end of its bin.
        let all = [of(0.9, true), of(0.9, false), of(0.6, true), of(0.5, false)];
        let bins = bins(&all, 2);
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 3]);
        assert!((expected_error(&bins) - (0.5 + (2.4 - 2.0)) / 4.0).abs() < 1e-12);
    }
}
