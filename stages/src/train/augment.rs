//! A varied copy of an image, at random: rotated, shifted and zoomed a little, mirrored, a rectangle of it blackened.

use crate::model::recipe::{Augmentation, Flip};
use crate::rng::Rng;

/// Appends a varied copy of `image` ([H, W, C] row-major) to `into`. Values between pixels are interpolated bilinearly;
/// beyond the border they are 0. `turn` says whether it is the image's turn to be mirrored, where they alternate.
pub fn vary(image: &[f32], [h, w, c]: [usize; 3], how: &Augmentation, turn: bool, rng: &mut Rng, into: &mut Vec<f32>) {
    let angle = rng.between(-how.rotation, how.rotation).to_radians();
    let (down, right) = (rng.between(-how.shift, how.shift) * h as f32, rng.between(-how.shift, how.shift) * w as f32);
    let (down, right) = (down + move_by(how.crop, rng), right + move_by(how.crop, rng));
    let scale = 1.0 / (1.0 + rng.between(-how.zoom, how.zoom));
    let mirrored = match how.flip {
        Flip::Never => false,
        Flip::Random => rng.below(2) == 1,
        Flip::Alternating => turn,
    };
    let first = into.len();
    if how.rotation == 0.0 && how.shift == 0.0 && how.zoom == 0.0 {
        moved(image, [h, w, c], (down as isize, right as isize), mirrored, into);
    } else {
        interpolated(image, [h, w, c], (down, right), (angle, scale), mirrored, into);
    }
    if how.erase > 0.0 {
        erase(&mut into[first..], [h, w, c], how.erase, rng);
    }
}

/// Appends an image that is mirrored or not, then moved by whole pixels.
fn moved(image: &[f32], [h, w, c]: [usize; 3], (down, right): (isize, isize), mirrored: bool, into: &mut Vec<f32>) {
    let first = into.len();
    into.resize(first + h * w * c, 0.0);
    // The columns that show a part of the image.
    let shown = right.clamp(0, w as isize) as usize..w.saturating_add_signed(right).min(w);
    for (y, to) in into[first..].chunks_exact_mut((w * c).max(1)).enumerate() {
        let Some(y) = y.checked_add_signed(-down).filter(|y| *y < h) else { continue };
        let from = &image[y * w * c..][..w * c];
        let to = to[shown.start * c..shown.end * c].chunks_exact_mut(c);
        // The sum turns -0 into 0, as interpolation does.
        let copy = |(to, from): (&mut [f32], &[f32])| to.iter_mut().zip(from).for_each(|(to, from)| *to = 0.0 + from);
        let skipped = right.min(0).unsigned_abs();
        if mirrored {
            to.zip(from.chunks_exact(c).rev().skip(skipped)).for_each(copy);
        } else {
            to.zip(from.chunks_exact(c).skip(skipped)).for_each(copy);
        }
    }
}

