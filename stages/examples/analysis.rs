//! What the analysis finds in embeddings, and how long each part takes.
//!
//! `analysis EMBEDDINGS.safetensors THREADS` prints a line of JSON. `bench/analysis.py` holds it against scikit-learn and
//! openTSNE on the same embeddings.
#![allow(clippy::print_stdout, reason = "a program that prints its result")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use ndarray::Array2;
use serde_json::{Value, json};
use stages::analysis::cluster::{Dbscan, dbscan, kmeans};
use stages::analysis::embeddings::Embeddings;
use stages::analysis::points::Points;
use stages::analysis::project::{Tsne, pca, tsne};
use stages::analysis::score::{Agreement, silhouette, trustworthiness};

/// The neighbours that trustworthiness looks at.
const NEIGHBOURS: usize = 10;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().context("EMBEDDINGS.safetensors is missing")?;
    let threads = arguments.get(1).context("THREADS is missing")?.parse()?;
    let embeddings = Embeddings::open(Path::new(path))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("{}", pool.install(|| measure(&embeddings))?);
    Ok(())
}

fn measure(embeddings: &Embeddings) -> anyhow::Result<Value> {
    let values = &embeddings.values;
    let mut seconds = BTreeMap::new();
    let clustered = |params: Value| serde_json::from_value::<Dbscan>(params);

    let components = timed(&mut seconds, "pca", || pca(values))?;
    let partition = timed(&mut seconds, "kmeans", || kmeans(values.view(), 5, 10, 0))?;
    let params = clustered(json!({"min_samples": 20}))?;
    let density = timed(&mut seconds, "dbscan with its radius", || dbscan(values, &params))?;
    let given = clustered(json!({"min_samples": 20, "eps": density.eps}))?;
    timed(&mut seconds, "dbscan", || dbscan(values, &given))?;
    let params = Tsne { perplexity: 30.0, iterations: 1000, seed: 0 };
    let map = timed(&mut seconds, "t-SNE", || tsne(values, &params, &|_| {}))?;
    let width = timed(&mut seconds, "silhouette", || Ok(silhouette(values.view(), &partition.clusters)))?;
    let points = Points::new(values.view());
    let kept =
        timed(&mut seconds, "trustworthiness", || Ok(trustworthiness(&points, map.projection.view(), NEIGHBOURS)))?;
    let agreement = Agreement::new(&names(partition.clusters.iter().map(|&c| Some(c))), &embeddings.labels);
    Ok(json!({
        "seconds": seconds,
        "pca": {"projection": rows(&components.projection), "variance": components.variance, "ratio": components.ratio},
        "kmeans": {"inertia": partition.inertia, "clusters": partition.clusters},
        "dbscan": {"eps": density.eps, "clusters": names(density.clusters.iter().copied())},
        "tsne": {"projection": rows(&map.projection), "kl": map.kl_divergence, "trustworthiness": kept},
        "scores": {
            "silhouette": width,
            "ari": agreement.ari(),
            "nmi": agreement.nmi(),
            "purity": agreement.purity(),
        },
    }))
}

fn timed<T>(
    seconds: &mut BTreeMap<&'static str, f64>,
    name: &'static str,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    let found = work()?;
    seconds.insert(name, start.elapsed().as_secs_f64());
    Ok(found)
}

fn names(clusters: impl Iterator<Item = Option<usize>>) -> Vec<i64> {
    clusters.map(|cluster| cluster.map_or(-1, |c| c as i64)).collect()
}

fn rows(matrix: &Array2<f64>) -> Vec<Vec<f64>> {
    matrix.rows().into_iter().map(|row| row.to_vec()).collect()
}
