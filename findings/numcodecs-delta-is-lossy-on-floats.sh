#!/usr/bin/env bash
# The numcodecs filter Delta, a lossless filter on integers, changes most floats.
#
# Expected: A filter of a compression chain gives back what went in. The lossy ones of numcodecs say so:
#   Quantize, BitRound, FixedScaleOffset.
# Happens: Delta accepts float types, stores rounded differences and sums them up again. More than 9 of 10
#   values come back changed. One large value wipes out small ones that follow.
# Seen: numcodecs 0.16.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Embeddings or weights in a Zarr store with this filter are not the ones that were computed, so
#   digests and metrics differ after a round trip.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check numcodecs==0.16.6 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numcodecs
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("numcodecs", numcodecs.__version__)
rng = np.random.default_rng(0)
for dtype in ("int32", "float32", "float64"):
    values = (rng.normal(size=10_000) * 100).astype(dtype)
    codec = numcodecs.Delta(dtype=dtype)
    back = codec.decode(codec.encode(values))
    changed = (back != values).mean()
    print(dtype, "changed:", f"{changed:.1%}", "largest error:", np.abs(back - values).max())
    check(changed == 0 if dtype == "int32" else changed > 0.9, f"{dtype} behaves as described")

codec = numcodecs.Delta(dtype="float32")
values = np.array([0.25, 1e8, 0.25, 0.5], dtype="float32")
back = codec.decode(codec.encode(values))
print("written:", values, "read:", back)
check(back.tolist() == [0.25, 1e8, 0.0, 0.25], "values after a large one are wrong")
EOF
venv/bin/python check.py
