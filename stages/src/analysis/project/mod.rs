//! The kind `project`: maps embeddings to the plane, and says how much of them is left there.

mod pca;
mod tsne;

use anyhow::Context as _;
use ndarray::Array2;
use serde::Serialize;
use serde_json::Value;

use super::embeddings::Embeddings;
use super::points::Points;
use super::score::trustworthiness;
use super::{on_threads, tagged};
use crate::artifact;
use crate::kind::{Arity, Context, Kind, Output, ParamError, Port, Reads, Role, schema};

pub use pca::{Pca, PrincipalComponents, pca};
pub use tsne::{Tsne, TsneProjection, tsne};

/// How many neighbours the trustworthiness in the metrics looks at.
const NEIGHBOURS: usize = 10;

/// Maps embeddings to the plane.
pub const KIND: Kind = Kind {
    name: "project",
    summary: "Projects embeddings to two dimensions by PCA or t-SNE",
    inputs: &[Port {
        name: "embeddings",
        doc: "`embeddings` [N, D] f32 and `labels` [N] u32, as `embed` writes them",
        arity: Arity::One,
        reads: Reads::Artifact,
    }],
    outputs: &[
        Output {
            name: "projection",
            file: "projection.csv",
            role: Role::Data,
            doc: "CSV `index,x,y`: a row a sample, in order, in single precision",
        },
        Output {
            name: "metrics",
            file: "metrics.json",
            role: Role::Metrics,
            doc: "`trustworthiness` (of 10 neighbours; left out below 21 samples); PCA: `explained_variance`, \
                  `explained_variance_ratio`, each of `x` and `y`, and the ratios' `total`; t-SNE: `kl_divergence` \
                  (nats, exact), `perplexity` (as used)",
        },
    ],
    check: |with| Ok(serde_json::to_value(method(with)?).expect("parameters are plain data")),
    params: schema::<Method>,
    run,
    fixed: None,
    chain: None,
    module: "analysis/project/mod.rs",
};

/// How to project.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "method", rename_all = "kebab-case")]
enum Method {
    Pca(Pca),
    Tsne(Tsne),
}

fn method(with: &Value) -> Result<Method, ParamError> {
    let (name, rest) = tagged::method(with, &["pca", "tsne"])?;
    Ok(match name.as_str() {
        "pca" => Method::Pca(tagged::read(&rest)?),
        _ => Method::Tsne(tagged::read(&rest)?),
    })
}

/// What `metrics.json` holds.
#[derive(Default, Serialize)]
struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    explained_variance: Option<Axes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explained_variance_ratio: Option<Axes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kl_divergence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    perplexity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trustworthiness: Option<f64>,
}

/// A figure for each axis.
#[derive(Serialize)]
struct Axes {
    x: f64,
    y: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<f64>,
}

#[derive(Serialize)]
struct Line {
    index: usize,
    x: f32,
    y: f32,
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let method = method(params).map_err(|e| anyhow::anyhow!("{}", e.message))?;
    let embeddings = Embeddings::open(context.input("embeddings")?)?;
    let values = &embeddings.values;
    let (projection, metrics) = on_threads(context.threads, || {
        let (projection, mut metrics) = match &method {
            Method::Pca(_) => by_pca(values)?,
            Method::Tsne(params) => by_tsne(params, values, context)?,
        };
        metrics.trustworthiness = trustworthiness(&Points::new(values.view()), projection.view(), NEIGHBOURS);
        anyhow::Ok((projection, metrics))
    })?;
    let mut csv = artifact::csv_writer(context.output("projection")?)?;
    for (index, row) in projection.rows().into_iter().enumerate() {
        csv.serialize(Line { index, x: row[0] as f32, y: row[1] as f32 })?;
    }
    csv.flush().context("cannot write the projection")?;
    artifact::write_json(context.output("metrics")?, &metrics)
}

fn by_pca(values: &Array2<f64>) -> anyhow::Result<(Array2<f64>, Metrics)> {
    let found = pca(values)?;
    let axes = |[x, y]: [f64; 2], total| Some(Axes { x, y, total });
    let metrics = Metrics {
        explained_variance: axes(found.variance, None),
        explained_variance_ratio: axes(found.ratio, Some(found.ratio[0] + found.ratio[1])),
        ..Metrics::default()
    };
    Ok((found.projection, metrics))
}

fn by_tsne(params: &Tsne, values: &Array2<f64>, context: &Context<'_>) -> anyhow::Result<(Array2<f64>, Metrics)> {
    let total = params.iterations as u64;
    let found = tsne(values, params, &|done| context.progress(done as u64, total, "iteration", ""))?;
    if found.perplexity != params.perplexity {
        let (n, used) = (values.nrows(), found.perplexity);
        context.message(format!("perplexity {} is too large for {n} embeddings: {used:.2} is used", params.perplexity));
    }
    let metrics =
        Metrics { kl_divergence: Some(found.kl_divergence), perplexity: Some(found.perplexity), ..Metrics::default() };
    Ok((found.projection, metrics))
}
