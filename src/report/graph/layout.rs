//! A layered layout: longest paths, or the room there is, give the layers, barycentres the order in them, least squares
//! the places.

/// The room between nodes of a layer, and between a node and a passing edge.
const GAP: f64 = 22.0;
/// The room between layers.
const RISE: f64 = 44.0;
/// How often the order is improved and how often the places are.
const SWEEPS: usize = 12;
/// Graphs of more nodes than this are not fitted into a room: the edges that pass would fill it.
const MOST: usize = 100;

/// Where everything goes; the top left corner is (0, 0).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// Width and height.
    pub(super) size: (f64, f64),
    /// The centre of each node.
    pub(super) centres: Vec<(f64, f64)>,
    /// For each edge the points it goes through, top to bottom.
    pub(super) edges: Vec<Vec<(f64, f64)>>,
}

/// A node, or the place where an edge passes a layer.
struct Slot {
    layer: usize,
    width: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Places nodes of the given sizes. Edges lead from a smaller to a larger place: producers come first. With a `room` no
/// layer is wider than that, as far as it can be helped.
pub(super) fn layout(sizes: &[(f64, f64)], edges: &[(usize, usize)], room: Option<f64>) -> Layout {
    let layers = match room {
        Some(room) if sizes.len() <= MOST => fitted(sizes, edges, room),
        _ => layers(sizes.len(), edges),
    };
    let mut slots: Vec<Slot> = sizes
        .iter()
        .zip(&layers)
        .map(|((width, _), layer)| Slot { layer: *layer, width: *width, above: vec![], below: vec![] })
        .collect();
    let mut paths = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let mut path = vec![from];
        for layer in layers[from] + 1..layers[to] {
            slots.push(Slot { layer, width: 0.0, above: vec![], below: vec![] });
            path.push(slots.len() - 1);
        }
        path.push(to);
        for pair in path.windows(2) {
            slots[pair[0]].below.push(pair[1]);
            slots[pair[1]].above.push(pair[0]);
        }
        paths.push(path);
    }
    let mut rows = vec![vec![]; layers.iter().max().map_or(0, |l| l + 1)];
    slots.iter().enumerate().for_each(|(i, slot)| rows[slot.layer].push(i));
    order(&mut rows, &slots);
    let x = places(&rows, &slots);

