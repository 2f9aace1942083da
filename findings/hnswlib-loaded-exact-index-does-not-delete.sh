#!/usr/bin/env bash
# hnswlib: an exact index that was saved and loaded deletes nothing and replaces nothing, and says nothing.
#
# Expected: delete_vector of a BFIndex removes the vector with this label, and add_items with a known label replaces its vector.
#   Both do so before the index is saved.
# Happens: After load_index, delete_vector does nothing and searches go on finding the vector. add_items with a known label adds
#   a second vector, so that the label is found at its old place too. A deletion after that removes one of the two.
#   The graph index of the same library deletes and replaces after it was loaded.
# Seen: hnswlib 0.8.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A BFIndex gives the true neighbours that recall is measured by, and exact search in sets of some thousand vectors. A job
#   that loads the index, deletes what has to go and saves it again keeps all of it. When items are updated the graph index
#   moves on and the exact one does not, and the recall that is measured falls although the graph is right.
# Cause: loadIndex reads the vectors, and not the table from labels to places that addPoint and removePoint look in. Vectors that were
#   added after loading are in the table and can be deleted. A remedy is to keep the vectors and build the index anew.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
# hnswlib is compiled here, if there is no built package of it.
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check hnswlib==0.8.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import hnswlib
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("hnswlib", importlib.metadata.version("hnswlib"))
vectors = np.arange(5, dtype=np.float32)[:, None] * [[10, 0]]
labels = np.arange(5) + 100
away = np.array([[1000, 0]], np.float32)

def exact(load):
    index = hnswlib.BFIndex("l2", 2)
    index.init_index(20)
    index.add_items(vectors, labels)
    if load:
        index.save_index("exact.bin")
        index = hnswlib.BFIndex("l2", 2)
        index.load_index("exact.bin", 20)
    return index

def graph():
    index = hnswlib.Index("l2", 2)
    index.init_index(20, random_seed=1)
    index.add_items(vectors, labels)
    index.save_index("graph.bin")
    index = hnswlib.Index("l2", 2)
    index.load_index("graph.bin", 20)
    return index

def search(index, vector, k=2):
    found, distances = index.knn_query(vector, k)
    return list(zip(found[0].tolist(), distances[0].tolist()))

check(search(exact(True), vectors[2:3], 3) == search(exact(False), vectors[2:3], 3), "the loaded index has other vectors")

print("neighbours of vector 102, with distances, after it was deleted")
for name, index, wanted in [("exact, as built", exact(False), {101, 103}), ("graph, loaded", graph(), {101, 103}), ("exact, loaded", exact(True), {102, 101})]:
    (index.mark_deleted if "graph" in name else index.delete_vector)(102)
    found = search(index, vectors[2:3])
    print(f"  {name}: {found}")
    if name == "exact, loaded":
        check(found[0] == (102, 0), f"the loaded index deletes: {found}")
        index.save_index("again.bin")
        again = hnswlib.BFIndex("l2", 2)
        again.load_index("again.bin", 20)
        check(search(again, vectors[2:3])[0] == (102, 0), "the vector is gone after the index was saved again")
    else:
        check({label for label, _ in found} == wanted, f"{name}: {found}")

print("neighbours of its old and of its new place, after it was moved")
for name, index in [("exact, as built", exact(False)), ("graph, loaded", graph()), ("exact, loaded", exact(True))]:
    index.add_items(away, [102])
    old, new = search(index, vectors[2:3]), search(index, away)
    print(f"  {name}: {old} and {new}")
    check(new[0] == (102, 0), f"{name}: not found at its new place, {new}")
    check((102, 0) in old if name == "exact, loaded" else 102 not in dict(old), f"{name}: at its old place {old}")

index = exact(True)
index.add_items(away, [102])
everything = sorted(label for label, _ in search(index, away, 6))
print("all labels of the loaded index then:", everything)
check(everything == [100, 101, 102, 102, 103, 104], f"labels {everything}")
index.delete_vector(102)
check((102, 0) in search(index, vectors[2:3]) and 102 not in dict(search(index, away, 1)), "the deletion after that")
EOF
venv/bin/python check.py
