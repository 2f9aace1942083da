//! The training images as samples: rows of the image set, and varied copies of them, gathered batch by batch.

use crate::model::recipe::{Augmentation, Flip};
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
                    let rng = &mut Rng::new(self.seed, "vary", counter);
                    vary(image, self.shape, how, self.turn(how, row, epoch), rng, &mut batch);
                }
                Some(how) if sample as usize >= self.rows.len() => {
                    let rng = &mut Rng::new(self.seed, "append", row as u64);
                    vary(image, self.shape, how, false, rng, &mut batch);
                }
                _ => batch.extend_from_slice(image),
            }
        }
        batch
    }

    /// Whether it is a row's turn to be mirrored, where images alternate: in every other epoch, from the first or the second on.
    fn turn(&self, how: &Augmentation, row: usize, epoch: usize) -> bool {
        how.flip == Flip::Alternating && (Rng::new(self.seed, "turn", row as u64).below(2) + epoch).is_multiple_of(2)
    }

    fn row(&self, sample: u32) -> usize {
        self.rows[sample as usize % self.rows.len()] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_epochs_of_alternating_flips_show_every_image_from_both_sides() {
        let (images, len) = (200, 3 * 4);
        let pixels: Vec<f32> = (0..images * len).map(|i| i as f32).collect();
        let rows: Vec<u32> = (0..images as u32).collect();
        let labels = vec![0; images];
        let how = Augmentation { flip: Flip::Alternating, ..Augmentation::default() };
        let set = |seed| Images {
            pixels: &pixels,
            labels: &labels,
            shape: [3, 4, 1],
            rows: &rows,
            augmentation: Some(&how),
            seed,
        };
        let mirrored: Vec<f32> = pixels.chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
        let turned = |seed, epoch| -> Vec<bool> {
            let seen = set(seed).gather(&rows, epoch);
            let images = seen.chunks(len).zip(pixels.chunks(len)).zip(mirrored.chunks(len));
            images
                .map(|((seen, plain), mirrored)| {
                    assert!(seen == plain || seen == mirrored);
                    seen == mirrored
                })
                .collect()
        };
        let first = turned(7, 1);
        let share = first.iter().filter(|turned| **turned).count();
        assert!((70..=130).contains(&share), "{share} of {images}");
        assert!(first.iter().zip(turned(7, 2)).all(|(first, second)| *first != second));
        assert_eq!(turned(7, 3), first);
        assert_ne!(turned(8, 1), first, "the seed decides which half begins");
    }
}
