//! The kind `cluster`: groups embeddings, and says how well the groups agree with the classes.

mod dbscan;
mod kmeans;
mod knee;
mod radius;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::embeddings::Embeddings;
use super::score::Agreement;
use super::{on_threads, tagged};
use crate::artifact;
use crate::kind::{Arity, Context, Kind, Output, ParamError, Port, Reads, Role};

pub use dbscan::{Dbscan, Density, Eps, Normalise, dbscan};
pub use kmeans::{KMeans, Partition, kmeans};
pub use knee::{Knee, knee};
pub use radius::WithinRadius;

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
            doc: "CSV `index,cluster,label`: a row a sample, in order; cluster -1 is noise (DBSCAN), label its class",
        },
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "`clusters`, `noise`, `ari`, `nmi`, `purity`; k-means: `inertia`, `silhouette`; DBSCAN: `eps`, \
                  `silhouette_without_noise`. Noise counts as one more group in `ari`, `nmi` and `purity`; a silhouette \
                  that is undefined (a single cluster) is left out",
        },
    ],
    check: |with| Ok(serde_json::to_value(method(with)?).expect("parameters are plain data")),
    run,
    fixed: None,
    module: "analysis/cluster/mod.rs",
};

/// How to group.
#[derive(Debug, Serialize)]
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
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let method = method(params).map_err(|e| anyhow::anyhow!("{}", e.message))?;
    let embeddings = Embeddings::open(context.input("embeddings")?)?;
    let (clusters, metrics) = on_threads(context.threads, || match &method {
        Method::Kmeans(params) => by_kmeans(params, &embeddings),
        Method::Dbscan(params) => by_density(params, &embeddings, context),
    })?;
    let mut csv = artifact::csv_writer(context.output("clusters")?)?;
    for (index, (&cluster, &label)) in clusters.iter().zip(&embeddings.labels).enumerate() {
        csv.serialize(Line { index, cluster, label })?;
    }
    csv.flush().context("cannot write the clusters")?;
    artifact::write_json(context.output("metrics")?, &metrics)
}

fn by_kmeans(params: &KMeans, embeddings: &Embeddings) -> anyhow::Result<(Vec<i64>, Metrics)> {
    let partition = kmeans(embeddings.values.view(), params)?;
    let clusters: Vec<i64> = partition.clusters.iter().map(|&c| c as i64).collect();
    let mut metrics = metrics(&clusters, embeddings);
    metrics.silhouette = super::score::silhouette(embeddings.values.view(), &partition.clusters);
    metrics.inertia = Some(partition.inertia);
    Ok((clusters, metrics))
}

fn by_density(params: &Dbscan, embeddings: &Embeddings, context: &Context<'_>) -> anyhow::Result<(Vec<i64>, Metrics)> {
    let Density { clusters, eps, values } = dbscan(&embeddings.values, params)?;
    let names: Vec<i64> = clusters.iter().map(|c| c.map_or(-1, |c| c as i64)).collect();
    let mut metrics = metrics(&names, embeddings);
    context.message(format!("eps {eps:.6}: {} clusters, {} of {} noise", metrics.clusters, metrics.noise, names.len()));
    let kept: Vec<usize> = (0..names.len()).filter(|&i| clusters[i].is_some()).collect();
    let labels: Vec<usize> = kept.iter().filter_map(|&i| clusters[i]).collect();
    metrics.silhouette_without_noise = super::score::silhouette(values.select(ndarray::Axis(0), &kept).view(), &labels);
    metrics.eps = Some(eps);
    Ok((names, metrics))
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
