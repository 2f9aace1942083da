//! The order of stages: topological, as declared where there is a choice; and what to say of a cycle.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};

/// Nodes `0..n` in topological order, the smaller first among those that are ready.
///
/// # Errors
/// One shortest cycle for each knot of nodes that depend on each other: every member is needed by the next, and the
/// last by the first.
pub(super) fn order(graph: &DiGraph<usize, ()>) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut waiting: Vec<usize> = vec![0; graph.node_count()];
    for edge in graph.raw_edges() {
        waiting[edge.target().index()] += 1;
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(i, _)| Reverse(i)).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for next in graph.neighbors(NodeIndex::new(node)) {
            waiting[next.index()] -= 1;
            if waiting[next.index()] == 0 {
                ready.push(Reverse(next.index()));
            }
        }
    }
    if order.len() == waiting.len() { Ok(order) } else { Err(cycles(graph)) }
}

/// A shortest cycle through the first node of each strongly connected component that has one.
fn cycles(graph: &DiGraph<usize, ()>) -> Vec<Vec<usize>> {
    // Not Tarjan's: petgraph's recurses, and a pipeline may be one ring of thousands.
    let mut found: Vec<Vec<usize>> = petgraph::algo::kosaraju_scc(graph)
        .into_iter()
        .filter_map(|component| {
            let members: HashSet<NodeIndex> = component.iter().copied().collect();
            let start = component.into_iter().min()?;
            shortest(graph, start, &members)
        })
        .collect();
    found.sort();
    found
}

fn shortest(graph: &DiGraph<usize, ()>, start: NodeIndex, members: &HashSet<NodeIndex>) -> Option<Vec<usize>> {
    let mut before: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for next in graph.neighbors(node).filter(|n| members.contains(n)) {
            if next == start {
                let mut cycle = vec![node.index()];
                let mut at = node;
                while at != start {
                    at = before[&at];
                    cycle.push(at.index());
                }
                cycle.reverse();
                return Some(cycle);
            }
            before.entry(next).or_insert_with(|| {
                queue.push_back(next);
                node
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> DiGraph<usize, ()> {
        let mut graph = DiGraph::new();
        for i in 0..nodes {
            graph.add_node(i);
        }
        graph.extend_with_edges(edges.iter().map(|(a, b)| (*a as u32, *b as u32)));
        graph
    }

    #[test]
    fn declaration_order_is_kept_where_edges_allow() {
        assert_eq!(order(&graph(4, &[(0, 2), (1, 3)])), Ok(vec![0, 1, 2, 3]));
        assert_eq!(order(&graph(4, &[(3, 0)])), Ok(vec![1, 2, 3, 0]));
    }

    #[test]
    fn each_knot_is_told_by_its_shortest_cycle() {
        let knots = graph(7, &[(0, 1), (1, 2), (2, 0), (1, 0), (3, 4), (5, 5), (4, 6)]);
        assert_eq!(order(&knots), Err(vec![vec![0, 1], vec![5]]));
    }

    #[test]
    fn a_long_ring_does_not_exhaust_the_stack() {
        let n = 100_000;
        let edges: Vec<_> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        assert_eq!(order(&graph(n, &edges)).unwrap_err()[0].len(), n);
    }
}
