//! A varied copy of an image: rotated, shifted and zoomed a little, at random.

use crate::model::recipe::Augmentation;
use crate::rng::Rng;

/// Appends a varied copy of `image` ([H, W, C] row-major) to `into`. Values between pixels are interpolated bilinearly;
/// beyond the border they are 0.
pub fn vary(image: &[f32], [h, w, c]: [usize; 3], how: &Augmentation, rng: &mut Rng, into: &mut Vec<f32>) {
    let angle = rng.between(-how.rotation, how.rotation).to_radians();
    let (down, right) = (rng.between(-how.shift, how.shift) * h as f32, rng.between(-how.shift, how.shift) * w as f32);
    let scale = 1.0 / (1.0 + rng.between(-how.zoom, how.zoom));
    let (sin, cos) = (angle.sin() * scale, angle.cos() * scale);
    let (middle_y, middle_x) = ((h as f32 - 1.0) / 2.0, (w as f32 - 1.0) / 2.0);
    for y in 0..h {
        for x in 0..w {
            // Where the pixel comes from: the inverse of the motion.
            let (dy, dx) = (y as f32 - middle_y - down, x as f32 - middle_x - right);
            let (from_y, from_x) = (cos * dy - sin * dx + middle_y, sin * dy + cos * dx + middle_x);
            let (top, left) = (from_y.floor(), from_x.floor());
            let (below, beside) = (from_y - top, from_x - left);
            let corners = [
                (top, left, (1.0 - below) * (1.0 - beside)),
                (top, left + 1.0, (1.0 - below) * beside),
                (top + 1.0, left, below * (1.0 - beside)),
                (top + 1.0, left + 1.0, below * beside),
            ];
            let start = into.len();
            into.resize(start + c, 0.0);
            for (cy, cx, share) in corners {
                if cy >= 0.0 && cx >= 0.0 && (cy as usize) < h && (cx as usize) < w {
                    let pixel = &image[(cy as usize * w + cx as usize) * c..][..c];
                    for (sum, value) in into[start..].iter_mut().zip(pixel) {
                        *sum += share * value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(image: &[f32], shape: [usize; 3], how: &Augmentation, seed: u64) -> Vec<f32> {
        let mut out = Vec::new();
        vary(image, shape, how, &mut Rng::new(seed, "test", 0), &mut out);
        out
    }

    #[test]
    fn nothing_to_vary_changes_nothing() {
        let image: Vec<f32> = (0..5 * 4 * 2).map(|i| i as f32).collect();
        let none = Augmentation { rotation: 0.0, shift: 0.0, zoom: 0.0, append: false };
        assert_eq!(varied(&image, [5, 4, 2], &none, 1), image);
    }

    #[test]
    fn the_mass_of_a_blob_moves_but_stays_within_the_shift() {
        let (h, w) = (21, 21);
        let mut image = vec![0.0; h * w];
        image[10 * w + 10] = 1.0;
        let shift = Augmentation { rotation: 0.0, shift: 0.2, zoom: 0.0, append: false };
        let mut moved = false;
        for seed in 0..20 {
            let out = varied(&image, [h, w, 1], &shift, seed);
            assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let centre =
                |along: fn(usize) -> usize| out.iter().enumerate().map(|(i, v)| along(i) as f32 * v).sum::<f32>();
            let (y, x) = (centre(|i| i / 21), centre(|i| i % 21));
            assert!((y - 10.0).abs() <= 4.21 && (x - 10.0).abs() <= 4.21, "{y} {x}");
            moved |= (y - 10.0).abs() > 1.0;
        }
        assert!(moved);
    }

    #[test]
    fn rotation_turns_around_the_middle() {
        let (h, w) = (9, 9);
        let mut image = vec![0.0; h * w];
        image[4 * w + 8] = 1.0;
        image[4 * w + 4] = 1.0;
        let turn = Augmentation { rotation: 30.0, shift: 0.0, zoom: 0.0, append: false };
        let out = varied(&image, [h, w, 1], &turn, 3);
        assert!((out[4 * w + 4] - 1.0).abs() < 1e-4, "the middle stays");
        assert!(out[4 * w + 8] < 0.99, "the rim moves");
    }
}
