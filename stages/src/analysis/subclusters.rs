//! The kind `subclusters`: the groups inside each class, found in its embeddings; finer labels only check and name them.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Choice, Normalise, Partition, Search, Trial, choose};
use super::embeddings::{Embeddings, Originals};
use super::on_threads;
use super::score::{Agreement, mean};
use super::tagged::{self, Limits, require};
use crate::artifact;
use crate::kind::{Arity, Context, Kind, Output, ParamError, Port, Reads, Role, schema};

/// Groups each class by itself.
pub const KIND: Kind = Kind {
    name: "subclusters",
    summary: "Finds groups inside each class by k-means and checks them against the labels from before classes were merged",
    inputs: &[Port {
        name: "embeddings",
        doc: "`embeddings` [N, D] f32, `labels` and `original_labels` [N] u32, as `embed` writes them",
        arity: Arity::One,
        reads: Reads::Artifact,
    }],
    outputs: &[
        Output {
            name: "subclusters",
            file: "subclusters.csv",
            role: Role::Data,
            doc: "CSV `index,label,cluster,original,silhouette`: a row a sample, in order; its class, its group inside the \
                  class, its original label; no silhouette where the class is one group",
        },
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "`classes`: by name, `images`, `clusters`, `purity`, and where the class has several groups `silhouette`, \
                  where it has several original labels `ari` and `nmi` with them",
        },
        Output {
            name: "choice",
            file: "choice.csv",
            role: Role::Data,
            doc: "CSV `label,clusters,silhouette,inertia`: a row a number of groups that was tried in a class",
        },
        Output {
            name: "categories",
            file: "categories.json",
            role: Role::Data,
            doc: "a list of classes with `label`, `name`, `images`, `labels` (name and images of each original label), `scores` \
                  as in the metrics, and `clusters`, each with `images` and `labels`, the commonest label first",
        },
    ],
    check: |with| Ok(serde_json::to_value(tagged::read::<Params>(with)?).expect("parameters are plain data")),
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "analysis/subclusters.rs",
};

/// `with:` of a `subclusters` stage.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The most groups that are tried in a class.
    pub most: usize,
    /// A class is divided only where the mean silhouette is at least this. From 0.5 on there is "a reasonable structure"
    /// (Kaufman and Rousseeuw, Finding groups in data, 1990, chapter 2).
    pub least_silhouette: f64,
    /// The smallest share of its class that counts as a group.
    pub smallest: f64,
    /// What is done to every embedding first.
    pub normalise: Normalise,
    /// How many random starts to try for each number.
    pub runs: usize,
    /// Decides the random starts.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { most: 6, least_silhouette: 0.5, smallest: 0.05, normalise: Normalise::L2, runs: 10, seed: 0 }
    }
}

impl Limits for Params {
    fn limits(&self) -> Result<(), ParamError> {
        require(self.most >= 2, "most", "there is nothing to choose from", "try 6")?;
        require(self.runs > 0, "runs", "there must be at least one run", "try 10")?;
        let silhouette = (-1.0..=1.0).contains(&self.least_silhouette);
        require(silhouette, "least_silhouette", "a silhouette is between -1 and 1", "0.5 is usual")?;
        require((0.0..=0.5).contains(&self.smallest), "smallest", "the share must be between 0 and 0.5", "try 0.05")
    }
}

/// How good the groups of a class are.
#[derive(Clone, Serialize)]
struct Scores {
    images: usize,
    clusters: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    silhouette: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ari: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nmi: Option<f64>,
    purity: f64,
}

/// How many images have an original label.
#[derive(Serialize)]
struct Count {
    name: String,
    images: usize,
}

/// A group.
#[derive(Serialize)]
struct Group {
    images: usize,
    labels: Vec<Count>,
}

/// A class.
#[derive(Serialize)]
struct Category {
    label: u32,
    name: String,
    images: usize,
    labels: Vec<Count>,
    scores: Scores,
    clusters: Vec<Group>,
}

#[derive(Serialize)]
struct Line {
    index: usize,
    label: u32,
    cluster: usize,
    original: u32,
    silhouette: Option<f32>,
}

#[derive(Serialize)]
struct Tried {
    label: u32,
    clusters: usize,
    silhouette: Option<f64>,
    inertia: f64,
}

