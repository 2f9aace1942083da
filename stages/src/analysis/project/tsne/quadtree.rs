//! The repulsion between all points of a map, by a quadtree: far cells act as if all their points were at their centre.

use rayon::prelude::*;

/// A cell acts as one when it is seen under an angle (width over distance) smaller than this; scikit-learn's default.
const ANGLE: f32 = 0.5;

/// Points that a leaf may hold. They are a group: they share one walk through the tree.
const LEAF: usize = 16;

/// Levels of the tree; points that agree in so many bits of both coordinates share a leaf, however many they are.
const LEVELS: u32 = 32;

/// Accumulators of a sum: fixed, so that its order is, and enough to fill a vector register.
const LANES: usize = 8;

/// What all other points do to one: its share of the map's normaliser, and the push on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repulsion {
    /// The sum of q = 1 / (1 + d^2) over the other points.
    pub(super) normaliser: f64,
    /// The sum of q^2 (y_i - y_j) over the other points.
    pub(super) push: [f64; 2],
}

/// A square that holds the points `begin..end`, in the order along the curve.
struct Cell {
    begin: usize,
    end: usize,
    centre: [f32; 2],
    /// The corners of the smallest box around its points.
    low: [f32; 2],
    high: [f32; 2],
    /// The first cell after this one and its descendants.
    skip: usize,
    leaf: bool,
}

/// What acts on a group, as columns: `mass` points at (`x`, `y`).
#[derive(Default)]
struct Sources {
    x: Vec<f32>,
    y: Vec<f32>,
    mass: Vec<f32>,
}

/// The repulsion on every point of a map. The angle is measured from the box around a group of points, so no point sees
/// a cell under a wider one.
pub(super) fn repulsion(map: &[[f64; 2]]) -> Vec<Repulsion> {
    let (low, width) = square(map);
    let scale = if width > 0.0 { (2f64.powi(LEVELS as i32) - 1.0) / width } else { 0.0 };
    let quantise = |v: f64, low: f64| ((v - low) * scale) as u32;
    let mut order: Vec<(u64, u32)> = map
        .par_iter()
        .enumerate()
        .map(|(i, p)| (interleave(quantise(p[0], low[0]), quantise(p[1], low[1])), i as u32))
        .collect();
    order.par_sort_unstable();
    // Relative to the corner's centre, single precision is as fine as the map's own extent.
    let middle = [low[0] + width / 2.0, low[1] + width / 2.0];
    let sorted: Vec<[f32; 2]> = order
        .iter()
        .map(|&(_, i)| {
            let p = map[i as usize];
            [(p[0] - middle[0]) as f32, (p[1] - middle[1]) as f32]
        })
        .collect();
    let mut cells = Vec::new();
    grow(&mut cells, &order, &sorted, 0, order.len(), 0);
    let leaves: Vec<&Cell> = cells.iter().filter(|cell| cell.leaf).collect();
    let groups: Vec<Vec<Repulsion>> = leaves
        .par_iter()
        .map_init(Sources::default, |sources, leaf| {
            gather(sources, &cells, &sorted, leaf);
            sorted[leaf.begin..leaf.end].iter().map(|&at| sources.act_on(at)).collect()
        })
        .collect();
    let mut found = vec![Repulsion::default(); map.len()];
    for (&(_, i), repulsion) in order.iter().zip(groups.into_iter().flatten()) {
        found[i as usize] = repulsion;
    }
    found
}

/// The lower corner and the width of the smallest square around the points.
fn square(map: &[[f64; 2]]) -> ([f64; 2], f64) {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for p in map {
        for axis in 0..2 {
            low[axis] = low[axis].min(p[axis]);
            high[axis] = high[axis].max(p[axis]);
        }
    }
    (low, (high[0] - low[0]).max(high[1] - low[1]))
}

/// The place of a square on the Morton curve: the bits of both coordinates in turn.
fn interleave(x: u32, y: u32) -> u64 {
    let spread = |v: u32| {
        let mut v = u64::from(v);
        for (shift, mask) in [
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ] {
            v = (v | v << shift) & mask;
        }
        v
    };
    spread(x) << 1 | spread(y)
}

