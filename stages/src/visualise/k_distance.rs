//! `visualise/k-distance`: the curve that DBSCAN's radius is read off.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::axis::Axis;
use super::chart::line::{At, LineChart, Rule, Series};
use super::figure::{Chart, Figure};
use super::read::{self, grouped};
use super::style::{self, AXIS, INK, MUTED};
use crate::kind::{Arity, Context, Kind, check};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/k-distance",
    summary: "Draws the k-distance curve with the radius that DBSCAN was given.",
    inputs: &[super::CHOICE, super::port("metrics", Arity::One, "`metrics.json` of the same stage")],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/k_distance.rs",
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    title: String,
    caption: String,
}

impl Default for Params {
    fn default() -> Self {
        Self { title: "Radius of a neighbourhood".to_owned(), caption: String::new() }
    }
}

/// A point of the curve.
#[derive(Deserialize)]
struct Ranked {
    rank: f64,
    distance: f64,
}

/// What DBSCAN found.
#[derive(Deserialize)]
struct Found {
    clusters: u64,
    noise: u64,
    eps: f64,
}

/// The size of the panel.
const PANEL: Point = (620.0, 380.0);

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("choice")?;
    let curve: Vec<Point> = read::csv::<Ranked>(path)?.into_iter().map(|p| (p.rank, p.distance)).collect();
    let finite = curve.iter().all(|p| p.0.is_finite() && p.1.is_finite());
    ensure!(finite, "{} has a distance that is no number", path.display());
    let found: Found = read::json(context.input("metrics")?)?;
    // A radius that was read off the curve is one of its distances.
    let knee = curve.iter().find(|p| p.1 == found.eps).copied();
    let mut rules = vec![Rule { at: At::Y(found.eps), label: format!("eps {:.4}", found.eps), colour: INK }];
    let mut series = vec![Series { colour: style::category(0), points: curve.clone(), marked: false }];
    let from = match knee {
        Some(knee) => {
            let ends = vec![curve[0], curve[curve.len() - 1]];
            series.insert(0, Series { colour: AXIS, points: ends, marked: false });
            series.push(Series { colour: style::category(1), points: vec![knee], marked: true });
            let label = format!("knee, image {} of {}", grouped(knee.0 as u64 + 1), grouped(curve.len() as u64));
            rules.push(Rule { at: At::X(knee.0), label, colour: MUTED });
            "eps is the knee, where the curve is farthest below the line between its ends"
        }
        None => "eps was given",
    };
    let chart = LineChart {
        title: "Distance to the neighbour that makes an image a core point".to_owned(),
        size: PANEL,
        x: Axis::around("images, by that distance", curve.iter().map(|p| p.0)),
        y: Axis::around("distance", curve.iter().map(|p| p.1).chain([found.eps])),
        series,
        rules,
    };
    let title = format!(
        "{}: eps {:.3} gives {} clusters, {} of {} images are noise",
        params.title,
        found.eps,
        found.clusters,
        grouped(found.noise),
        grouped(curve.len() as u64)
    );
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![Box::new(chart)]];
    Figure { title, subtitle: from.to_owned(), rows, caption: params.caption }.write(context)
}
