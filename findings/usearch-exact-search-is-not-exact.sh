#!/usr/bin/env bash
# USearch: an index stores float32 vectors as bfloat16 by default, so a search with exact=True gives wrong
# neighbours.
#
# Expected: exact=True compares with all vectors that were added and finds the nearest one.
# Happens: The default type of an index is bfloat16, which keeps two to three decimal digits. Vectors are
#   rounded when they are added and get() returns other numbers. On data with an offset most exact answers are
#   wrong. With dtype="f32" all are right.
# Seen: usearch 2.26.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Exact search is the yardstick for recall. Here the yardstick itself is wrong, and a recall computed
#   against it looks good.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check usearch==2.26.6 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import numpy as np
from usearch.index import Index

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("usearch", version("usearch"))
rng = np.random.default_rng(0)
vectors = (rng.normal(size=(2000, 16)) + 1000).astype(np.float32)
queries = vectors[:200] + rng.normal(size=(200, 16)).astype(np.float32) * 0.5
nearest = np.argmin(((queries[:, None] - vectors[None]) ** 2).sum(-1), axis=1)

def right(**options):
    index = Index(ndim=16, metric="l2sq", **options)
    index.add(np.arange(2000), vectors)
    found = index.search(queries, 1, exact=True).keys.ravel()
    share = float((found == nearest).mean())
    error = float(np.abs(np.asarray(index.get(0)) - vectors[0]).max())
    print(options or "default", index.dtype, "right nearest neighbours:", f"{share:.0%}", "error of get(0):", error)
    return share, error

share, error = right()
check(share < 0.5 and error > 0.5, "the default index is not exact")
check(right(dtype="f32") == (1.0, 0.0), "an index of float32 is")
EOF
venv/bin/python check.py
