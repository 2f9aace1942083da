//! The kind `cluster`: groups embeddings, and says how well the groups agree with the classes.

mod automatic;
mod choose;
mod dbscan;
mod kmeans;
mod knee;
mod radius;
mod spread;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::embeddings::Embeddings;
use super::score::Agreement;
use super::{on_threads, tagged};
use crate::artifact;
use crate::kind::{Arity, Context, Kind, Output, ParamError, Port, Reads, Role, schema};

pub use automatic::{Automatic, automatic};
pub use choose::{Choice, Search, Trial, choose};
pub use dbscan::{Dbscan, Density, Eps, Normalise, dbscan, k_distances};
pub use kmeans::{Count, KMeans, Partition, kmeans};
pub use knee::{Knee, knee};
pub use radius::WithinRadius;
pub use spread::Spread;

/// Groups embeddings without looking at their classes.
pub const KIND: Kind = Kind {
    name: "cluster",
    summary: "Groups embeddings by k-means or DBSCAN and scores the groups against the classes",
    inputs: &[Port {
        name: "embeddings",
        doc: "`embeddings` [N, D] f32 and `labels` [N] u32, as `embed` writes them",
        arity: Arity::One,
        reads: Reads::Artifact,
    }],
    outputs: &[
        Output {
            name: "clusters",
            file: "clusters.csv",
            role: Role::Data,
            doc: "CSV `index,cluster,label,silhouette`: a row a sample, in order; cluster -1 is noise (DBSCAN), label its \
                  class; no silhouette where it is undefined",
        },
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "`clusters`, `noise`, `ari`, `nmi`, `purity`; k-means: `inertia`, `silhouette`; DBSCAN: `eps`, \
                  `silhouette_without_noise`. Noise counts as one more group in `ari`, `nmi` and `purity`; a silhouette \
                  that is undefined (a single cluster) is left out",
        },
        Output {
            name: "choice",
            file: "choice.csv",
            role: Role::Data,
            doc: "what the choice was made from; k-means: CSV `clusters,silhouette,inertia`, a row a number that was tried; \
                  DBSCAN: CSV `rank,distance`, the distances to neighbour number `min_samples - 1`, ascending; with \
                  `eps: auto` also `clusters,kept,told`, of a radius just above each distance: how many clusters there \
                  are, the share of the embeddings in them, and that times the entropy of their sizes (nats), which is \
                  largest at eps",
        },
    ],
    check: |with| Ok(serde_json::to_value(method(with)?).expect("parameters are plain data")),
    params: schema::<Method>,
    run,
    fixed: None,
    chain: None,
    module: "analysis/cluster/mod.rs",
};

/// The word `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// Chosen from the data.
    #[default]
    Auto,
}

/// How to group.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "method", rename_all = "kebab-case")]
enum Method {
    Kmeans(KMeans),
    Dbscan(Dbscan),
}

fn method(with: &Value) -> Result<Method, ParamError> {
    let (name, rest) = tagged::method(with, &["kmeans", "dbscan"])?;
    Ok(match name.as_str() {
        "kmeans" => Method::Kmeans(tagged::read(&rest)?),
        _ => Method::Dbscan(tagged::read(&rest)?),
    })
}

/// What `metrics.json` holds.
#[derive(Serialize)]
struct Metrics {
    clusters: usize,
    noise: usize,
    ari: f64,
    nmi: f64,
    purity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    silhouette: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silhouette_without_noise: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inertia: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eps: Option<f64>,
}

#[derive(Serialize)]
struct Line {
    index: usize,
    cluster: i64,
    label: u32,
    silhouette: Option<f32>,
}

/// A point of the k-distance curve, and the clusters at a radius just above it if they were looked at.
#[derive(Serialize)]
struct Distance {
    rank: usize,
    distance: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<f64>,
}

/// Embeddings, grouped.
struct Grouped {
    /// -1 is noise.
    clusters: Vec<i64>,
    silhouettes: Vec<Option<f64>>,
    metrics: Metrics,
    choice: Choosing,
}

