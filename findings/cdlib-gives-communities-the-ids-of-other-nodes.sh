#!/usr/bin/env bash
# CDlib: Leiden and ten other algorithms return communities of the wrong nodes if the ids are 0 to n-1 but not in this order in the graph.
#
# Expected: A community holds ids of the graph that was given. The order in which nodes were added to a networkx graph has no meaning.
#   The same graph with the same communities is found with the ids as text, with 1 added to each, or with the nodes in order.
# Happens: nx.read_edgelist and nx.from_pandas_edgelist add nodes in the order in which edges name them. If the ids are exactly 0 to n-1,
#   the conversion to igraph puts node i at place i, and then writes the ids on the places in the order of the graph. So the edges of
#   one node get the name of another. Of four cliques in a ring, each with the right number of members, none is right, and CDlib itself
#   gives the result a modularity of about 0, where the true one has 0.72. A graph that goes to igraph and back has other edges.
#   markov_clustering does not use igraph, and returns places for ids in any case: with ids from 1 on it returns a node 0 that is not there.
# Seen: cdlib 0.4.1 with igraph 1.0.0, leidenalg 0.12.0 and networkx 3.6.1. Louvain, greedy_modularity, girvan_newman and
#   async_fluid of the same library are right. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Edge lists with ids from 0 on are how graphs are stored for learning. Communities become features, labels, or the
#   groups by which nodes are split into train and test. Their number and sizes look right, and Leiden is the usual choice. Generators
#   such as karate_club_graph, on which examples and tests run, have their nodes in order, so it does not show there.
# Cause: utils.py has a shortcut for ids from 0 to n-1 that compares them as a set.
# Remedy: Build the graph with add_nodes_from(range(n)) before its edges, or take text as ids.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check cdlib==0.4.1 igraph==1.0.0 leidenalg==0.12.0 networkx==3.6.1 numpy==2.4.6

cat > check.py <<'EOF'
import contextlib
import importlib.metadata
import os
import random
import sys
import warnings
import igraph
import leidenalg
import networkx as nx
from scipy.sparse import SparseEfficiencyWarning
with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
    # It prints which optional packages are not there.
    from cdlib import algorithms, utils

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("cdlib", "igraph", "leidenalg", "networkx")))
CLIQUES, SIZE = 4, 8
N = CLIQUES * SIZE
ring = nx.ring_of_cliques(CLIQUES, SIZE)
truth = {frozenset(range(i, i + SIZE)) for i in range(0, N, SIZE)}
edges = list(ring.edges)
random.Random(0).shuffle(edges)
with open("edges.txt", "w") as file:
    file.writelines(f"{a} {b}\n" for a, b in edges)

in_order = nx.Graph()
in_order.add_nodes_from(range(N))
in_order.add_edges_from(edges)
as_read = nx.read_edgelist("edges.txt", nodetype=int)
from_one = nx.relabel_nodes(as_read, {node: node + 1 for node in as_read})
text = nx.read_edgelist("edges.txt")
graphs = {"in order": in_order, "as read": as_read, "from 1 on": from_one, "text": text}
check(nx.utils.graphs_equal(in_order, as_read), "the two graphs differ")
print("nodes as read:", *list(as_read)[:6], "...")

def find(name, graph, **options):
    """The communities, as sets of ids from 0 on, and their modularity."""
    random.seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The one about speed says nothing about the result.
        warnings.simplefilter("ignore", SparseEfficiencyWarning)
        found = getattr(algorithms, name)(graph.copy(), **options)
    check(not caught, f"{name}: {[str(one.message) for one in caught]}")
    first = 1 if graph is from_one else 0
    sets = {frozenset(int(node) - first for node in community) for community in found.communities}
    try:
        return sets, round(found.newman_girvan_modularity().score, 2)
    except Exception:
        return sets, None

# The reference: igraph and leidenalg without CDlib.
graph = igraph.Graph.from_networkx(as_read)
parts = leidenalg.find_partition(graph, leidenalg.ModularityVertexPartition, seed=0)
check({frozenset(graph.vs[part]["_nx_name"]) for part in parts} == truth, "igraph alone")

WRONG = {
    "leiden": {}, "walktrap": {}, "label_propagation": {}, "eigenvector": {}, "surprise_communities": {},
    "significance_communities": {}, "rb_pots": {}, "rber_pots": {}, "angel": {"threshold": 0.25},
    "conga": {"number_communities": CLIQUES}, "congo": {"number_communities": CLIQUES},
}
for name, options in WRONG.items():
    for which, graph in graphs.items():
        sets, score = find(name, graph, **options)
        sizes = sorted(map(len, sets))
        right = len(sets & truth)
        if which == "as read":
            print(f"{name}: sizes {sizes}, {right} of them right, modularity {score}, which is 0.72 in the other graphs")
            check(sizes == [SIZE] * CLIQUES and right == 0 and abs(score) < 0.2, f"{name}, {which}: {right} are right, {score}")
        else:
            check(sets == truth and score == 0.72, f"{name}, {which}: {sets}")
for name, options in {"louvain": {}, "greedy_modularity": {}, "girvan_newman": {"level": CLIQUES - 1}, "async_fluid": {"k": CLIQUES}}.items():
    for which, graph in graphs.items():
        check(find(name, graph, **options)[0] == truth, f"{name}, {which}")
    print(f"{name}: right in all graphs")

for which, graph in graphs.items():
    sets, _ = find("markov_clustering", graph)
    nodes = {node + (graph is from_one) for found in sets for node in found}
    print(f"markov_clustering, {which}: {len(sets & truth)} right, ids from {min(nodes)} to {max(nodes)}")
    check(len(sets & truth) == (CLIQUES if which in ("in order", "text") else 0), f"markov_clustering, {which}: {sets}")
    check((min(nodes), max(nodes)) == (0, N - 1), f"markov_clustering, {which}: ids")

back = utils.convert_graph_formats(utils.convert_graph_formats(as_read, igraph.Graph), nx.Graph)
same = sum(back.has_edge("\\" + str(a), "\\" + str(b)) for a, b in edges)
print(f"to igraph and back: {same} of {len(edges)} edges are edges still")
check(back.number_of_edges() == len(edges) and same < len(edges) / 2, f"to igraph and back: {same}")
EOF
venv/bin/python check.py
