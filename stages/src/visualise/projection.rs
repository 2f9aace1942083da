//! `visualise/projection`: samples in the plane, by their true class beside by their cluster.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::axis::Axis;
use super::chart::legend::Legend;
use super::chart::scatter::Scatter;
use super::embedded::{Clusters, Embeddings};
use super::figure::{Chart, Figure};
use super::projected::{self, Projected};
use super::read::grouped;
use super::style::Colour;
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/projection",
    summary: "Draws projections of embeddings, true classes beside clusters, a row a projection.",
    inputs: &[
        super::PROJECTIONS,
        super::port("embeddings", Arity::One, "`embeddings.safetensors` that was projected and clustered"),
        super::CLUSTERS,
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/projection.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// Coordinates (`method=pca`) or their value (`pca`) -> the name of the projection.
    names: BTreeMap<String, String>,
    /// What the clusters are called: `k-means clusters`.
    clusters: String,
    /// Decides the order in which points are drawn.
    seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            title: "Projections of the embeddings".to_owned(),
            caption: String::new(),
            names: BTreeMap::new(),
            clusters: "clusters".to_owned(),
            seed: 0,
        }
    }
}

/// The size of a panel.
const PANEL: Point = (430.0, 380.0);

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let embeddings = Embeddings::open(context.input("embeddings")?)?;
    let clusters = Clusters::open(context.input("clusters")?, &embeddings)?;
    let mut rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![
        Box::new(Legend::new(PANEL.0, embeddings.legend())),
        Box::new(Legend::new(PANEL.0, clusters.legend())),
    ]];
    for Projected { name, file, points } in projected::open(context.all("projections"), &params.names, params.seed)? {
        for p in &points {
            ensure!(clusters.contains(p.index), "sample {} of {file} is missing from the clusters", p.index);
        }
        let shares = embeddings.explained(&points.iter().map(|p| (p.index, [p.x, p.y])).collect::<Vec<_>>());
        let explained = shares.map_or(String::new(), |s| format!(" ({:.1}% of variance)", 100.0 * (s[0] + s[1])));
        let axis = |number: usize, values: Vec<f64>| {
            let share = shares.map_or(String::new(), |s| format!(" ({:.1}%)", 100.0 * s[number]));
            Axis::around(format!("{name} {}{share}", number + 1), values)
        };
        let panel = |title: String, colour: &dyn Fn(usize) -> Colour| -> Box<dyn Chart> {
            Box::new(Scatter {
                title,
                size: PANEL,
                x: axis(0, points.iter().map(|p| p.x).collect()),
                y: axis(1, points.iter().map(|p| p.y).collect()),
                points: points.iter().map(|p| ((p.x, p.y), colour(p.index))).collect(),
                labels: Vec::new(),
            })
        };
        rows.push(vec![
            panel(format!("{name}: true classes{explained}"), &|index| embeddings.colour(index)),
            panel(format!("{name}: {} (ARI {:.3})", params.clusters, clusters.ari), &|index| clusters.colour(index)),
        ]);
    }
    let subtitle = format!(
        "{} samples; classes and clusters are matched one to one, for the greatest overlap, and share their colours",
        grouped(clusters.len() as u64)
    );
    let title = format!("{} (ARI {:.3})", params.title, clusters.ari);
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}
