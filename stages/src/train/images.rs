//! The training images as samples: rows of the image set, and varied copies of them, gathered batch by batch.

use crate::model::recipe::Augmentation;
use crate::rng::Rng;

use super::augment::vary;

/// The images that a network is trained on. Nothing is copied before a batch asks for it.
pub struct Images<'a> {
    /// Normalised pixels of the whole image set, [N, H, W, C].
    pub pixels: &'a [f32],
    /// Labels of the whole image set.
    pub labels: &'a [u32],
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// The rows that are trained on.
    pub rows: &'a [u32],
    /// How images are varied.
    pub augmentation: Option<&'a Augmentation>,
    /// The stage's seed.
    pub seed: u64,
}

impl Images<'_> {
    /// The number of samples in an epoch: twice the rows where varied copies are appended.
    pub fn samples(&self) -> usize {
        self.rows.len() * if self.augmentation.is_some_and(|a| a.append) { 2 } else { 1 }
    }

    /// The order of an epoch's samples (counted from 0).
    pub fn order(&self, epoch: usize, shuffle: bool) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.samples() as u32).collect();
        if shuffle {
            Rng::new(self.seed, "shuffle", epoch as u64).shuffle(&mut order);
        }
        order
    }

    /// The labels of samples.
    pub fn labels_of(&self, samples: &[u32]) -> Vec<u32> {
        samples.iter().map(|&s| self.labels[self.row(s)]).collect()
    }

    /// The pixels of samples in an epoch, one image after the other.
    pub fn gather(&self, samples: &[u32], epoch: usize) -> Vec<f32> {
        let len: usize = self.shape.iter().product();
        let mut batch = Vec::with_capacity(samples.len() * len);
        for &sample in samples {
            let row = self.row(sample);
            let image = &self.pixels[row * len..][..len];
            match self.augmentation {
                Some(how) if !how.append => {
                    let counter = ((epoch as u64) << 32) | row as u64;
                    vary(image, self.shape, how, &mut Rng::new(self.seed, "vary", counter), &mut batch);
                }
                Some(how) if sample as usize >= self.rows.len() => {
                    vary(image, self.shape, how, &mut Rng::new(self.seed, "append", row as u64), &mut batch);
                }
                _ => batch.extend_from_slice(image),
            }
        }
        batch
    }

    fn row(&self, sample: u32) -> usize {
        self.rows[sample as usize % self.rows.len()] as usize
    }
}