    let heights: Vec<f64> = rows
        .iter()
        .map(|row| row.iter().filter_map(|&i| sizes.get(i)).map(|(_, height)| *height).fold(0.0, f64::max))
        .collect();
    let tops: Vec<f64> = heights
        .iter()
        .scan(0.0, |top, height| {
            let own = *top;
            *top += height + RISE;
            Some(own)
        })
        .collect();
    let left = slots.iter().zip(&x).map(|(slot, x)| x - slot.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = slots.iter().zip(&x).map(|(slot, x)| x + slot.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let middle = |i: usize| tops[slots[i].layer] + heights[slots[i].layer] / 2.0;
    let height = tops.last().zip(heights.last()).map_or(0.0, |(top, height)| top + height);
    let points = |path: &Vec<usize>| {
        let mut points = Vec::with_capacity(path.len() * 2);
        for (place, &i) in path.iter().enumerate() {
            let (x, half) = (x[i] - left, sizes.get(i).map_or(heights[slots[i].layer] / 2.0, |(_, h)| h / 2.0));
            if place > 0 {
                points.push((x, middle(i) - half));
            }
            if place + 1 < path.len() {
                points.push((x, middle(i) + half));
            }
        }
        points
    };
    Layout {
        size: if sizes.is_empty() { (0.0, 0.0) } else { (right - left, height) },
        centres: (0..sizes.len()).map(|i| (x[i] - left, middle(i))).collect(),
        edges: paths.iter().map(points).collect(),
    }
}

/// Each node one layer below its lowest producer; what needs nothing goes right above what needs it.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; nodes];
    let (mut above, mut below) = (vec![vec![]; nodes], vec![vec![]; nodes]);
    for &(from, to) in edges {
        above[to].push(from);
        below[from].push(to);
    }
    for node in 0..nodes {
        layers[node] = above[node].iter().map(|&from| layers[from] + 1).max().unwrap_or(0);
    }
    for node in 0..nodes {
        if above[node].is_empty() {
            layers[node] = below[node].iter().map(|&to| layers[to] - 1).min().unwrap_or(0);
        }
    }
    layers
}

/// Each node below its producers, in the first layer that has room for it; those that most depends on choose first.
fn fitted(sizes: &[(f64, f64)], edges: &[(usize, usize)], room: f64) -> Vec<usize> {
    let nodes = sizes.len();
    let (mut needs, mut heights) = (vec![vec![]; nodes], vec![0; nodes]);
    for &(from, to) in edges {
        needs[to].push(from);
    }
    for &(from, to) in edges.iter().rev() {
        heights[from] = heights[from].max(heights[to] + 1);
    }
    let mut waiting: Vec<usize> = (0..nodes).collect();
    waiting.sort_by_key(|&node| std::cmp::Reverse(heights[node]));
    let mut layers: Vec<Option<usize>> = vec![None; nodes];
    let mut layer = 0;
    while !waiting.is_empty() {
        let above = |node: &usize| layers[*node].is_some_and(|l| l < layer);
        let ready: Vec<usize> = waiting.iter().copied().filter(|&node| needs[node].iter().all(above)).collect();
        // What comes from above and goes past: an edge that ends in this layer takes up no room of its own.
        let passing = edges.iter().filter(|(from, to)| above(from) && layers[*to].is_none()).count();
        let mut taken = GAP * passing as f64;
        for node in ready {
            let own = sizes[node].0 + GAP - GAP * needs[node].len() as f64;
            let first = !layers.contains(&Some(layer));
            if first || taken + own - GAP <= room {
                layers[node] = Some(layer);
                taken += own;
            }
        }
        waiting.retain(|&node| layers[node].is_none());
        layer += 1;
    }
    layers.into_iter().flatten().collect()
}

/// Reorders each row by the mean place of its neighbours, up and down, and keeps the best found.
fn order(rows: &mut Vec<Vec<usize>>, slots: &[Slot]) {
    let mut best = (crossings(rows, slots), rows.clone());
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let count = rows.len();
        for step in 1..count {
            let (row, fixed) = if down { (step, step - 1) } else { (count - 1 - step, count - step) };
            let at = positions(&rows[fixed], slots.len());
            let own = positions(&rows[row], slots.len());
            let pull = |i: usize| {
                let near = if down { &slots[i].above } else { &slots[i].below };
                let sum: f64 = near.iter().map(|&n| at[n]).sum();
                if near.is_empty() { own[i] } else { sum / near.len() as f64 }
            };
            rows[row].sort_by(|&a, &b| pull(a).total_cmp(&pull(b)));
        }
        let found = crossings(rows, slots);
        if found < best.0 {
            best = (found, rows.clone());
        }
    }
    *rows = best.1;
}

fn positions(row: &[usize], slots: usize) -> Vec<f64> {
    let mut at = vec![0.0; slots];
    row.iter().enumerate().for_each(|(place, &i)| at[i] = place as f64);
    at
}

fn crossings(rows: &[Vec<usize>], slots: &[Slot]) -> usize {
    let mut count = 0;
    for pair in rows.windows(2) {
        let at = positions(&pair[1], slots.len());
        let lines: Vec<(usize, f64)> = pair[0]
            .iter()
            .enumerate()
            .flat_map(|(place, &i)| slots[i].below.iter().map(move |&to| (place, to)))
            .map(|(place, to)| (place, at[to]))
            .collect();
        for (i, a) in lines.iter().enumerate() {
            count += lines[i + 1..].iter().filter(|b| a.0 != b.0 && (a.0 < b.0) == (a.1 > b.1) && a.1 != b.1).count();
        }
    }
    count
}

