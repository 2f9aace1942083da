//! `visualise/samples`: random images of each cluster with their true class.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::image_grid::{Group, ImageGrid, Picture};
use super::figure::Figure;
use super::images::Images;
use super::matching::Contingency;
use super::read::{self, Clustered, grouped};
use super::style;
use crate::artifact::dataset::Dataset;
use crate::kind::{Arity, Context, Kind, check, schema};
use crate::rng::Rng;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/samples",
    summary: "Draws random images of each cluster, a row a cluster, with their true class.",
    inputs: &[super::port("data", Arity::One, "the image set that was clustered"), super::CLUSTERS],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/samples.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
    /// How many images of each cluster.
    samples: NonZeroUsize,
    /// Decides which images.
    seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        let samples = NonZeroUsize::new(5).expect("5 is not 0");
        Self { title: "Random images of each cluster".to_owned(), caption: String::new(), samples, seed: 0 }
    }
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let data = Dataset::open(context.input("data")?)?;
    let path = context.input("clusters")?;
    let rows: Vec<Clustered> = read::csv(path)?;
    for row in &rows {
        ensure!(
            data.labels.get(row.index) == Some(&row.label),
            "sample {} of {} is not in the image set, or of another class there: they do not belong together",
            row.index,
            path.display()
        );
    }
    let mut clusters: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for row in &rows {
        clusters.entry(row.cluster).or_default().push(row.index);
    }
    let images = Images::new(&data)?;
    // Noise comes last.
    let (noise, real): (Vec<_>, Vec<_>) = clusters.into_iter().partition(|(cluster, _)| *cluster < 0);
    let mut groups = Vec::new();
    for (cluster, members) in real.into_iter().chain(noise) {
        let mut pictures = Vec::new();
        for index in draw(&members, params.samples.get(), params.seed, cluster) {
            let label = data.labels[index] as usize;
            let caption = data.classes[label].clone();
            pictures.push(Picture { image: images.get(index)?, caption, colour: style::category(label) });
        }
        let name = if cluster < 0 { "noise".to_owned() } else { format!("cluster {cluster}") };
        groups.push(Group { name, detail: format!("{} images", grouped(members.len() as u64)), pictures });
    }
    let subtitle = format!("True class under each image; seed {}", params.seed);
    let grid = ImageGrid { groups };
    let purity = Contingency::new(rows.iter().map(|row| (row.cluster, row.label))).purity();
    let title = format!("{} (purity {purity:.3})", params.title);
    Figure { title, subtitle, rows: vec![vec![Box::new(grid)]], caption: params.caption }.write(context)
}

/// Some members, each at most once; what is drawn of a cluster does not depend on the others.
fn draw(members: &[usize], count: usize, seed: u64, cluster: i64) -> Vec<usize> {
    let mut members = members.to_vec();
    members.sort_unstable();
    Rng::new(seed, "samples", cluster as u64).shuffle(&mut members);
    members.truncate(count);
    members
}
