#!/usr/bin/env bash
# Faiss: remove_ids renumbers the vectors of one kind of index, and lets another kind give an id away twice.
#
# Expected: After two vectors are removed, the others are found under the ids that they had, and new ones get
#   free ids, in every kind of index.
# Happens: IndexFlat moves everything up: what was found as 10 is found as 8. IndexIVFFlat keeps the ids, but
#   the next added vector gets the number of vectors as its id, which is still in use. Then one id stands for
#   two vectors.
# Seen: faiss-cpu 1.15.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Ids are the link to the rows of a table. After one deletion, search results point to wrong rows, and
#   which way they are wrong depends on the index.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import faiss
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("faiss", faiss.__version__)
rng = np.random.default_rng(0)
vectors = rng.normal(size=(1000, 8)).astype(np.float32)
new = rng.normal(size=(1, 8)).astype(np.float32)
flat = faiss.IndexFlatL2(8)
ivf = faiss.IndexIVFFlat(faiss.IndexFlatL2(8), 8, 4)
ivf.train(vectors)
ivf.nprobe = 4
found = {}
for name, index in (("flat", flat), ("ivf", ivf)):
    index.add(vectors)
    index.remove_ids(np.array([0, 5]))
    index.add(new)
    ids = [int(index.search(v[None], 1)[1][0, 0]) for v in (vectors[10], vectors[998], new[0])]
    found[name] = ids
    print(f"{name}: vector 10 has id {ids[0]}, vector 998 has id {ids[1]}, the new vector has id {ids[2]}")
check(found["flat"] == [8, 996, 998], "flat: the ids have moved")
check(found["ivf"] == [10, 998, 998], "ivf: one id for two vectors")
EOF
venv/bin/python check.py
