//! Moves the points of a t-SNE map downhill.

use rayon::prelude::*;

use super::affinities::Affinities;
use super::quadtree::repulsion;

/// By how much attraction is exaggerated at first, so that clusters can pass through one another.
const EXAGGERATION: f64 = 12.0;

/// Iterations with exaggeration, at most.
const EARLY: usize = 250;

/// How often progress is told.
const PACE: usize = 25;

/// A point under way.
#[derive(Clone, Copy)]
struct Mover {
    velocity: [f64; 2],
    gain: [f64; 2],
}

/// Gradient descent with momentum 0.5 then 0.8 and a gain for every coordinate (Jacobs, 1988). The learning rate is N
/// over the exaggeration (Belkina et al., 2019), at least 200, for a gradient without its factor of 4; both as scikit-learn.
pub(super) fn descend(
    affinities: &Affinities,
    mut map: Vec<[f64; 2]>,
    iterations: usize,
    progress: &dyn Fn(usize),
) -> Vec<[f64; 2]> {
    let early = EARLY.min(iterations / 4);
    let rate = (affinities.len() as f64 / EXAGGERATION).max(200.0);
    let mut movers = vec![Mover { velocity: [0.0; 2], gain: [1.0; 2] }; map.len()];
    for iteration in 0..iterations {
        if iteration % PACE == 0 {
            progress(iteration);
        }
        if iteration == early {
            // A new start, as there is another function to descend.
            movers.fill(Mover { velocity: [0.0; 2], gain: [1.0; 2] });
        }
        let (exaggeration, momentum) = if iteration < early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let gradient = gradient(affinities, &map, exaggeration);
        for ((point, mover), gradient) in map.iter_mut().zip(&mut movers).zip(gradient) {
            for axis in 0..2 {
                let turned = mover.velocity[axis] * gradient[axis] >= 0.0;
                let gain = if turned { mover.gain[axis] * 0.8 } else { mover.gain[axis] + 0.2 };
                mover.gain[axis] = gain.max(0.01);
                mover.velocity[axis] = momentum * mover.velocity[axis] - rate * mover.gain[axis] * gradient[axis];
                point[axis] += mover.velocity[axis];
            }
        }
        centre(&mut map);
    }
    progress(iterations);
    map
}

/// A quarter of the gradient of the divergence: attraction by affinities, less repulsion by the map.
fn gradient(affinities: &Affinities, map: &[[f64; 2]], exaggeration: f64) -> Vec<[f64; 2]> {
    let repulsion = repulsion(map);
    let normaliser: f64 = repulsion.iter().map(|r| r.normaliser).sum();
    (0..map.len())
        .into_par_iter()
        .with_min_len(64)
        .map(|i| {
            let at = map[i];
            let mut pull = [0.0; 2];
            for (j, p) in affinities.row(i) {
                let (dx, dy) = (at[0] - map[j][0], at[1] - map[j][1]);
                let weight = p / (1.0 + dx * dx + dy * dy);
                pull[0] += weight * dx;
                pull[1] += weight * dy;
            }
            [0, 1].map(|axis| exaggeration * pull[axis] - repulsion[i].push[axis] / normaliser)
        })
        .collect()
}

/// Moves the map's centre of mass to the origin: the gradient does not hold it there.
fn centre(map: &mut [[f64; 2]]) {
    let n = map.len() as f64;
    let sum = map.iter().fold([0.0; 2], |sum, p| [sum[0] + p[0], sum[1] + p[1]]);
    for point in map {
        point[0] -= sum[0] / n;
        point[1] -= sum[1] / n;
    }
}
