//! `visualise/silhouette`: how the number of clusters was chosen, and how well each image lies in its cluster.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::chart::axis::Axis;
use super::chart::line::{At, LineChart, Rule, Series};
use super::chart::profile::{Group, Profiles};
use super::figure::{Chart, Figure};
use super::matching::Contingency;
use super::read::{self, grouped};
use super::style::{self, INK};
use crate::kind::{Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/silhouette",
    summary: "Draws the mean silhouette of each number of clusters that was tried, and the silhouettes in the chosen one.",
    inputs: &[super::CHOICE, super::CLUSTERS],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/silhouette.rs",
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
        Self { title: "Number of clusters".to_owned(), caption: String::new() }
    }
}

/// A number of clusters that was tried.
#[derive(Deserialize)]
struct Trial {
    clusters: usize,
    silhouette: Option<f64>,
}

/// A row of `clusters.csv`.
#[derive(Deserialize)]
struct Member {
    cluster: i64,
    label: u32,
    silhouette: Option<f64>,
}

/// The size of a panel.
const PANEL: Point = (420.0, 360.0);

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let trials: Vec<Trial> = read::csv(context.input("choice")?)?;
    let path = context.input("clusters")?;
    let members: Vec<Member> = read::csv(path)?;
    let contingency = Contingency::new(members.iter().map(|m| (m.cluster, m.label)));
    let all: Vec<f64> = members.iter().filter_map(|m| m.silhouette).collect();
    ensure!(!all.is_empty(), "{} has no silhouettes: there is but one cluster", path.display());
    let chosen = contingency.clusters().keys().filter(|cluster| **cluster >= 0).count();
    let mean = mean(&all);
    let tried: Vec<Point> = trials.iter().filter_map(|t| Some((t.clusters as f64, t.silhouette?))).collect();
    let range = match (trials.first(), trials.last()) {
        (Some(first), Some(last)) if trials.len() > 1 => {
            format!("the highest mean silhouette of {} to {} clusters", first.clusters, last.clusters)
        }
        _ => "their number was given".to_owned(),
    };
    let choice = LineChart {
        title: "Mean silhouette by number of clusters".to_owned(),
        size: PANEL,
        x: Axis::whole("clusters", tried.iter().map(|p| p.0)),
        y: Axis::around("mean silhouette", tried.iter().map(|p| p.1)),
        series: vec![Series { colour: style::category(0), points: tried, marked: true }],
        rules: vec![Rule { at: At::X(chosen as f64), label: format!("{chosen} clusters"), colour: INK }],
    };
    let lowest = all.iter().copied().fold(0.0, f64::min);
    let profiles = Profiles {
        title: format!("Silhouettes in the {chosen} clusters"),
        size: PANEL,
        x: Axis::between("silhouette", (lowest * 5.0).floor() / 5.0, 1.0),
        groups: groups(&members, &contingency),
        rules: vec![Rule { at: At::X(mean), label: format!("mean {mean:.3}"), colour: INK }],
    };
    let title = format!("{}: {chosen} clusters, mean silhouette {mean:.3}", params.title);
    let subtitle = format!("{} images; {range}", grouped(members.len() as u64));
    let rows: Vec<Vec<Box<dyn Chart>>> = vec![vec![Box::new(choice), Box::new(profiles)]];
    Figure { title, subtitle, rows, caption: params.caption }.write(context)
}

/// The silhouettes of each cluster, the highest first; noise has none.
fn groups(members: &[Member], contingency: &Contingency) -> Vec<Group> {
    let classes = members.iter().map(|m| m.label as usize + 1).max().unwrap_or(0);
    let colours = contingency.colours(classes);
    let group = |cluster: i64| {
        let mut values: Vec<f64> =
            members.iter().filter(|m| m.cluster == cluster).filter_map(|m| m.silhouette).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let name = format!("cluster {cluster}: {:.3}", mean(&values));
        Group { name, colour: colours[&cluster], values }
    };
    contingency.order().into_iter().filter(|cluster| *cluster >= 0).map(group).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
