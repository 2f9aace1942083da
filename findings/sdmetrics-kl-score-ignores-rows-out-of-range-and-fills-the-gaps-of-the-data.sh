#!/usr/bin/env bash
# SDMetrics: ContinuousKLDivergence gives synthetic data 0.97 of 1 if half of its rows are absurd, and writes zeros into the gaps of both tables.
#
# Expected: The score is 1 / (1 + KL divergence) of the binned values. Rows that lie where no real row is have a share of the synthetic
#   distribution, so a table with half of its rows there is far from the real one. A metric reads its input.
# Happens: Rows outside the range of the real data are left out of the histogram and of the sum it is divided by. A table of which half the
#   rows are shifted by 1000 scores 0.965, and one with 95 percent such rows 0.659, as the rest of it alone. A shift of half the
#   rows by 20, which stays nearer, scores 0.368. The NaN of both data frames become 0.0 in the tables of the caller: 200 missing
#   ages are 0 afterwards and the mean age falls from 49.5 to 39.6. Nothing is logged. The single-table metric of the same name
#   leaves the tables alone, but ignores the same rows.
# Seen: sdmetrics 0.32.0, scipy 1.17.1, pandas 2.3.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Values out of range are what a bad generator makes. What is computed after the metric, such as the share of missing values or
#   a mean, is that of another table: MissingValueSimilarity rises from 0.8 to 1.
# Cause: numpy.histogram2d takes the edges of the real data and drops all that lies outside. real_data[isna] = 0.0 works in place.
# Remedy: Pass copies without missing rows, and look at RangeCoverage and BoundaryAdherence too.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check sdmetrics==0.32.0 pandas==2.3.3 numpy==2.4.6 \
    scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("error")
import numpy as np
import pandas as pd
from sdmetrics.column_pairs import ContinuousKLDivergence
from sdmetrics.single_column import MissingValueSimilarity
from sdmetrics.single_table import ContinuousKLDivergence as OfTable

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("sdmetrics", "scipy", "pandas")))
ROWS = 1000
rng = np.random.default_rng(0)

def table():
    return pd.DataFrame({"age": rng.normal(50, 10, ROWS), "income": rng.normal(50, 10, ROWS)})

def by_hand(real, synthetic):
    """The same with a bin for all that lies outside."""
    counts, *edges = np.histogram2d(real["age"], real["income"])
    inside, *_ = np.histogram2d(synthetic["age"], synthetic["income"], bins=edges)
    p = np.append(inside.ravel(), len(synthetic) - inside.sum()) + 1e-5
    q = np.append(counts.ravel(), 0) + 1e-5
    p, q = p / p.sum(), q / q.sum()
    return float(1 / (1 + (p * np.log(p / q)).sum()))

real = table()
for what, share, shift, wanted in [
    ("the real rows", 0, 0, 1), ("half of the rows 1000 higher", 0.5, 1000, 0.96), ("95 percent 1000 higher", 0.95, 1000, 0.6),
    ("half of the rows 20 higher", 0.5, 20, None),
]:
    synthetic = real.copy()
    synthetic.iloc[:int(share * ROWS)] += shift
    score, hand, whole = ContinuousKLDivergence.compute(real.copy(), synthetic.copy()), by_hand(real, synthetic), OfTable.compute(real, synthetic)
    print(f"{what}: {score:.3f}, single table {whole:.3f}, by hand with a bin for all outside {hand:.3f}")
    check(abs(score - whole) < 1e-9, f"{what}: single table {whole}")
    if shift == 1000:
        check(score >= wanted and hand < 0.15, f"{what}: {score}, by hand {hand}")
        kept = synthetic.iloc[int(share * ROWS):]
        check(abs(score - ContinuousKLDivergence.compute(real.copy(), kept.copy())) < 1e-6, f"{what}: not that of the other rows")
    elif shift == 0:
        check(score == 1 and abs(hand - 1) < 1e-9, f"{what}: {score}")

# A table of which ages are missing, and a synthetic one that has all.
real, synthetic = table(), table()
real.loc[::5, "age"] = np.nan
before = real.copy(), MissingValueSimilarity.compute(real["age"], synthetic["age"])
OfTable.compute(real, synthetic)
check(real.equals(before[0]), "the single-table metric changes the table")
ContinuousKLDivergence.compute(real, synthetic)
after = MissingValueSimilarity.compute(real["age"], synthetic["age"])
print(f"missing ages {before[0]['age'].isna().sum()} before and {real['age'].isna().sum()} after, zeros {(before[0]['age'] == 0).sum()} and "
      f"{(real['age'] == 0).sum()}, mean age {before[0]['age'].mean():.1f} and {real['age'].mean():.1f}, "
      f"MissingValueSimilarity {before[1]:.2f} and {after:.2f}")
check(real["age"].isna().sum() == 0 and (real["age"] == 0).sum() == ROWS // 5, "the gaps are kept")
check(abs(before[1] - 0.8) < 1e-9 and after == 1, f"MissingValueSimilarity {before[1]} and {after}")
check(45 < before[0]["age"].mean() < 55 and 35 < real["age"].mean() < 45, "the mean age")
synthetic.loc[::10, "income"] = np.nan
ContinuousKLDivergence.compute(real, synthetic)
check((synthetic["income"] == 0).sum() == ROWS // 10, "the gaps of the synthetic table")
EOF
venv/bin/python check.py