/// The groups of a class, the largest first.
struct Divided {
    clusters: Vec<usize>,
    silhouettes: Option<Vec<f64>>,
    trials: Vec<Trial>,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let path = context.input("embeddings")?;
    let embeddings = Embeddings::open(path)?;
    let originals = Originals::open(path, &embeddings.labels)?;
    let values = params.normalise.apply(&embeddings.values);
    let mut lines: Vec<Option<Line>> = (0..values.nrows()).map(|_| None).collect();
    let (mut categories, mut metrics, mut tried) = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut classes = embeddings.labels.clone();
    classes.sort_unstable();
    classes.dedup();
    for (done, &label) in classes.iter().enumerate() {
        context.progress(done as u64, classes.len() as u64, "class", "");
        let members: Vec<usize> = (0..values.nrows()).filter(|&i| embeddings.labels[i] == label).collect();
        let own: Vec<u32> = members.iter().map(|&i| originals.labels[i]).collect();
        let found = on_threads(context.threads, || divide(&values.select(Axis(0), &members), &params))?;
        let scores = scores(&found, &own);
        let name = &originals.classes[label as usize];
        context.message(format!("{name}: {} groups", scores.clusters));
        ensure!(
            metrics.insert(name.clone(), scores.clone()).is_none(),
            "two classes of {} are called `{name}`",
            path.display()
        );
        let groups = (0..scores.clusters).map(|cluster| {
            let of: Vec<u32> =
                own.iter().zip(&found.clusters).filter(|(_, c)| **c == cluster).map(|(label, _)| *label).collect();
            Group { images: of.len(), labels: count(&of, &originals.names) }
        });
        categories.push(Category {
            label,
            name: name.clone(),
            images: members.len(),
            labels: count(&own, &originals.names),
            clusters: groups.collect(),
            scores,
        });
        for (at, &index) in members.iter().enumerate() {
            let silhouette = found.silhouettes.as_ref().map(|s| s[at] as f32);
            lines[index] = Some(Line { index, label, cluster: found.clusters[at], original: own[at], silhouette });
        }
        tried.extend(found.trials.into_iter().map(|t| Tried {
            label,
            clusters: t.clusters,
            silhouette: t.silhouette,
            inertia: t.inertia,
        }));
    }
    let mut csv = artifact::csv_writer(context.output("subclusters")?)?;
    lines.into_iter().flatten().try_for_each(|line| csv.serialize(line))?;
    csv.flush().context("cannot write the groups")?;
    let mut csv = artifact::csv_writer(context.output("choice")?)?;
    tried.into_iter().try_for_each(|row| csv.serialize(row))?;
    csv.flush().context("cannot write what the choice was made from")?;
    artifact::write_json(context.output("categories")?, &categories)?;
    artifact::write_json(context.output("metrics")?, &BTreeMap::from([("classes", metrics)]))
}

/// Divides a class where the data suggest it; no label is looked at.
fn divide(values: &Array2<f64>, params: &Params) -> anyhow::Result<Divided> {
    let smallest = ((params.smallest * values.nrows() as f64).ceil() as usize).max(1);
    let search = Search { fewest: 2, most: params.most, runs: params.runs, seed: params.seed, smallest };
    let Choice { partition, silhouettes, trials } = choose(values.view(), &search)?;
    let kept = silhouettes.filter(|s| mean(s).is_some_and(|mean| mean >= params.least_silhouette));
    let clusters = if kept.is_some() { by_size(&partition) } else { vec![0; values.nrows()] };
    Ok(Divided { clusters, silhouettes: kept, trials })
}

/// The clusters numbered by their sizes, the largest first; of equals the one with the earlier point.
fn by_size(partition: &Partition) -> Vec<usize> {
    let sizes = partition.sizes();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c]), c));
    let mut rank = vec![0; sizes.len()];
    order.iter().enumerate().for_each(|(place, &c)| rank[c] = place);
    partition.clusters.iter().map(|&c| rank[c]).collect()
}

fn scores(found: &Divided, originals: &[u32]) -> Scores {
    let names: Vec<i64> = found.clusters.iter().map(|&c| c as i64).collect();
    let agreement = Agreement::new(&names, originals);
    let several = originals.iter().any(|label| *label != originals[0]);
    Scores {
        images: originals.len(),
        clusters: found.clusters.iter().max().map_or(0, |last| last + 1),
        silhouette: found.silhouettes.as_deref().and_then(mean),
        ari: several.then(|| agreement.ari()),
        nmi: several.then(|| agreement.nmi()),
        purity: agreement.purity(),
    }
}

/// How often each label occurs, the commonest first.
fn count(labels: &[u32], names: &[String]) -> Vec<Count> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *counts.entry(*label).or_default() += 1);
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(label, images)| (std::cmp::Reverse(images), label));
    counts.into_iter().map(|(label, images)| Count { name: names[label as usize].clone(), images }).collect()
}
