#!/usr/bin/env bash
# Evidently: a feature that rises tenfold has not drifted if it is in grams, and the same rows in micrograms have.
#
# Expected: The default for numbers with more than 1000 reference rows is the Wasserstein distance divided by the standard deviation of the
#   reference, as the description says. It has no unit: the same rows in milligrams and in grams have the same value.
# Happens: The deviation is taken to be at least 0.001. Concentrations of 5e-6 that become 50e-6, which is 45 deviations away, have 0.045,
#   which is below the threshold of 0.1, so there is no drift. In another unit the same rows have 45.0. In a table with five such columns
#   the share of drifted columns is 0 in place of 1. K-S finds the drift, but it is the default up to 1000 rows only. No warning.
# Seen: evidently 0.7.23, scipy 1.17.1, pandas 2.3.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Rates, probabilities of rare events, concentrations and SI units are below 0.001. A monitor with a test on drift stays green.
# Cause: _wasserstein_distance_norm divides by max(std, 0.001).
# Remedy: Scale such columns to about 1 before, or set the method, such as ks or psi, for each of them.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check evidently==0.7.23 pandas==2.3.3 numpy==2.4.6 \
    scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Deprecations of other packages.
warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import DriftedColumnsCount, ValueDrift
from scipy.stats import wasserstein_distance

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("evidently", "scipy", "pandas")))
rng = np.random.default_rng(0)

def evaluated(reference, current, *metrics):
    tables = [Dataset.from_pandas(table, data_definition=DataDefinition(numerical_columns=list(table.columns))) for table in (current, reference)]
    return [metric["value"] for metric in Report(list(metrics)).run(*tables).dict()["metrics"]]

def drift(reference, current, **options):
    """The drift of one column, and whether it counts as drifted."""
    table = [pd.DataFrame({"x": values}) for values in (reference, current)]
    value, count = evaluated(*table, ValueDrift(column="x", **options), DriftedColumnsCount())
    return float(value), bool(count["count"])

def by_hand(reference, current):
    return float(wasserstein_distance(reference, current) / np.std(reference))

def rows(middle, width, n=2000):
    return rng.normal(middle, width, n)

THRESHOLD = 0.1
for what, reference, current, units in [
    ("concentration, five to fifty", rows(5, 1), rows(50, 1), (1, 1e-3, 1e-6, 1e-9)),
    ("rate of rare events, doubled", rows(40, 4), rows(80, 4), (1, 1e-6)),
    ("the same distribution", rows(5, 1), rows(5, 1), (1, 1e-6)),
]:
    for unit in units:
        value, drifted = drift(reference * unit, current * unit)
        hand = by_hand(reference * unit, current * unit)
        ks, _ = drift(reference * unit, current * unit, method="ks")
        print(f"{what}, unit {unit:g}: {value:.6f}, {'drift' if drifted else 'no drift'}; by hand {hand:.3f}, p of K-S {ks:.3g}")
        small = np.std(reference) * unit < 0.001
        shrunk = hand * np.std(reference) * unit / 0.001 if small else hand
        check(abs(value - shrunk) < 1e-9 * max(1, hand), f"{what}: {value}")
        check(drifted == (value >= THRESHOLD), f"{what}: {drifted}")
        if "same" in what:
            check(not drifted and hand < THRESHOLD and ks > 0.01, f"{what}: {value}")
        else:
            check(hand > 5 and ks < 1e-9, f"{what}: by hand {hand}")
            check(drifted == (unit >= 1e-3), f"{what} with the unit {unit}: {drifted}")

# A table, and the default for few rows.
tables = [pd.DataFrame({f"c{k}": rows(middle, 1) * 1e-6 for k in range(5)}) for middle in (5, 50)]
(count,), (scaled,) = evaluated(*tables, DriftedColumnsCount()), evaluated(*(table * 1e6 for table in tables), DriftedColumnsCount())
print(f"five columns in grams: a share of {count['share']} has drifted, in micrograms {scaled['share']}")
check(count["share"] == 0 and scaled["share"] == 1, f"shares {count} and {scaled}")
few = drift(rows(5, 1, 1000) * 1e-6, rows(50, 1, 1000) * 1e-6)
print(f"1000 rows in grams: {'drift' if few[1] else 'no drift'}")
check(few[1], "1000 rows")
EOF
venv/bin/python check.py