/// What the choice was made from.
enum Choosing {
    Trials(Vec<Trial>),
    Distances(Vec<f64>, Vec<Spread>),
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let method = method(params).map_err(|e| anyhow::anyhow!("{}", e.message))?;
    let embeddings = Embeddings::open(context.input("embeddings")?)?;
    let found = on_threads(context.threads, || match &method {
        Method::Kmeans(params) => by_kmeans(params, &embeddings, context),
        Method::Dbscan(params) => by_density(params, &embeddings, context),
    })?;
    let mut csv = artifact::csv_writer(context.output("clusters")?)?;
    for (index, &cluster) in found.clusters.iter().enumerate() {
        let silhouette = found.silhouettes[index].map(|s| s as f32);
        csv.serialize(Line { index, cluster, label: embeddings.labels[index], silhouette })?;
    }
    csv.flush().context("cannot write the clusters")?;
    let mut csv = artifact::csv_writer(context.output("choice")?)?;
    match found.choice {
        Choosing::Trials(trials) => trials.into_iter().try_for_each(|trial| csv.serialize(trial))?,
        Choosing::Distances(distances, spreads) => {
            let row = |(rank, distance)| {
                let spread = spreads.get(rank);
                Distance {
                    rank,
                    distance,
                    clusters: spread.map(|s| s.clusters),
                    kept: spread.map(|s| s.kept),
                    told: spread.map(Spread::told),
                }
            };
            distances.into_iter().enumerate().map(row).try_for_each(|row| csv.serialize(row))?;
        }
    }
    csv.flush().context("cannot write what the choice was made from")?;
    artifact::write_json(context.output("metrics")?, &found.metrics)
}

fn by_kmeans(params: &KMeans, embeddings: &Embeddings, context: &Context<'_>) -> anyhow::Result<Grouped> {
    let values = embeddings.values.view();
    let (runs, seed) = (params.runs, params.seed);
    let found = match params.clusters {
        Count::Named(Auto::Auto) => choose(values, &Search { fewest: 2, most: params.most, runs, seed, smallest: 1 })?,
        Count::Given(clusters) => {
            let partition = kmeans(values, clusters, runs, seed)?;
            let silhouettes = super::score::silhouettes(values, &[&partition.clusters]).pop().flatten();
            let silhouette = silhouettes.as_deref().and_then(super::score::mean);
            let trials = vec![Trial { clusters, silhouette, inertia: partition.inertia }];
            Choice { partition, silhouettes, trials }
        }
    };
    let clusters: Vec<i64> = found.partition.clusters.iter().map(|&c| c as i64).collect();
    let mut metrics = metrics(&clusters, embeddings);
    metrics.silhouette = found.silhouettes.as_deref().and_then(super::score::mean);
    metrics.inertia = Some(found.partition.inertia);
    context.message(format!("{} clusters", metrics.clusters));
    let silhouettes = match found.silhouettes {
        Some(silhouettes) => silhouettes.into_iter().map(Some).collect(),
        None => vec![None; clusters.len()],
    };
    Ok(Grouped { clusters, silhouettes, metrics, choice: Choosing::Trials(found.trials) })
}

fn by_density(params: &Dbscan, embeddings: &Embeddings, context: &Context<'_>) -> anyhow::Result<Grouped> {
    let Density { clusters, eps, values, choice } = dbscan(&embeddings.values, params)?;
    let choice = match choice {
        Some(Automatic { distances, spreads, .. }) => Choosing::Distances(distances, spreads),
        None => Choosing::Distances(k_distances(&values, params.min_samples), vec![]),
    };
    let names: Vec<i64> = clusters.iter().map(|c| c.map_or(-1, |c| c as i64)).collect();
    let mut metrics = metrics(&names, embeddings);
    context.message(format!("eps {eps:.6}: {} clusters, {} of {} noise", metrics.clusters, metrics.noise, names.len()));
    let kept: Vec<usize> = (0..names.len()).filter(|&i| clusters[i].is_some()).collect();
    let labels: Vec<usize> = kept.iter().filter_map(|&i| clusters[i]).collect();
    let mut silhouettes = vec![None; names.len()];
    let values = values.select(ndarray::Axis(0), &kept);
    if let Some(found) = super::score::silhouettes(values.view(), &[&labels]).pop().flatten() {
        metrics.silhouette_without_noise = super::score::mean(&found);
        kept.iter().zip(found).for_each(|(&i, silhouette)| silhouettes[i] = Some(silhouette));
    }
    metrics.eps = Some(eps);
    Ok(Grouped { clusters: names, silhouettes, metrics, choice })
}

fn metrics(clusters: &[i64], embeddings: &Embeddings) -> Metrics {
    let agreement = Agreement::new(clusters, &embeddings.labels);
    let mut names: Vec<i64> = clusters.iter().copied().filter(|&c| c >= 0).collect();
    names.sort_unstable();
    names.dedup();
    Metrics {
        clusters: names.len(),
        noise: clusters.iter().filter(|&&c| c < 0).count(),
        ari: agreement.ari(),
        nmi: agreement.nmi(),
        purity: agreement.purity(),
        silhouette: None,
        silhouette_without_noise: None,
        inertia: None,
        eps: None,
    }
}
