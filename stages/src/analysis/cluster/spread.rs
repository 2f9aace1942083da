//! How clusters change with DBSCAN's radius: how many there are, how much they hold, and how evenly.

use std::collections::BTreeMap;

use crate::analysis::nearest::Neighbour;
use crate::analysis::points::Points;

/// The clusters at one radius.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many clusters there are.
    pub clusters: usize,
    /// The share of the points that lie in one.
    pub kept: f64,
    /// The entropy of the clusters' sizes, in nats: 0 for one cluster, the logarithm of their number if all are as large.
    pub entropy: f64,
}

impl Spread {
    /// How much the clusters tell of the points: their entropy, as far as they hold the points. 0 for one cluster, which tells
    /// nothing, and for noise alone. Larger the more clusters there are, the more even, and the less noise.
    pub fn told(&self) -> f64 {
        self.kept * self.entropy
    }
}

/// Two points, and the squared radius from which on they are in one cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Join {
    pub(super) squared: f64,
    points: [usize; 2],
}

/// All that happens to DBSCAN's clusters as the radius grows, by radius. `neighbours` are the `min_samples - 1` nearest of
/// every point; from the distance of the last of them on it is a core point.
pub(super) fn joins(points: &Points<'_>, neighbours: &[Vec<Neighbour>]) -> Vec<Join> {
    let core: Vec<f64> = neighbours.iter().map(|all| all.last().map_or(f64::INFINITY, |last| last.squared)).collect();
    let mut joins = tree(points, &core);
    // A point that is no core point belongs to a core point that reaches it. There are fewer than `min_samples - 1` points
    // within the radius then, so that one is among its neighbours.
    for (point, all) in neighbours.iter().enumerate() {
        let reached = all.iter().map(|n| (core[n.index].max(n.squared), n.index)).min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((squared, other)) = reached.filter(|(squared, _)| *squared < core[point]) {
            joins.push(Join { squared, points: [point, other] });
        }
    }
    joins.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.points.cmp(&b.points)));
    joins
}

/// The minimum spanning tree of the points, where two are as far apart as the radius is at which both are core points within
/// each other's reach (Campello, Moulavi and Sander, Density-based clustering based on hierarchical density estimates, 2013).
/// By Borůvka's rounds: every component takes its shortest way out.
fn tree(points: &Points<'_>, core: &[f64]) -> Vec<Join> {
    let mut clusters = Clusters::new(points.len());
    let mut joins: Vec<Join> = Vec::new();
    let near: Vec<f32> = core.iter().map(|squared| points.scaled(*squared)).collect();
    loop {
        let component: Vec<usize> = (0..points.len()).map(|point| clusters.root(point)).collect();
        let ways = points.map_rows(|row| {
            let i = row.index();
            let mut best: Option<(f32, usize)> = None;
            for (j, &value) in row.values.iter().enumerate() {
                let length = value.max(near[i]).max(near[j]);
                if component[j] != component[i] && best.is_none_or(|(least, _)| length < least) {
                    best = Some((length, j));
                }
            }
            best.map(|(_, j)| Join { squared: row.exact(j).max(core[i]).max(core[j]), points: [i, j] })
        });
        let mut out: BTreeMap<usize, Join> = BTreeMap::new();
        for way in ways.into_iter().flatten() {
            let shortest = out.entry(component[way.points[0]]).or_insert(way);
            if way.squared < shortest.squared {
                *shortest = way;
            }
        }
        if out.is_empty() {
            return joins;
        }
        let mut out: Vec<Join> = out.into_values().collect();
        out.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.points.cmp(&b.points)));
        joins.extend(out.into_iter().filter(|way| clusters.join(way.points)));
    }
}

/// The clusters at each of the squared radii, which ascend.
pub(super) fn spreads(points: usize, joins: &[Join], squares: &[f64]) -> Vec<Spread> {
    let mut clusters = Clusters::new(points);
    let mut next = 0;
    let at = |squared: &f64| {
        while let Some(join) = joins.get(next).filter(|join| join.squared <= *squared) {
            clusters.join(join.points);
            next += 1;
        }
        clusters.spread()
    };
    squares.iter().map(at).collect()
}

