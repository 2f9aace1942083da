#!/usr/bin/env bash
# frouros: the Kuiper test misses four of five changes of spread, since it takes the statistic of Kolmogorov and Smirnov for its own.
#
# Expected: KuiperTest is Kuiper's test of 1960, as its documentation says: its statistic is D+ + D-, the sum of the largest differences
#   of the two distribution functions in both directions. So it sees changes of spread, and on a circle, as for the hours of a day,
#   it does not depend on where the day begins. Under no change p is below 0.05 for one pair of samples in twenty at most.
# Happens: The statistic is the larger of D+ and D-, and p is the probability that D+ + D- exceeds it. If the spread grows by 30 percent,
#   500 values each, the test rejects for 38 of 200 pairs. astropy.stats.kuiper_two does for 197, and the test of Kolmogorov and Smirnov,
#   which is thought to be worse at this, for 134. If nothing has changed p is above 0.99 for half of the pairs. On a circle
#   statistic and p depend on the origin. If one function is above the other throughout, as after a shift, the statistic is right.
# Seen: frouros 0.9.0, scipy 1.14.1, astropy 8.0.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: One takes this test for changes that the others miss: more noise, heavier tails, other hours. It says that there is no drift.
# Cause: KuiperTest._kuiper calls scipy.stats.ks_2samp and gives its statistic to the formula for the p-value of Kuiper's statistic, which
#   was taken over from astropy.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check frouros==0.9.0 scipy==1.14.1 astropy==8.0.2 numpy==2.1.3

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
from astropy.stats import kuiper_two
from frouros.detectors.data_drift import KSTest, KuiperTest
from scipy.stats import ks_2samp
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("frouros", "scipy", "astropy")))
rng = np.random.default_rng(0)

def compared(detector, reference, sample):
    detector.fit(X=reference)
    result, _ = detector.compare(X=sample)
    return float(result.statistic), float(result.p_value)

def by_hand(reference, sample):
    """D+ and D- of the two empirical distribution functions."""
    values = np.concatenate([reference, sample])
    below = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (reference, sample)]
    return float((below[0] - below[1]).max()), float((below[1] - below[0]).max())

PAIRS, SIZE = 200, 500
rejected = {}
for what, change in [("no change", lambda x: x), ("spread by 1.3", lambda x: 1.3 * x), ("shifted by 0.3", lambda x: x + 0.3)]:
    counts, most, large = np.zeros(3, int), 0, 0
    for _ in range(PAIRS):
        reference, sample = rng.normal(size=SIZE), change(rng.normal(size=SIZE))
        above, under = by_hand(reference, sample)
        statistic, p = compared(KuiperTest(), reference, sample)
        right, p_right = kuiper_two(reference, sample)
        ks, p_ks = compared(KSTest(), reference, sample)
        check(abs(right - above - under) < 1e-9, f"astropy: {right}, by hand {above} and {under}")
        check(abs(statistic - max(above, under)) < 1e-9, f"Kuiper: {statistic}, by hand {above} and {under}")
        check(abs(ks - ks_2samp(reference, sample).statistic) < 1e-9 and abs(ks - statistic) < 1e-9, f"KSTest: {ks}")
        counts += np.array([p, p_right, p_ks]) < 0.05
        large += p > 0.99
        most = max(most, right - statistic)
    rejected[what] = counts.tolist()
    print(f"{what}: of {PAIRS} pairs KuiperTest rejects {counts[0]}, astropy {counts[1]}, KSTest {counts[2]}; "
          f"p of KuiperTest is above 0.99 for {large}, its statistic is up to {most:.3f} too small")
    if what == "no change":
        check(large > PAIRS / 3, f"p above 0.99: {large} pairs")
check(rejected["no change"][0] <= 1 and 0 < rejected["no change"][1] < 20, f"no change: {rejected['no change']}")
check(rejected["spread by 1.3"][0] < 60 and rejected["spread by 1.3"][1] > 190 and 100 < rejected["spread by 1.3"][2] < 180, f"spread: {rejected}")
check(rejected["shifted by 0.3"][0] > 150, f"shift: {rejected['shifted by 0.3']}")

# The hours of requests, and of others six hours later, as angles.
reference, sample = (np.mod(rng.vonmises(middle, 0.5, SIZE), 2 * np.pi) for middle in (0, np.pi / 2))
found = []
for start in range(0, 24, 6):
    turned = [np.mod(x - start * np.pi / 12, 2 * np.pi) for x in (reference, sample)]
    (statistic, p), (right, p_right) = compared(KuiperTest(), *turned), kuiper_two(*turned)
    print(f"day begins at {start:02}: {statistic:.3f} and p = {p:.1e}, by astropy {right:.3f} and p = {p_right:.1e}")
    found.append((statistic, right))
check(max(b for _, b in found) - min(b for _, b in found) < 1e-9, f"astropy on the circle: {found}")
check(max(a for a, _ in found) - min(a for a, _ in found) > 0.02, f"Kuiper on the circle: {found}")

# All of one sample below all of the other: D- is 0, and the statistic is right.
apart = rng.uniform(size=SIZE), rng.uniform(2, 3, size=SIZE)
check(abs(compared(KuiperTest(), *apart)[0] - kuiper_two(*apart)[0]) < 1e-9, "samples that are apart")
EOF
venv/bin/python check.py