/// Centres: each as near to the mean of its neighbours as order and room allow. No row reaches beyond the widest.
fn places(rows: &[Vec<usize>], slots: &[Slot]) -> Vec<f64> {
    let mut x = vec![0.0; slots.len()];
    let mut half: f64 = 0.0;
    for row in rows {
        let offsets = offsets(row, slots);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        row.iter().zip(&offsets).for_each(|(&i, offset)| x[i] = offset - middle);
        row.iter().for_each(|&i| half = half.max(x[i].abs() + slots[i].width / 2.0));
    }
    for sweep in 0..SWEEPS * 2 {
        let down = sweep % 2 == 0;
        for step in 0..rows.len() {
            let row = &rows[if down { step } else { rows.len() - 1 - step }];
            let wanted: Vec<f64> = row
                .iter()
                .map(|&i| {
                    let near = if down { &slots[i].above } else { &slots[i].below };
                    let sum: f64 = near.iter().map(|&n| x[n]).sum();
                    if near.is_empty() { x[i] } else { sum / near.len() as f64 }
                })
                .collect();
            let offsets = offsets(row, slots);
            let fitted = ascending(&wanted.iter().zip(&offsets).map(|(w, o)| w - o).collect::<Vec<_>>());
            let (Some(&first), Some(&last), Some(&end)) = (row.first(), row.last(), offsets.last()) else { continue };
            let (low, high) = (slots[first].width / 2.0 - half, half - slots[last].width / 2.0 - end);
            for (&i, (fit, offset)) in row.iter().zip(fitted.iter().zip(&offsets)) {
                x[i] = fit.min(high).max(low) + offset;
            }
        }
    }
    x
}

/// How far each slot of a row is from the first where they are packed.
fn offsets(row: &[usize], slots: &[Slot]) -> Vec<f64> {
    let mut offsets = vec![0.0; row.len()];
    for i in 1..row.len() {
        offsets[i] = offsets[i - 1] + (slots[row[i - 1]].width + slots[row[i]].width) / 2.0 + GAP;
    }
    offsets
}

/// The ascending numbers nearest to these in the least-squares sense (pool adjacent violators).
fn ascending(wanted: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for &value in wanted {
        pools.push((value, 1));
        while let [.., (before, m), (last, n)] = pools[..] {
            if before <= last {
                break;
            }
            pools.truncate(pools.len() - 2);
            pools.push(((before * m as f64 + last * n as f64) / (m + n) as f64, m + n));
        }
    }
    pools.into_iter().flat_map(|(value, n)| std::iter::repeat_n(value, n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_a_layer_do_not_overlap_and_edges_lead_down() {
        let sizes: Vec<(f64, f64)> = (0..9).map(|i| (40.0 + 10.0 * f64::from(i), 30.0)).collect();
        let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (0, 5), (4, 6), (3, 6), (0, 6), (7, 8)];
        let layout = layout(&sizes, &edges, None);
        for (i, (a, (w, _))) in layout.centres.iter().zip(&sizes).enumerate() {
            assert!(a.0 - w / 2.0 >= -1e-9 && a.0 + w / 2.0 <= layout.size.0 + 1e-9);
            for (b, (v, _)) in layout.centres.iter().zip(&sizes).skip(i + 1) {
                assert!(a.1 != b.1 || (a.0 - b.0).abs() >= (w + v) / 2.0 + GAP - 1e-9);
            }
        }
        for points in &layout.edges {
            assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{points:?}");
        }
    }

    #[test]
    fn what_has_too_little_room_is_folded_into_layers() {
        // One feeds eleven, the last of which feeds two more.
        let sizes = [(100.0, 30.0); 14];
        let mut edges: Vec<(usize, usize)> = (1..12).map(|to| (0, to)).collect();
        edges.extend([(11, 12), (11, 13), (0, 13)]);
        assert!(layout(&sizes, &edges, None).size.0 > 1000.0);
        let layout = layout(&sizes, &edges, Some(500.0));
        assert!(layout.size.0 <= 500.0, "{:?}", layout.size);
        for &(from, to) in &edges {
            assert!(layout.centres[from].1 < layout.centres[to].1);
        }
        for (i, a) in layout.centres.iter().enumerate() {
            let beside = layout.centres.iter().skip(i + 1).filter(|b| b.1 == a.1);
            assert!(beside.into_iter().all(|b| (a.0 - b.0).abs() >= 100.0 + GAP - 1e-9));
        }
    }

    #[test]
    fn a_crossing_that_need_not_be_is_removed() {
        let sizes = [(10.0, 10.0); 4];
        let layout = layout(&sizes, &[(0, 3), (1, 2)], None);
        let [a, b, c, d] = layout.centres[..] else { panic!() };
        assert_eq!(a.0 < b.0, d.0 < c.0);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(layout(&[], &[], None), Layout::default());
    }

    #[test]
    fn the_nearest_ascending_numbers() {
        assert_eq!(ascending(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
        assert_eq!(ascending(&[3.0, 2.0, 1.0]), [2.0, 2.0, 2.0]);
    }
}
