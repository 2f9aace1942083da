#!/usr/bin/env bash
# networkx: in a GML file that igraph wrote, the weight 1e-05 is read as 1 and a p-value of 1e-12 as 1, with a new attribute e = -5.
#
# Expected: A graph that igraph writes as GML has its numbers when networkx reads it, as with GraphML, or there is an error.
# Happens: igraph writes a double that has one significant digit without a point: 1e-05, 3e-06, 4e+20, 2e+15. networkx takes a
#   number with a point for a real and the rest for integers, so 1e-05 is the integer 1, then a key "e", then its value -5. Numbers with more
#   digits, as 2.5e-07, and those between 0.0001 and 1e15, are right, so most weights are. If the edge has an attribute called e,
#   it becomes a list. There is no error and no warning, and no reader option changes it. igraph reads its own file right.
# Seen: networkx 3.6.1, igraph 1.0.0 for Python, whose C library also writes the files of R. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Networks of genes, words and brain regions have p-values and small weights on their edges, and many are round: thresholds,
#   rates, powers of ten. The most significant edges get a p-value of 1 and drop out of a filter, the weakest links become
#   the strongest, and a walk or a clustering by weight follows them. The graph has all its nodes and edges.
# Cause: The grammar of GML asks for a point in a real number. networkx adds one when it writes, 1.E-05. igraph does not, and the
#   reader of networkx needs no space between a number and the next key.
# Remedy: Use GraphML between the two, or let igraph write the number as text and convert it after reading.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check networkx==3.6.1 igraph==1.0.0

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
from pathlib import Path
import igraph
import networkx as nx
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("networkx", "igraph")))
weights = [1e-05, 2.5e-07, 3e-06, 0.25, 4e+20]
p_values = [1e-12, 0.0015, 5e-08, 0.0001, 0.05]
graph = igraph.Graph([(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])
graph.vs["name"] = list("abcde")
graph.vs["score"] = [1e-05, 0.1, 2e+15, 1e6, 100000.0]
graph.es["weight"] = weights
graph.es["p"] = p_values
graph.write_gml("graph.gml")
graph.write_graphml("graph.graphml")
check("weight 1e-05\n" in Path("graph.gml").read_text(), "igraph writes something else")

def edges(read, key):
    """The attributes of the edges in the order of igraph."""
    names = [(graph.vs[one]["name"], graph.vs[two]["name"]) for one, two in graph.get_edgelist()]
    return [read.edges[pair].get(key) for pair in names]

read = nx.read_gml("graph.gml", label="name")
for key, given, wanted in [("weight", weights, [1, 2.5e-07, 3, 0.25, 4]), ("p", p_values, [1, 0.0015, 5, 0.0001, 0.05])]:
    found = edges(read, key)
    print(f"{key}, written:", *given, "read:", *found)
    check(found == wanted, f"{key}: {found}")
print("attribute e of the edges:", *edges(read, "e"))
check(edges(read, "e") == [[-5, -12], None, [-6, -8], None, 20], f"e: {edges(read, 'e')}")
scores = [read.nodes[name]["score"] for name in "abcde"]
print("score of the nodes, written:", *graph.vs["score"], "read:", *scores)
check(scores == [1, 0.1, 2, 1000000, 100000], f"the scores: {scores}")

significant = {name: sum(p <= 1e-4 for p in values) for name, values in {"igraph": p_values, "networkx": edges(read, "p")}.items()}
print("edges with p <= 0.0001:", significant)
check(significant == {"igraph": 3, "networkx": 1}, f"significant: {significant}")
check(read.number_of_nodes() == 5 and read.number_of_edges() == 5, "nodes and edges")

# The same file in igraph, and the same graph in GraphML.
own = igraph.Graph.Read_GML("graph.gml")
check(own.es["weight"] == weights and own.es["p"] == p_values, "igraph reads something else")
other = nx.relabel_nodes(nx.read_graphml("graph.graphml"), {f"n{i}": name for i, name in enumerate("abcde")})
check(edges(other, "weight") == weights and edges(other, "p") == p_values, "GraphML")
print("right: the file read by igraph, and GraphML read by networkx")

# networkx writes a point.
small = nx.Graph()
small.add_edge("a", "b", weight=1e-05)
nx.write_gml(small, "own.gml")
check("1.E-05" in Path("own.gml").read_text() and nx.read_gml("own.gml").edges["a", "b"] == {"weight": 1e-05}, "networkx alone")

graph.es["e"] = [7] * 5
graph.write_gml("graph.gml")
found = edges(nx.read_gml("graph.gml", label="name"), "e")
print("an attribute e = 7 of each edge is read as", *found)
check(found == [[-5, -12, 7], 7, [-6, -8, 7], 7, [20, 7]], f"an attribute e: {found}")
EOF
venv/bin/python check.py
