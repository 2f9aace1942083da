#!/usr/bin/env bash
# Evidently: the drift method mannw has a p-value of 1 for a feature that falls to half, and of nearly 0 for one that doubles.
#
# Expected: Drift is a change in either direction. The U test of Mann and Whitney is two-sided where nothing else is said, in SciPy too, and
#   it has one p-value if the reference and the current data are swapped. K-S, the t-test and Cramer-von Mises in Evidently have.
# Happens: method="mannw" has a p-value of 1.0 for a feature whose current values are all below all of the reference, so it has not drifted.
#   Swapped it has 3e-165. Of five features that fall and five that rise the report counts five as drifted. A fall of 2 percent
#   has 1.0 where the two-sided test has 5e-11, and a rise has half of the two-sided p-value. No warning.
# Seen: evidently 0.7.23, scipy 1.17.1, pandas 2.3.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: A sensor that fails, a price that falls or a field that is filled with zeros is what a monitor should see. The p-value of 1.0 looks
#   like the best evidence that nothing has changed.
# Cause: _mannwhitneyu_rank calls SciPy with alternative="less", which asks if the reference lies below the current data.
# Remedy: Use ks, cramer_von_mises or t_test, or a function of your own with alternative="two-sided".
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
from scipy.stats import mannwhitneyu

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("evidently", "scipy", "pandas")))
rng = np.random.default_rng(0)

def evaluated(reference, current, *metrics):
    tables = [Dataset.from_pandas(table, data_definition=DataDefinition(numerical_columns=list(table.columns))) for table in (current, reference)]
    return [metric["value"] for metric in Report(list(metrics)).run(*tables).dict()["metrics"]]

def p_value(reference, current, method):
    tables = (pd.DataFrame({"x": values}) for values in (reference, current))
    return float(evaluated(*tables, ValueDrift(column="x", method=method))[0])

def by_hand(reference, current):
    """Two-sided p-value of the U test by its normal approximation, without ties."""
    from math import erfc, sqrt
    n, m = len(reference), len(current)
    u = sum(np.searchsorted(np.sort(current), value) for value in reference)
    return erfc(max(abs(u - n * m / 2) - 0.5, 0) / sqrt(n * m * (n + m + 1) / 12) / sqrt(2))

ROWS = 500
reference = rng.normal(100, 5, ROWS)
for what, current, falls in [
    ("falls to half", rng.normal(50, 5, ROWS), True), ("doubles", rng.normal(200, 5, ROWS), False),
    ("falls by 2 percent", rng.normal(98, 5, ROWS), True), ("rises by 2 percent", rng.normal(102, 5, ROWS), False),
]:
    value, swapped = p_value(reference, current, "mannw"), p_value(current, reference, "mannw")
    right, hand = float(mannwhitneyu(reference, current).pvalue), by_hand(reference, current)
    others = {method: (p_value(reference, current, method), p_value(current, reference, method)) for method in ("ks", "t_test", "cramer_von_mises")}
    print(f"{what}: p {value:.3g}, swapped {swapped:.3g}; two-sided by SciPy {right:.3g}, by hand {hand:.3g}, "
          + ", ".join(f"{method} {pair[0]:.3g}" for method, pair in others.items()))
    check(abs(right - hand) < 1e-9 and right < 1e-6, f"{what}: {right}, {hand}")
    check(value > 0.999 if falls else value < 1e-6, f"{what}: {value}")
    check(swapped < 1e-6 if falls else swapped > 0.999, f"{what}, swapped: {swapped}")
    check(all(pair[0] < 1e-4 and abs(pair[0] - pair[1]) < 1e-9 for pair in others.values()), f"{what}: {others}")

before = pd.DataFrame({f"{way}{k}": rng.normal(100, 5, ROWS) for way in ("falls", "rises") for k in range(5)})
after = before * np.where(before.columns.str.startswith("falls"), 0.5, 1.5)
for method, wanted in (("mannw", 5), ("ks", 10)):
    count = evaluated(before, after, DriftedColumnsCount(num_method=method))[0]["count"]
    print(f"of five features that fall and five that rise {method} counts {count:.0f}")
    check(count == wanted, f"{method} counts {count}")
EOF
venv/bin/python check.py