/// Sets of points that grow together.
struct Clusters {
    parent: Vec<usize>,
    /// The points of the set of which a point is the root; 0 for one that is in no set.
    size: Vec<usize>,
    sets: usize,
    kept: usize,
    /// Over all sets, size times its logarithm.
    logs: f64,
}

impl Clusters {
    fn new(points: usize) -> Self {
        Self { parent: (0..points).collect(), size: vec![0; points], sets: 0, kept: 0, logs: 0.0 }
    }

    fn root(&mut self, mut point: usize) -> usize {
        while self.parent[point] != point {
            self.parent[point] = self.parent[self.parent[point]];
            point = self.parent[point];
        }
        point
    }

    /// Puts two points into one set; whether they were not.
    fn join(&mut self, points: [usize; 2]) -> bool {
        let [a, b] = points.map(|point| {
            let root = self.root(point);
            if self.size[root] == 0 {
                (self.size[root], self.sets, self.kept) = (1, self.sets + 1, self.kept + 1);
            }
            root
        });
        if a == b {
            return false;
        }
        let log = |size: usize| size as f64 * (size as f64).ln();
        let (from, to) = if self.size[a] < self.size[b] { (a, b) } else { (b, a) };
        let both = self.size[from] + self.size[to];
        self.logs += log(both) - log(self.size[from]) - log(self.size[to]);
        (self.parent[from], self.size[to], self.sets) = (to, both, self.sets - 1);
        true
    }

    fn spread(&self) -> Spread {
        if self.kept == 0 {
            return Spread::default();
        }
        let kept = self.kept as f64;
        // Rounding leaves a trace of the sums that were added and taken away.
        let entropy = if self.sets > 1 { (kept.ln() - self.logs / kept).max(0.0) } else { 0.0 };
        Spread { clusters: self.sets, kept: kept / self.parent.len() as f64, entropy }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::analysis::nearest::nearest;
    use crate::analysis::points::Points;

    /// Three runs of ten points a step apart, a wider gap between them, and one point far away.
    fn line() -> Array2<f64> {
        let places = (0..31).map(|i| match i {
            30 => 1000.0,
            _ => {
                f64::from(i)
                    + if i < 10 {
                        0.0
                    } else if i < 20 {
                        4.0
                    } else {
                        10.0
                    }
            }
        });
        Array2::from_shape_vec((31, 1), places.collect()).unwrap()
    }

    fn at(min_samples: usize, radii: &[f64]) -> Vec<Spread> {
        let values = line();
        let points = Points::new(values.view());
        let joins = joins(&points, &nearest(&points, min_samples - 1));
        let squares: Vec<f64> = radii.iter().map(|radius| radius * radius).collect();
        spreads(points.len(), &joins, &squares)
    }

    #[test]
    fn clusters_part_and_meet_with_the_radius() {
        let found = at(3, &[0.5, 1.0, 5.0, 7.0, 2000.0]);
        let counts: Vec<usize> = found.iter().map(|s| s.clusters).collect();
        assert_eq!(counts, [0, 3, 2, 1, 1]);
        assert_eq!(found[0], Spread::default());
        assert!((found[1].kept - 30.0 / 31.0).abs() < 1e-12 && (found[1].entropy - 3.0_f64.ln()).abs() < 1e-12);
        assert!(found[1].told() > found[2].told() && found[2].told() > 0.0);
        assert_eq!((found[3].told(), found[4].told()), (0.0, 0.0));
        assert_eq!(found[4].kept, 1.0);
    }

    #[test]
    fn a_point_that_only_a_core_point_reaches_belongs_to_it() {
        // Within two steps the points of a run but the two at its ends have three neighbours or more.
        let found = at(4, &[1.0, 2.0]);
        assert_eq!((found[0].clusters, found[0].kept), (0, 0.0), "nobody has three neighbours within one step");
        assert_eq!((found[1].clusters, found[1].kept), (3, 30.0 / 31.0));
    }
}
