//! Embedded samples as a figure needs them: their classes, their clusters, and the colours of both.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::matching::Contingency;
use super::read::{self, Clustered, grouped};
use super::style::{self, Colour};
use crate::artifact::tensors::Tensors;

/// How far a value may be from the linear function that it is taken for, in standard deviations.
const LINEAR: f64 = 1e-3;

/// Embeddings [N, D] and the class of each.
pub(super) struct Embeddings {
    values: Vec<f32>,
    dimensions: usize,
    labels: Vec<u32>,
    classes: Vec<String>,
}

impl Embeddings {
    /// Reads them.
    ///
    /// # Errors
    /// If the file is not one of embeddings.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = Tensors::open(path)?;
        let shape = file.shape("embeddings")?;
        let [samples, dimensions] = shape[..] else {
            anyhow::bail!("`embeddings` of {} has shape {shape:?}, not [N, D]", path.display());
        };
        let labels = file.u32("labels")?;
        ensure!(labels.len() == samples, "{} holds {samples} embeddings but {} labels", path.display(), labels.len());
        let names =
            file.metadata("classes").with_context(|| format!("{} does not name its classes", path.display()))?;
        let classes: Vec<String> = serde_json::from_str(&names)?;
        ensure!(labels.iter().all(|&l| (l as usize) < classes.len()), "a label of {} has no name", path.display());
        Ok(Self { values: file.f32("embeddings")?.into_owned(), dimensions, labels, classes })
    }

    /// The colour of a sample's class.
    pub(super) fn colour(&self, index: usize) -> Colour {
        style::category(self.labels[index] as usize)
    }

    /// The classes that occur, with their sizes.
    pub(super) fn legend(&self) -> Vec<(String, Colour)> {
        let mut sizes = vec![0u64; self.classes.len()];
        self.labels.iter().for_each(|&l| sizes[l as usize] += 1);
        let entry = |(i, name): (usize, &String)| (format!("{name} ({})", grouped(sizes[i])), style::category(i));
        self.classes.iter().enumerate().filter(|(i, _)| sizes[*i] > 0).map(entry).collect()
    }

    /// The shares of the embeddings' variance that the two axes of a projection carry; none unless both are
    /// projections onto orthonormal directions (as PCA's are), since nothing else carries a share of the variance.
    ///
    /// Were x = (E - mean) v with a unit v that is an eigenvector of the covariance C, then cov(E, x) = C v =
    /// var(x) v. So v = cov(E, x) / var(x), and it is checked that this v gives x back.
    pub(super) fn explained(&self, points: &[(usize, [f64; 2])]) -> Option<[f64; 2]> {
        let samples = points.len() as f64;
        let row = |index: usize| &self.values[index * self.dimensions..][..self.dimensions];
        let mut mean = vec![0.0; self.dimensions];
        for (index, _) in points {
            mean.iter_mut().zip(row(*index)).for_each(|(m, v)| *m += f64::from(*v) / samples);
        }
        let mut total = 0.0;
        for (index, _) in points {
            total += row(*index).iter().zip(&mean).map(|(v, m)| (f64::from(*v) - m).powi(2)).sum::<f64>();
        }
        let share = |axis: usize| {
            let centre = points.iter().map(|p| p.1[axis]).sum::<f64>() / samples;
            let own: f64 = points.iter().map(|p| (p.1[axis] - centre).powi(2)).sum();
            if own <= 0.0 || total <= 0.0 {
                return None;
            }
            let mut direction = vec![0.0; self.dimensions];
            for (index, p) in points {
                let weight = (p[axis] - centre) / own;
                direction
                    .iter_mut()
                    .zip(row(*index))
                    .zip(&mean)
                    .for_each(|((d, v), m)| *d += weight * (f64::from(*v) - m));
            }
            let tolerance = LINEAR * (own / samples).sqrt();
            let linear = points.iter().all(|(index, p)| {
                let back: f64 =
                    row(*index).iter().zip(&mean).zip(&direction).map(|((v, m), d)| (f64::from(*v) - m) * d).sum();
                (back - (p[axis] - centre)).abs() <= tolerance
            });
            linear.then_some(own / total)
        };
        Some([share(0)?, share(1)?])
    }
}

/// The clusters of embedded samples.
pub(super) struct Clusters {
    of: HashMap<usize, i64>,
    sizes: BTreeMap<i64, u64>,
    order: Vec<i64>,
    colours: BTreeMap<i64, Colour>,
    /// The adjusted Rand index of clusters and classes.
    pub(super) ari: f64,
}

impl Clusters {
    /// Reads them; a cluster takes the colour of the class that it matches, another one a colour that no class has.
    ///
    /// # Errors
    /// If the file is not one of clusters, or of other samples.
    pub(super) fn open(path: &Path, embeddings: &Embeddings) -> anyhow::Result<Self> {
        let rows: Vec<Clustered> = read::csv(path)?;
        for row in &rows {
            ensure!(
                embeddings.labels.get(row.index) == Some(&row.label),
                "sample {} of {} is not in the embeddings, or of another class there: they do not belong together",
                row.index,
                path.display()
            );
        }
        let contingency = Contingency::new(rows.iter().map(|row| (row.cluster, row.label)));
        let colours = contingency.colours(embeddings.classes.len());
        let ari = contingency.adjusted_rand_index();
        let of = rows.iter().map(|r| (r.index, r.cluster)).collect();
        Ok(Self { of, sizes: contingency.clusters(), order: contingency.order(), colours, ari })
    }

    /// The number of clustered samples.
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether a sample was clustered.
    pub(super) fn contains(&self, index: usize) -> bool {
        self.of.contains_key(&index)
    }

    /// The colour of a sample's cluster.
    ///
    /// # Panics
    /// If it was not clustered.
    pub(super) fn colour(&self, index: usize) -> Colour {
        self.colours[&self.of[&index]]
    }

    /// The clusters in the order of the classes they match, then the others, then noise; with their sizes.
    pub(super) fn legend(&self) -> Vec<(String, Colour)> {
        let name = |cluster: i64| if cluster < 0 { "noise".to_owned() } else { format!("cluster {cluster}") };
        let entry =
            |&cluster: &i64| (format!("{} ({})", name(cluster), grouped(self.sizes[&cluster])), self.colours[&cluster]);
        self.order.iter().map(entry).collect()
    }
}
