//! Reading the files that figures are drawn from, and the names that labels are shown under.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::kind::Input;

/// A row of `clusters.csv`.
#[derive(Deserialize)]
pub(super) struct Clustered {
    /// The row of the image set.
    pub(super) index: usize,
    /// Its cluster; -1 is noise.
    pub(super) cluster: i64,
    /// Its class.
    pub(super) label: u32,
}

/// The rows of a CSV file.
///
/// # Errors
/// If it cannot be read, has other columns, or has no rows.
pub(super) fn csv<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot open {}", path.display()))?;
    let rows: Vec<T> =
        reader.deserialize().collect::<Result<_, _>>().with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!rows.is_empty(), "{} has no rows", path.display());
    Ok(rows)
}

/// The value of a JSON file.
///
/// # Errors
/// If it cannot be read or is something else.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| format!("cannot open {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))
}

/// The accuracy in the `metrics.json` of an evaluate stage.
///
/// # Errors
/// If the file cannot be read or has none.
pub(super) fn accuracy(path: &Path) -> anyhow::Result<f64> {
    #[derive(Deserialize)]
    struct Metrics {
        accuracy: Option<f64>,
    }
    let metrics: Metrics = json(path)?;
    metrics.accuracy.with_context(|| {
        format!("{} has no `accuracy`: the input `metrics` is that of an evaluate stage", path.display())
    })
}

/// What the inputs of a port are called in a figure, beside each other: see [`name`]. Coordinates that all of them share tell
/// nothing and are left out. Where there is one input, its coordinates that have a name are enough.
pub(super) fn names(inputs: &[Input], given: &BTreeMap<String, String>) -> Vec<String> {
    let coordinates: Vec<Vec<&str>> = inputs.iter().map(|input| input.label.split(',').collect()).collect();
    let is_named = |coordinate: &str| {
        given.contains_key(coordinate) || coordinate.split_once('=').is_some_and(|(_, value)| given.contains_key(value))
    };
    let tells = |coordinate: &str| match inputs.len() {
        1 => is_named(coordinate),
        _ => !coordinates.iter().all(|all| all.contains(&coordinate)),
    };
    let short = |(position, input): (usize, &Input)| {
        let telling: Vec<&str> = coordinates[position].iter().copied().filter(|c| tells(c)).collect();
        let label = telling.join(",");
        match given.contains_key(&input.label) || label.is_empty() {
            true => name(input, position, given),
            false => name(&Input { label, path: input.path.clone() }, position, given),
        }
    };
    inputs.iter().enumerate().map(short).collect()
}

/// What an input is called in a figure: what `names` says for its matrix coordinates (`model=5`) or for the value in
/// them (`5`); else the coordinates in words (`model 5`); else, where it has none, its place among all (`variant 2`).
fn name(input: &Input, position: usize, names: &BTreeMap<String, String>) -> String {
    if input.label.is_empty() {
        let place = format!("variant {}", position + 1);
        return names.get(&place).cloned().unwrap_or(place);
    }
    let value = input.label.split_once('=').map_or(input.label.as_str(), |(_, value)| value);
    let known = names.get(&input.label).or_else(|| names.get(value));
    known.cloned().unwrap_or_else(|| input.label.replace('=', " ").replace(',', ", "))
}

/// A whole number with its thousands apart: `3,223,909`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1_000, 3_223_909].map(grouped), ["0", "999", "1,000", "3,223,909"]);
    }

    #[test]
    fn an_input_is_called_by_its_coordinates_unless_it_has_a_name() {
        let input = |label: &str| Input { label: label.to_owned(), path: "x".into() };
        let names = BTreeMap::from([("pca".to_owned(), "PCA".to_owned())]);
        assert_eq!(name(&input("method=pca"), 0, &names), "PCA");
        assert_eq!(name(&input("model=5,seed=1"), 0, &names), "model 5, seed 1");
        assert_eq!(name(&input(""), 1, &names), "variant 2");
    }

    #[test]
    fn coordinates_that_all_share_are_left_out() {
        let inputs = |labels: &[&str]| -> Vec<Input> {
            labels.iter().map(|label| Input { label: (*label).to_owned(), path: "x".into() }).collect()
        };
        let given = BTreeMap::from([("pca".to_owned(), "PCA".to_owned())]);
        let of = |labels: &[&str]| super::names(&inputs(labels), &given);
        assert_eq!(
            of(&["how=min-max,model=conv,method=pca", "how=min-max,model=conv,method=tsne"]),
            ["PCA", "method tsne"]
        );
        assert_eq!(of(&["model=1,method=pca", "model=2,method=pca"]), ["model 1", "model 2"]);
        assert_eq!(of(&["model=1,method=pca", "model=2,method=tsne"]), ["model 1, method pca", "model 2, method tsne"]);
        assert_eq!(of(&["how=min-max,method=pca"]), ["PCA"]);
        assert_eq!(of(&["a=1", "a=1"]), ["a 1", "a 1"]);
    }
}
