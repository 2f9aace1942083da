#!/usr/bin/env bash
# AntroPy: the sample entropy of whole numbers falls from 2.3 to 1.3 when the series has 5000 samples instead of 4999.
#
# Expected: Sample entropy does not depend on the length, and the documentation says that the fast script for less than 5000 samples and the
#   search tree for longer ones produce equivalent results. A pair of templates counts if its distance is less than r.
# Happens: Heart rates in whole beats with tolerance=1 have 2.30 with 4999 samples and 1.28 with 5000, the first 4999 of which are the same.
#   A random walk of whole numbers has 1.63 and 0.68. Steps of 0.5 and a tolerance of 0.5 do so as well. Of 10000 samples it is
#   1.28, and 2.3 of each half of them. With a tolerance between two steps, or for random floats, both are equal. No warning.
# Seen: antropy 0.2.3, numba 0.68.1, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Heart rates, steps, counts and samples of a converter are whole numbers, and a tolerance of one or two units is natural for
#   them. Recordings of different lengths are compared, and the longer ones seem to be more regular.
# Cause: The script takes |a - b| >= r for a miss, so that only less than r is a match. KDTree.query_radius counts distances up to r.
# Remedy: A tolerance that no difference can equal, such as 1.5 for whole numbers.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check antropy==0.2.3 numba==0.68.1 scikit-learn==1.9.1 \
    numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import math
import sys
import warnings
warnings.simplefilter("error")
import antropy
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("antropy", "numba", "scikit-learn")))
rng = np.random.default_rng(0)

def by_hand(x, r, closed, order=2):
    """Pairs of templates of order + 1 and of order samples that match, each pair once."""
    near = []
    longer = shorter = 0
    n = len(x) - order
    for k in range(1, n):
        d = np.abs(x[k:] - x[:-k])
        near = d <= r if closed else d < r
        two = near[:n - k] & near[1:n - k + 1]
        shorter += int(two.sum())
        longer += int((two & near[2:n - k + 2]).sum())
    return -math.log(longer / shorter)

rates = rng.integers(60, 70, 10000).astype(float)
walk = np.clip(np.cumsum(rng.choice([-1, 0, 1], 10000)), -6, 6) + rng.integers(-2, 3, 10000) + 70.0
for what, x, r in [("heart rates from 60 to 69", rates, 1.0), ("the same in steps of 0.5", rates / 2, 0.5),
                   ("a random walk of whole numbers", walk, 1.0)]:
    short, long, less = antropy.sample_entropy(x[:4999], tolerance=r), antropy.sample_entropy(x[:5000], tolerance=r), by_hand(x[:5000], r, False)
    up_to = by_hand(x[:5000], r, True)
    print(f"{what}, tolerance {r}: {short:.3f} with 4999 samples, {long:.3f} with 5000; by hand with 5000 samples: less than r {less:.3f}, "
          f"up to r {up_to:.3f}")
    check(abs(short - by_hand(x[:4999], r, False)) < 1e-9, f"{what}: 4999 samples {short}")
    check(abs(long - up_to) < 1e-9 and abs(short - less) < 0.02, f"{what}: 5000 samples {long}")
    check(short - long > 0.3, f"{what}: {short} and {long}")
    between = antropy.sample_entropy(x[:4999], tolerance=1.5 * r), antropy.sample_entropy(x[:5000], tolerance=1.5 * r)
    print(f"  tolerance {1.5 * r}: {between[0]:.3f} and {between[1]:.3f}")
    check(abs(between[0] - between[1]) < 0.01, f"{what}: a tolerance between two steps {between}")

whole, halves = antropy.sample_entropy(rates, tolerance=1.0), [antropy.sample_entropy(rates[k:k + 4999], tolerance=1.0) for k in (0, 5000)]
print(f"10000 samples {whole:.3f}, the halves {halves[0]:.3f} and {halves[1]:.3f}")
check(whole < 1.4 and min(halves) > 2.2, f"{whole}, {halves}")
floats = rng.normal(size=5000)
both = antropy.sample_entropy(floats[:4999]), antropy.sample_entropy(floats)
print(f"random floats, default tolerance: {both[0]:.3f} and {both[1]:.3f}")
check(abs(both[0] - both[1]) < 0.01, f"floats {both}")
EOF
venv/bin/python check.py
