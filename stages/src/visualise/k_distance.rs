//! `visualise/k-distance`: the curve that DBSCAN's radius is read off.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::axis::Axis;
use super::chart::line::{At, LineChart, Rule, Series};
use super::figure::{Chart, Figure};
use super::read::{self, grouped};
use super::style::{self, INK, MUTED};
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/k-distance",
    summary: "Draws the k-distance curve with the radius that DBSCAN was given.",
    inputs: &[super::CHOICE, super::port("metrics", Arity::One, "`metrics.json` of the same stage")],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/k_distance.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
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
    /// How much the clusters at a radius just above the distance tell; nothing where the radius was given.
    #[serde(default)]
    told: Option<f64>,
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
    let ranked: Vec<Ranked> = read::csv(path)?;
    let curve: Vec<Point> = ranked.iter().map(|p| (p.rank, p.distance)).collect();
    let told: Vec<Point> = ranked.iter().filter_map(|p| Some((p.rank, p.told?))).collect();
    let finite = curve.iter().chain(&told).all(|p| p.0.is_finite() && p.1.is_finite());
    ensure!(finite, "{} has a distance that is no number", path.display());
    let found: Found = read::json(context.input("metrics")?)?;
    let total = grouped(curve.len() as u64);
    let core = curve.iter().filter(|p| p.1 <= found.eps).count();
    let mut rules = vec![Rule { at: At::Y(found.eps), label: format!("eps {:.4}", found.eps), colour: INK }];
    let series = vec![Series { colour: style::category(0), points: curve.clone(), marked: false }];
    let from = if told.iter().any(|p| p.1 > 0.0) {
        "eps is where clusters tell most of the images: many of them, evenly large, with few images left out"
    } else if told.is_empty() {
        "eps was given"
    } else {
        "no radius gives two clusters: eps is where the curve is farthest below the line between its ends"
    };
    let chosen = core.checked_sub(1).filter(|_| !told.is_empty()).map(|rank| curve[rank].0);
    if let Some(rank) = chosen {
        let label = format!("{} of {total} images are core points", grouped(core as u64));
        rules.push(Rule { at: At::X(rank), label, colour: MUTED });
    }
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
        total
    );
    let mut rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![Box::new(chart)]];
    if !told.is_empty() {
        let chosen = chosen.map(|rank| Rule { at: At::X(rank), label: format!("eps {:.4}", found.eps), colour: MUTED });
        rows.push(vec![Box::new(LineChart {
            title: "What clusters at that radius tell: share of images in them × entropy of sizes".to_owned(),
            size: (PANEL.0, 0.6 * PANEL.1),
            x: Axis::around("images, by that distance", told.iter().map(|p| p.0)),
            y: Axis::around("share × entropy", told.iter().map(|p| p.1)),
            series: vec![Series { colour: style::category(1), points: told, marked: false }],
            rules: chosen.into_iter().collect(),
        })]);
    }
    Figure { title, subtitle: from.to_owned(), rows, caption: params.caption }.write(context)
}
