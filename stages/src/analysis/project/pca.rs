//! Principal component analysis onto the first two components.

use anyhow::{Context as _, ensure};
use linfa_linalg::Order;
use linfa_linalg::eigh::{EigSort, EighInto};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::analysis::tagged::Limits;
use crate::kind::ParamError;

/// Rows that one partial sum covers. Fixed, so that sums are the same for any number of threads.
const BLOCK: usize = 1024;

/// A share of the variance that is nothing but rounding: `f32` input resolves about 1e-14 of it, `f64` sums 1e-32.
const ROUNDING: f64 = 1e-24;

/// The parameters of `method: pca`: none.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pca {}

impl Limits for Pca {
    fn limits(&self) -> Result<(), ParamError> {
        Ok(())
    }
}

/// The first two principal components of some points.
pub struct PrincipalComponents {
    /// The points along the components, [N, 2]. Where the points have a single direction, or none, the rest is 0.
    pub projection: Array2<f64>,
    /// The variance (with N - 1) along each component.
    pub variance: [f64; 2],
    /// The share of the variance of all D dimensions; 0 where there is no variance at all.
    pub ratio: [f64; 2],
}

/// Projects the rows of `values` [N, D] onto their first two principal components, by the eigenvectors of the smaller
/// of the covariance [D, D] and the Gram matrix [N, N], in double precision: O(N D min(N, D) + min(N, D)^3) work.
///
/// Signs are as scikit-learn's: in each component the coefficient of the largest magnitude (the first of equals) is
/// positive.
///
/// # Errors
/// If there are fewer than two points, or the decomposition fails.
pub fn pca(values: &Array2<f64>) -> anyhow::Result<PrincipalComponents> {
    let (n, columns) = values.dim();
    ensure!(n >= 2, "a projection needs at least 2 embeddings, but there is {n}");
    let centred = values - &mean(values.view());
    let degrees = (n - 1) as f64;
    let total: f64 = block_sums(&centred, |block| block.mapv(|v| v * v).sum_axis(Axis(0))).sum() / degrees;
    let mut found = PrincipalComponents { projection: Array2::zeros((n, 2)), variance: [0.0; 2], ratio: [0.0; 2] };
    if total <= 0.0 {
        return Ok(found);
    }
    let moments = if columns <= n {
        block_sums(&centred, |block| block.t().dot(block)) / degrees
    } else {
        block_sums(&centred.t().as_standard_layout().into_owned(), |block| block.t().dot(block)) / degrees
    };
    let (_, vectors) = moments.eigh_into().context("the covariance has no eigenvectors")?.sort_eig(Order::Largest);
    for k in 0..2.min(vectors.ncols()) {
        let vector = vectors.column(k);
        // An eigenvector of the Gram matrix weighs points; the component is the direction they add up to.
        let mut component: Array1<f64> = if columns <= n { vector.to_owned() } else { centred.t().dot(&vector) };
        let length = component.dot(&component).sqrt();
        if length == 0.0 {
            continue;
        }
        component *= largest(&component).signum() / length;
        let coordinates = centred.dot(&component);
        let variance = coordinates.dot(&coordinates) / degrees;
        // What is left beyond the rank of the data is rounding: no direction, no coordinates.
        if variance <= total * ROUNDING {
            continue;
        }
        found.projection.slice_mut(s![.., k]).assign(&coordinates);
        found.variance[k] = variance;
        found.ratio[k] = variance / total;
    }
    Ok(found)
}

fn mean(values: ArrayView2<'_, f64>) -> Array1<f64> {
    block_sums(&values.to_owned(), |block| block.sum_axis(Axis(0))) / values.nrows() as f64
}

/// The sum of `part` over blocks of rows: parts on all threads, their sum in order.
fn block_sums<D: ndarray::Dimension>(
    values: &Array2<f64>,
    part: impl Fn(&ArrayView2<'_, f64>) -> ndarray::Array<f64, D> + Sync,
) -> ndarray::Array<f64, D> {
    let parts: Vec<_> = values.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().map(|block| part(&block)).collect();
    let mut parts = parts.into_iter();
    let first = parts.next().expect("there are rows");
    parts.fold(first, |sum, part| sum + part)
}

/// The value of the largest magnitude, the first of equals.
fn largest(values: &Array1<f64>) -> f64 {
    values.iter().fold(0.0_f64, |best, &v| if v.abs() > best.abs() { v } else { best })
}
