//! `split`: holds out a part of a training set for validation, with the same mix of classes.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::dataset::Dataset;
use crate::artifact::tensors::{self, Data};
use crate::kind::{self, Arity, Context, Kind, Output, ParamError, Port, Reads, Role, schema};
use crate::rng::Rng;

/// Holds out a part of a training set for validation.
pub const KIND: Kind = Kind {
    name: "split",
    summary: "Hold out a stratified part of a training set for validation",
    inputs: &[Port { name: "data", doc: "image set", arity: Arity::One, reads: Reads::Artifact }],
    outputs: &[Output {
        name: "split",
        file: "split.safetensors",
        role: Role::Data,
        doc: "rows of the image set, ascending from 0: `train` [n] u32, `validation` [m] u32",
    }],
    check,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "data/split.rs",
};

/// The parameters of `split`.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The fraction of images held out, between 0 and 1.
    pub validation: f64,
    /// Decides which.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { validation: 0.2, seed: 0 }
    }
}

fn check(with: &Value) -> Result<Value, ParamError> {
    let params: Params = kind::parse(with)?;
    if !(params.validation > 0.0 && params.validation < 1.0) {
        return Err(ParamError {
            path: vec!["validation".to_owned()],
            message: format!("{} is not a fraction between 0 and 1", params.validation),
            hint: Some("0.2 holds out a fifth".to_owned()),
        });
    }
    Ok(serde_json::to_value(params).expect("parameters are plain data"))
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let data = Dataset::open(context.input("data")?)?;
    let total = (data.len() as f64 * params.validation).round() as usize;
    ensure!(
        total > 0 && total < data.len(),
        "{} of {} images leaves the training or the validation set empty",
        params.validation,
        data.len()
    );
    let [train, validation] = split(&data.labels, data.classes.len(), total, params.seed);
    context.message(format!("{} images for training, {} for validation", train.len(), validation.len()));
    tensors::write(
        context.output("split")?,
        &[
            ("train", vec![train.len()], Data::U32(&train)),
            ("validation", vec![validation.len()], Data::U32(&validation)),
        ],
        BTreeMap::new(),
    )
}

/// Rows for training and `total` rows for validation, both ascending.
fn split(labels: &[u32], classes: usize, total: usize, seed: u64) -> [Vec<u32>; 2] {
    let mut rows: Vec<Vec<u32>> = vec![vec![]; classes];
    for (row, &label) in (0u32..).zip(labels) {
        rows[label as usize].push(row);
    }
    let sizes: Vec<usize> = rows.iter().map(Vec::len).collect();
    let (mut train, mut validation) = (vec![], vec![]);
    for (class, (mut rows, quota)) in rows.into_iter().zip(quotas(&sizes, total)).enumerate() {
        Rng::new(seed, "split", class as u64).shuffle(&mut rows);
        train.extend_from_slice(&rows[quota..]);
        validation.extend_from_slice(&rows[..quota]);
    }
    train.sort_unstable();
    validation.sort_unstable();
    [train, validation]
}

/// Deals `total` out in proportion to `sizes` by the method of the largest remainder (Hamilton); of equal remainders
/// the first is served first. No quota is larger than its size, and none is off by one or more.
fn quotas(sizes: &[usize], total: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let share = |size: usize| total as u128 * size as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&n| (share(n) / all as u128) as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(share(sizes[i]) % all as u128));
    let left = total - quotas.iter().sum::<usize>();
    for &i in &order[..left] {
        quotas[i] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_add_up_and_go_by_the_largest_remainder() {
        assert_eq!(quotas(&[300, 600, 1500, 300, 300], 600), [60, 120, 300, 60, 60]);
        // Shares 1.4, 1.6, 2.0: the one left goes to the second.
        assert_eq!(quotas(&[7, 8, 10], 5), [1, 2, 2]);
        // Equal remainders: the first.
        assert_eq!(quotas(&[1, 1, 1], 2), [1, 1, 0]);
        assert_eq!(quotas(&[0, 5], 3), [0, 3]);
    }

    #[test]
    fn every_row_is_in_one_part_and_the_seed_decides_which() {
        let labels: Vec<u32> = (0..100).map(|i| u32::from(i % 10 == 0)).collect();
        let [train, validation] = split(&labels, 3, 20, 1);
        let mut all = [train.clone(), validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u32>>());
        assert!(train.is_sorted() && validation.is_sorted());
        assert_eq!(validation.iter().filter(|&&row| labels[row as usize] == 1).count(), 2);
        assert_eq!(split(&labels, 3, 20, 1), [train, validation.clone()]);
        assert_ne!(split(&labels, 3, 20, 2)[1], validation);
    }
}