/// Appends an image that is rotated and zoomed, then mirrored or not, then moved.
fn interpolated(
    image: &[f32],
    [h, w, c]: [usize; 3],
    (down, right): (f32, f32),
    (angle, scale): (f32, f32),
    mirrored: bool,
    into: &mut Vec<f32>,
) {
    let side = if mirrored { -1.0 } else { 1.0 };
    let (sin, cos) = (angle.sin() * scale, angle.cos() * scale);
    let (middle_y, middle_x) = ((h as f32 - 1.0) / 2.0, (w as f32 - 1.0) / 2.0);
    for y in 0..h {
        for x in 0..w {
            // Where the pixel comes from: the inverse of the motion.
            let (dy, dx) = (y as f32 - middle_y - down, side * (x as f32 - middle_x - right));
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

/// Whole pixels from -`most` to `most`. Draws nothing where there is one answer, so that what is varied without moves stays the same.
fn move_by(most: usize, rng: &mut Rng) -> f32 {
    if most == 0 { 0.0 } else { rng.below(2 * most + 1) as f32 - most as f32 }
}

/// Blackens a rectangle of up to a share `most` of the area, between twice as wide as high and twice as high as wide
/// (before it is rounded to pixels and cut at the border).
fn erase(image: &mut [f32], [h, w, c]: [usize; 3], most: f32, rng: &mut Rng) {
    let area = rng.between(0.0, most) * (h * w) as f32;
    let aspect = rng.between(-1.0, 1.0).exp2();
    let side = |length: f32, limit: usize| (length.sqrt().round() as usize).min(limit);
    let (height, width) = (side(area * aspect, h), side(area / aspect, w));
    let (top, left) = (rng.below(h - height + 1), rng.below(w - width + 1));
    for row in image.chunks_exact_mut(w * c).skip(top).take(height) {
        row[left * c..(left + width) * c].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(image: &[f32], shape: [usize; 3], how: &Augmentation, seed: u64) -> Vec<f32> {
        let mut out = Vec::new();
        vary(image, shape, how, false, &mut Rng::new(seed, "test", 0), &mut out);
        out
    }

    #[test]
    fn nothing_to_vary_changes_nothing() {
        let image: Vec<f32> = (0..5 * 4 * 2).map(|i| i as f32).collect();
        let none = Augmentation::default();
        assert_eq!(varied(&image, [5, 4, 2], &none, 1), image);
    }

    #[test]
    fn the_mass_of_a_blob_moves_but_stays_within_the_shift() {
        let (h, w) = (21, 21);
        let mut image = vec![0.0; h * w];
        image[10 * w + 10] = 1.0;
        let shift = Augmentation { shift: 0.2, ..Augmentation::default() };
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
    fn a_crop_moves_by_whole_pixels_and_keeps_their_values() {
        let (h, w) = (5, 7);
        let image: Vec<f32> = (1..=h * w).map(|i| i as f32).collect();
        let moved_by = |down: isize, right: isize| -> Vec<f32> {
            let at = |y: isize, x: isize| {
                let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x);
                if inside { image[y as usize * w + x as usize] } else { 0.0 }
            };
            (0..h as isize)
                .flat_map(|y| (0..w as isize).map(move |x| (y, x)))
                .map(|(y, x)| at(y - down, x - right))
                .collect()
        };
        let crop = Augmentation { crop: 2, ..Augmentation::default() };
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let out = varied(&image, [h, w, 1], &crop, seed);
            let moves = (-2..=2).flat_map(|down| (-2..=2).map(move |right| (down, right)));
            seen.insert(
                moves.into_iter().find(|&(down, right)| out == moved_by(down, right)).expect("a move by whole pixels"),
            );
        }
        assert_eq!(seen.len(), 25, "every move comes");
    }

    #[test]
    fn a_move_by_whole_pixels_is_what_interpolation_makes_of_it() {
        for [h, w, c] in [[5, 7, 1], [4, 6, 3], [1, 1, 2], [2, 3, 1]] {
            let image: Vec<f32> =
                (0..h * w * c).map(|i| if i % 5 == 0 { -0.0 } else { 0.3 * i as f32 - 1.7 }).collect();
            for (down, right) in (-4..=4).flat_map(|down| (-4..=4).map(move |right| (down, right))) {
                for mirrored in [false, true] {
                    let (mut copied, mut computed) = (vec![9.0], vec![9.0]);
                    moved(&image, [h, w, c], (down, right), mirrored, &mut copied);
                    let by = (down as f32, right as f32);
                    interpolated(&image, [h, w, c], by, (0.0, 1.0), mirrored, &mut computed);
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&copied), bits(&computed), "{h} x {w} x {c}, {down}, {right}, {mirrored}");
                }
            }
        }
    }

    #[test]
    fn half_of_the_copies_are_mirrored() {
        let image: Vec<f32> = (0..3 * 4).map(|i| i as f32).collect();
        let mirrored: Vec<f32> = image.chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
        let flip = Augmentation { flip: Flip::Random, ..Augmentation::default() };
        let copies: Vec<_> = (0..100).map(|seed| varied(&image, [3, 4, 1], &flip, seed)).collect();
        let turned = copies.iter().filter(|copy| **copy == mirrored).count();
        assert_eq!(turned + copies.iter().filter(|copy| **copy == image).count(), 100);
        assert!((30..=70).contains(&turned), "{turned}");
    }

    #[test]
    fn a_rectangle_of_at_most_the_share_is_blackened() {
        let (h, w) = (20, 10);
        let image = vec![1.0; h * w];
        let erase = Augmentation { erase: 0.2, ..Augmentation::default() };
        let mut most = 0;
        for seed in 0..200 {
            let out = varied(&image, [h, w, 1], &erase, seed);
            let black: Vec<(usize, usize)> = (0..h * w).filter(|&i| out[i] == 0.0).map(|i| (i / w, i % w)).collect();
            let extent = |along: fn(&(usize, usize)) -> usize| {
                let (least, most) = (black.iter().map(along).min(), black.iter().map(along).max());
                least.zip(most).map_or(0, |(least, most)| most - least + 1)
            };
            assert_eq!(black.len(), extent(|p| p.0) * extent(|p| p.1), "a whole rectangle");
            most = most.max(black.len());
        }
        // Rounding to pixels may add half a pixel to each side.
        assert!((25..=50).contains(&most), "{most} of {} for a share of 0.2", h * w);
    }

    #[test]
    fn rotation_turns_around_the_middle() {
        let (h, w) = (9, 9);
        let mut image = vec![0.0; h * w];
        image[4 * w + 8] = 1.0;
        image[4 * w + 4] = 1.0;
        let turn = Augmentation { rotation: 30.0, ..Augmentation::default() };
        let out = varied(&image, [h, w, 1], &turn, 3);
        assert!((out[4 * w + 4] - 1.0).abs() < 1e-4, "the middle stays");
        assert!(out[4 * w + 8] < 0.99, "the rim moves");
    }
}
