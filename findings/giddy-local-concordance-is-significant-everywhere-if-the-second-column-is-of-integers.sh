#!/usr/bin/env bash
# giddy: the p-values of the local rank concordance of shares with counts are wrong, since the permuted shares are cut to integers.
#
# Expected: Tau_Local_Neighbor compares the order of a region and its neighbours in two variables. Its p-values come from permutations of the
#   regions. They depend on ranks only, so counts as integers give the same as counts as floats, and x and y may change places.
# Happens: If x is a share and y of integers, the permutations are done with x cut to integers. All shares become 0, and no permutation
#   has any concordance. Of 100 regions with two variables that have nothing to do with each other 88 get the smallest p-value there
#   is, 0.005. With the counts as floats 2 are below 0.05. Numbers from 0 to 10 are cut too, and some p-values are off by 0.3. The statistic itself
#   is right in all cases. With the two variables exchanged, or with y as floats, the p-values are right.
# Seen: giddy 2.3.8, libpysal 4.14.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The p-values decide which regions are drawn as clusters of exchange or of stability. Shares beside counts or ranks are
#   ordinary, and a column of integers is float as soon as it has one gap, so the map changes with it.
# Cause: Tau_Local_Neighbor makes the array for the permuted x by zeros_like(y). y.astype(float) helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check giddy==2.3.8 libpysal==4.14.1 numpy==2.4.6 pandas==2.3.3

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
# Announced changes and notes on optional packages.
warnings.simplefilter("ignore")
import numpy as np
from giddy.rank import Tau_Local_Neighbor, Tau_Local_Neighborhood
from libpysal.weights import lat2W

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("giddy", "libpysal", "numpy")))
SIDE = 10
weights = lat2W(SIDE, SIDE)
rng = np.random.default_rng(0)
shares = rng.random(SIDE**2)
counts = rng.permutation(SIDE**2)  # of another variable, that has nothing to do with the shares

def local(x, y, kind=Tau_Local_Neighbor):
    np.random.seed(0)
    result = kind(x, y, weights, permutations=199)
    if kind is Tau_Local_Neighbor:
        return result.tau_ln, result.tau_ln_pvalues, result.tau_ln_sim
    return result.tau_lnhood, result.tau_lnhood_pvalues, result.tau_lnhood_sim

def significant(found):
    return int((found[1] < 0.05).sum())

floats = counts.astype(float)
seen = {
    "shares, counts as floats": local(shares, floats),
    "shares, counts as integers": local(shares, counts),
    "counts as integers, shares": local(counts, shares),
    "ranks of the shares, counts as integers": local(shares.argsort().argsort(), counts),
    "ten times the shares, counts as floats": local(10 * shares, floats),
    "ten times the shares, counts as integers": local(10 * shares, counts),
}
good = seen["shares, counts as floats"]
for what, found in seen.items():
    print(f"{what}: {significant(found)} of {SIDE**2} regions with p < 0.05, largest permuted concordance {np.abs(found[2]).max():.2f}")
    check(np.allclose(found[0], good[0]), f"{what}: the statistic itself")
    if what not in ("shares, counts as integers", "ten times the shares, counts as integers"):
        check(np.allclose(found[1], good[1]), f"{what}: p-values")
        check(significant(found) == 2, f"{what}: {significant(found)}")
wrong = seen["shares, counts as integers"]
check(significant(wrong) == 88 and not wrong[2].any(), f"shares, counts as integers: {significant(wrong)}")
check(np.isclose(wrong[1][wrong[0] != 0], 1 / 200).all(), "all regions with any concordance get the smallest p-value there is")
cut = seen["ten times the shares, counts as integers"]
check(significant(cut) == 5 and np.abs(cut[1] - good[1]).max() > 0.3, f"ten times the shares: {significant(cut)}")
# The other local statistic of the library does not depend on the type.
check(np.allclose(local(shares, counts, Tau_Local_Neighborhood)[1], local(shares, floats, Tau_Local_Neighborhood)[1]), "Tau_Local_Neighborhood")
PY
venv/bin/python check.py
