//! `visualise/subclusters`: projections annotated with the groups that were found inside some classes.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canvas::Point;
use super::categories::{self, Category};
use super::chart::axis::Axis;
use super::chart::labels::Label;
use super::chart::scatter::Scatter;
use super::figure::{Chart, Figure};
use super::projected::{self, Place, Projected};
use super::read::{self, grouped};
use super::style::{self, Colour, INK, NOISE, PAPER, mix};
use crate::kind::{Arity, Context, Kind, check, schema};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/subclusters",
    summary: "Draws projections annotated with the groups found inside classes, a row a class.",
    inputs: &[
        super::PROJECTIONS,
        super::port("subclusters", Arity::One, "`subclusters.csv` of a subclusters stage"),
        super::CATEGORIES,
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/subclusters.rs",
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
    /// The numbers of the classes to show; without any, those that have several groups.
    classes: Vec<u32>,
    /// Decides the order in which points are drawn.
    seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            title: "Groups inside classes".to_owned(),
            caption: String::new(),
            names: BTreeMap::new(),
            classes: Vec::new(),
            seed: 0,
        }
    }
}

/// A row of `subclusters.csv`.
#[derive(Deserialize)]
struct Member {
    index: usize,
    label: u32,
    cluster: usize,
}

/// The size of a panel.
const PANEL: Point = (430.0, 380.0);

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("subclusters")?;
    let members: Vec<Member> = read::csv(path)?;
    let categories = categories::open(context.input("categories")?)?;
    for m in &members {
        let known = categories.iter().any(|c| c.label == m.label && m.cluster < c.clusters.len());
        ensure!(known, "group {} of class {} in {} is not in the categories", m.cluster, m.label, path.display());
    }
    let of: HashMap<usize, (u32, usize)> = members.iter().map(|m| (m.index, (m.label, m.cluster))).collect();
    let shown = shown(&categories, &params.classes)?;
    let projections = projected::open(context.all("projections"), &params.names, params.seed)?;
    let mut rows: Vec<Vec<Box<dyn Chart>>> = Vec::new();
    for category in &shown {
        let mut row: Vec<Box<dyn Chart>> = Vec::new();
        for projection in &projections {
            row.push(Box::new(panel(projection, category, &of)?));
        }
        rows.push(row);
    }
    let agreement = |c: &&Category| c.agreement().map(|ari| format!("{ari:.3} for {}", c.name));
    let agreement: Vec<String> = shown.iter().filter_map(agreement).collect();
    let title = match agreement.is_empty() {
        true => params.title,
        false => format!("{} (ARI with the original labels {})", params.title, agreement.join(", ")),
    };
    let subtitle = "Groups found in the embeddings of one class alone, named by the original labels in them; all other \
                    classes in grey";
    Figure { title, subtitle: subtitle.to_owned(), rows, caption: params.caption }.write(context)
}

/// The classes to show.
fn shown<'a>(categories: &'a [Category], numbers: &[u32]) -> anyhow::Result<Vec<&'a Category>> {
    if numbers.is_empty() {
        let several: Vec<&Category> = categories.iter().filter(|c| c.is_divided()).collect();
        return Ok(if several.is_empty() { categories.iter().collect() } else { several });
    }
    let find = |number: &u32| {
        categories.iter().find(|c| c.label == *number).with_context(|| format!("there is no class {number} to show"))
    };
    numbers.iter().map(find).collect()
}

/// A projection with the groups of one class.
fn panel(projection: &Projected, category: &Category, of: &HashMap<usize, (u32, usize)>) -> anyhow::Result<Scatter> {
    let mut groups: Vec<Vec<Point>> = vec![Vec::new(); category.clusters.len()];
    let (mut others, mut own) = (Vec::new(), Vec::new());
    for &Place { index, x, y } in &projection.points {
        let place = of.get(&index);
        let &(label, cluster) = place.with_context(|| format!("sample {index} of {} has no group", projection.file))?;
        if label == category.label {
            groups[cluster].push((x, y));
            own.push(((x, y), shade(label, cluster)));
        } else {
            others.push(((x, y), mix(NOISE, PAPER, 0.5)));
        }
    }
    let names = category.names();
    let labels = groups.iter().enumerate().filter_map(|(i, points)| {
        let text = format!("{} ({})", names[i], grouped(category.clusters[i].images));
        Some(Label { at: centre(points)?, text, colour: shade(category.label, i) })
    });
    let silhouette = category.scores.silhouette.map_or(String::new(), |s| format!(", silhouette {s:.3}"));
    let count = match category.clusters.len() {
        1 => "one group".to_owned(),
        count => format!("{count} groups"),
    };
    let axis = |number: usize, value: fn(&Place) -> f64| {
        Axis::around(format!("{} {number}", projection.name), projection.points.iter().map(value))
    };
    Ok(Scatter {
        title: format!("{}: {}, {count}{silhouette}", projection.name, category.name),
        size: PANEL,
        x: axis(1, |p| p.x),
        y: axis(2, |p| p.y),
        labels: labels.collect(),
        points: others.into_iter().chain(own).collect(),
    })
}

/// The colour of a group: that of its class, then darker and lighter ones.
fn shade(label: u32, cluster: usize) -> Colour {
    let class = style::category(label as usize);
    let share = 1.0 - 0.45f64.powf(cluster.div_ceil(2) as f64);
    mix(class, if cluster % 2 == 1 { INK } else { PAPER }, share)
}

/// The point nearest to the medians of both coordinates: it lies in the thick of its group.
fn centre(points: &[Point]) -> Option<Point> {
    let median = |value: fn(&Point) -> f64| {
        let mut values: Vec<f64> = points.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let (x, y) = (median(|p| p.0)?, median(|p| p.1)?);
    let distance = |p: &Point| (p.0 - x).powi(2) + (p.1 - y).powi(2);
    points.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}