/// Appends the cell of the points `begin..end`, which agree in their first `level` digits, and its descendants.
fn grow(cells: &mut Vec<Cell>, order: &[(u64, u32)], sorted: &[[f32; 2]], begin: usize, end: usize, level: u32) {
    let points = &sorted[begin..end];
    let leaf = points.len() <= LEAF || level == LEVELS;
    let (mut sum, mut low, mut high) = ([0.0_f64; 2], [f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for p in points {
        for axis in 0..2 {
            sum[axis] += f64::from(p[axis]);
            low[axis] = low[axis].min(p[axis]);
            high[axis] = high[axis].max(p[axis]);
        }
    }
    let centre = sum.map(|s| (s / points.len() as f64) as f32);
    let own = cells.len();
    cells.push(Cell { begin, end, centre, low, high, skip: 0, leaf });
    if !leaf {
        let shift = 2 * (LEVELS - 1 - level);
        let mut first = begin;
        for digit in 0..4 {
            let last = first + order[first..end].partition_point(|(code, _)| (code >> shift) & 3 <= digit);
            if last > first {
                grow(cells, order, sorted, first, last, level + 1);
            }
            first = last;
        }
    }
    cells[own].skip = cells.len();
}

/// Collects what acts on the points of a leaf: far cells as one source each, the points of near leaves one by one (its
/// own among them).
fn gather(sources: &mut Sources, cells: &[Cell], sorted: &[[f32; 2]], group: &Cell) {
    sources.x.clear();
    sources.y.clear();
    sources.mass.clear();
    let mut at = 0;
    while let Some(cell) = cells.get(at) {
        let gap =
            |axis: usize| (group.low[axis] - cell.centre[axis]).max(cell.centre[axis] - group.high[axis]).max(0.0);
        let distance = gap(0) * gap(0) + gap(1) * gap(1);
        let width = (cell.high[0] - cell.low[0]).max(cell.high[1] - cell.low[1]);
        let overlaps = cell.begin < group.end && group.begin < cell.end;
        if !overlaps && width * width < ANGLE * ANGLE * distance {
            sources.push(cell.centre, (cell.end - cell.begin) as f32);
            at = cell.skip;
        } else {
            if cell.leaf {
                sorted[cell.begin..cell.end].iter().for_each(|&p| sources.push(p, 1.0));
            }
            at += 1;
        }
    }
    // Sources of no mass fill the last lanes.
    while !sources.x.len().is_multiple_of(LANES) {
        sources.push(group.centre, 0.0);
    }
}

impl Sources {
    fn push(&mut self, at: [f32; 2], mass: f32) {
        self.x.push(at[0]);
        self.y.push(at[1]);
        self.mass.push(mass);
    }

    /// What the sources do to a point that is one of them: to itself it does nothing but count 1 in the normaliser,
    /// which is taken off again.
    fn act_on(&self, at: [f32; 2]) -> Repulsion {
        let (mut normaliser, mut x, mut y) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
        let columns = self.x.chunks_exact(LANES).zip(self.y.chunks_exact(LANES)).zip(self.mass.chunks_exact(LANES));
        for ((xs, ys), masses) in columns {
            for lane in 0..LANES {
                let (dx, dy) = (at[0] - xs[lane], at[1] - ys[lane]);
                let q = 1.0 / (1.0 + dx * dx + dy * dy);
                let weight = masses[lane] * q;
                normaliser[lane] += weight;
                x[lane] += weight * q * dx;
                y[lane] += weight * q * dy;
            }
        }
        let sum = |lanes: [f32; LANES]| lanes.iter().map(|&v| f64::from(v)).sum::<f64>();
        Repulsion { normaliser: sum(normaliser) - 1.0, push: [sum(x), sum(y)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn exact(map: &[[f64; 2]], i: usize) -> Repulsion {
        let mut found = Repulsion::default();
        for (j, p) in map.iter().enumerate() {
            let (dx, dy) = (map[i][0] - p[0], map[i][1] - p[1]);
            let q = 1.0 / (1.0 + dx * dx + dy * dy);
            if j != i {
                found.normaliser += q;
                found.push[0] += q * q * dx;
                found.push[1] += q * q * dy;
            }
        }
        found
    }

    fn close(map: &[[f64; 2]], tolerance: f64) {
        let found = repulsion(map);
        let truth: Vec<Repulsion> = (0..map.len()).map(|i| exact(map, i)).collect();
        let normaliser: f64 = truth.iter().map(|r| r.normaliser).sum();
        let approximate: f64 = found.iter().map(|r| r.normaliser).sum();
        assert!((approximate / normaliser - 1.0).abs() < tolerance, "normaliser {approximate} {normaliser}");
        let scale = truth.iter().flat_map(|r| r.push).fold(1e-12, |m: f64, v| m.max(v.abs()));
        for (a, b) in found.iter().zip(&truth) {
            for axis in 0..2 {
                assert!((a.push[axis] - b.push[axis]).abs() < 4.0 * tolerance * scale, "{a:?} {b:?}");
            }
        }
    }

    fn cloud(n: usize, scale: f64) -> Vec<[f64; 2]> {
        let mut rng = Rng::new(3, "test", 0);
        (0..n).map(|i| [0, 1].map(|_| scale * (f64::from(rng.normal()) + (i % 4 * 5) as f64))).collect()
    }

    #[test]
    fn approximates_the_sum_over_all_pairs() {
        for scale in [1e-4, 1.0, 10.0] {
            close(&cloud(1500, scale), 5e-3);
        }
    }

    #[test]
    fn few_points_are_exact() {
        close(&cloud(LEAF, 1.0), 1e-6);
    }

    #[test]
    fn coincident_points_count_and_do_not_push() {
        let found = repulsion(&[[2.0, 1.0]; 100]);
        assert!(found.iter().all(|r| (r.normaliser - 99.0).abs() < 1e-4 && r.push == [0.0, 0.0]));
        let mut map = vec![[0.0, 0.0]; 60];
        map.extend(vec![[1e-12, 0.0]; 60]);
        map.push([100.0, 100.0]);
        close(&map, 1e-3);
    }
}
