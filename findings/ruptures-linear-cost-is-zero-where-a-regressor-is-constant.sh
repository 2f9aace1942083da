#!/usr/bin/env bash
# ruptures: with model="linear" a segment in which a regressor is constant costs nothing, so the change is found where a campaign ended.
#
# Expected: CostLinear is the sum of squared residuals of a least-squares fit in a segment. With columns that depend on each other, as an
#   intercept and a flag that is 0 in all of the segment, the residuals are those of the fit without the flag. Consumption goes with
#   temperature, and the slope changes at day 200. A flag marks a campaign from day 60 to day 80. The change is at day 200.
# Happens: The cost of every segment outside the campaign is exactly 0, whatever is in it. So one change is found at day 80, after which
#   the cost is 0, by dynamic programming and by binary segmentation, and Pelt finds 60 and 80. Day 200 is in none. The cost of days 80
#   to 300 in one is 0, and by hand it is above 1000. Without the flag, or with the same cost by hand as a custom cost, it is day 200.
# Seen: ruptures 1.1.10, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Flags for holidays, campaigns, seasons and outages stand beside an intercept in most regressions, and are constant for long. The
#   change points are then the borders of the flags, and look plausible.
# Cause: CostLinear.error sums the residuals that numpy.linalg.lstsq returns, and those are an empty array if the rank is deficient.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ruptures==1.1.10 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import ruptures
from ruptures.base import BaseCost
from ruptures.costs import CostLinear
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("ruptures", "numpy")))

class ByHand(BaseCost):
    """The same cost from the fitted values."""
    model = "by hand"
    min_size = 2

    def fit(self, signal):
        self.signal = signal[:, :1]
        self.observed, self.regressors = signal[:, 0], signal[:, 1:]
        return self

    def error(self, start, end):
        X, y = self.regressors[start:end], self.observed[start:end]
        return float(((y - X @ np.linalg.lstsq(X, y, rcond=None)[0]) ** 2).sum())

DAYS, CHANGE = 300, 200
random = np.random.default_rng(0)
temperature = random.normal(10, 5, size=DAYS)
campaign = np.zeros(DAYS)
campaign[60:80] = 1
intercept = np.ones(DAYS)
slope = np.where(np.arange(DAYS) < CHANGE, -2.0, -1.0)
consumption = 50 + slope * temperature + 5 * campaign + random.normal(size=DAYS)
tables = {
    "without the flag": np.column_stack([consumption - 5 * campaign, temperature, intercept]),
    "with the flag": np.column_stack([consumption, temperature, intercept, campaign]),
}

SEARCHES = {
    "Dynp": lambda cost, signal: ruptures.Dynp(custom_cost=cost, min_size=10, jump=5).fit(signal).predict(n_bkps=1),
    "Binseg": lambda cost, signal: ruptures.Binseg(custom_cost=cost, min_size=10, jump=5).fit(signal).predict(n_bkps=1),
    "Pelt": lambda cost, signal: ruptures.Pelt(custom_cost=cost, min_size=10, jump=5).fit(signal).predict(pen=30),
}
for name, signal in tables.items():
    linear, hand = CostLinear().fit(signal), ByHand().fit(signal)
    check(ruptures.Dynp(model="linear", min_size=10, jump=5).fit(signal).predict(n_bkps=1) == SEARCHES["Dynp"](CostLinear(), signal), 'model="linear"')
    for start, end in ((0, 300), (0, 50), (90, 190), (80, 300)):
        a, b = float(linear.error(start, end)), hand.error(start, end)
        print(f"{name}: cost of days {start} to {end}: {a:.1f}, by hand {b:.1f}")
        check(b > 20 and a == 0 if name == "with the flag" and (start, end) != (0, 300) else abs(a - b) < 1e-6, f"{name}, {start} to {end}: {a}, by hand {b}")
    check(hand.error(80, 300) > 1000, f"{name}: days 80 to 300 by hand")
    for search, run in SEARCHES.items():
        found, wanted = ([int(day) for day in run(cost, signal)[:-1]] for cost in (CostLinear(), ByHand()))
        print(f"{name}, {search}: changes at {found}, by hand at {wanted}")
        check(wanted == [CHANGE], f"{name}, {search} by hand: {wanted}")
        check(found == ([CHANGE] if name == "without the flag" else [60, 80] if search == "Pelt" else [80]), f"{name}, {search}: {found}")
EOF
venv/bin/python check.py
