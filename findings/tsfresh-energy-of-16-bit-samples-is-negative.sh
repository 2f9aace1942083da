#!/usr/bin/env bash
# tsfresh: from 16-bit samples it computes negative energies and 18 more wrong features, from the same samples in a CSV file right ones.
#
# Expected: The features of a series depend on its numbers. 16-bit integers are what converters of sensors and sound cards give, and
#   what Parquet, HDF5, NumPy and WAV files keep. The documentation on the format of the data asks for no type.
# Happens: extract_features computes in the type of the column. Squares, products and differences of 16-bit integers wrap around:
#   abs_energy is negative for a third of the series, root_mean_square is below 300 in place of 5,700 or missing, and cid_ce, c3,
#   time_reversal_asymmetry_statistic and energy_ratio_by_chunks are wrong too. Of bytes mean_abs_change and others are wrong, and with
#   32 bits abs_energy, c3 and time_reversal_asymmetry_statistic are. No error and no warning: warnings of NumPy are hidden by default.
# Seen: tsfresh 0.21.2, pandas 2.3.3 and numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The energy that separates worn bearings from new ones is noise after the table has moved from CSV to Parquet, or the type was
#   made smaller to save memory. Most of the 783 features are right, which hides it. A model that was trained on features from one
#   file gets others from another file with the same samples.
# Cause: extraction.py hands over the values of the column, and feature_calculators.py takes np.dot(x, x), np.square(x) and the like.
# Remedy: Convert the column to float first.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tsfresh==0.21.2 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
from tsfresh import extract_features
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("tsfresh", "pandas", "numpy")))
NAMES = ("abs_energy", "root_mean_square", "cid_ce", "c3", "time_reversal_asymmetry_statistic", "energy_ratio_by_chunks",
         "mean_abs_change", "absolute_sum_of_changes", "mean", "maximum", "standard_deviation", "linear_trend", "fft_coefficient")

def features(table):
    found = extract_features(table, column_id="id", column_sort="time", disable_progressbar=True, n_jobs=0)
    return found[[name for name in found if name.split("__")[1] in NAMES]].astype(float)

def wrong(found, right):
    """The names of the features with other values, and in how many columns."""
    columns = [name for name in right if not np.allclose(found[name], right[name], rtol=1e-6, equal_nan=True)]
    return len(columns), sorted({name.split("__")[1] for name in columns})

# Vibration in counts of a 16-bit converter, of 20 new and 20 worn bearings. The worn ones shake a fifth more.
rng = np.random.default_rng(0)
time = np.arange(500)
worn = np.arange(40) % 2
series = [8000 * (1 + 0.2 * w) * np.sin(0.126 * time) + rng.normal(0, 300, 500) for w in worn]
table = pd.DataFrame({"id": np.repeat(np.arange(40), 500), "time": np.tile(time, 40), "x": np.round(np.concatenate(series)).astype(np.int16)})

table.to_csv("table.csv", index=False)
from_csv = pd.read_csv("table.csv")
check(from_csv["x"].dtype == np.int64 and (from_csv["x"] == table["x"]).all(), "the samples from the CSV file")
right = features(table.astype({"x": float}))
check(wrong(features(from_csv), right) == (0, []), "features from the CSV file")
check((right["x__abs_energy"] > 0).all(), "energies of floats")

found = features(table)
for name in ("x__abs_energy", "x__root_mean_square"):
    print(f"{name[3:]} of the first series: floats", *right[name][:4].round().astype(int), "16 bits", *found[name][:4].round())
count, names = wrong(found, right)
print(f"16 bits: {(found['x__abs_energy'] < 0).sum()} of 40 energies negative, {count} features wrong, of", *names)
check(names == ["abs_energy", "c3", "cid_ce", "energy_ratio_by_chunks", "root_mean_square", "time_reversal_asymmetry_statistic"], f"16 bits: {names}")
check(10 < (found["x__abs_energy"] < 0).sum() < 30, f"negative energies: {(found['x__abs_energy'] < 0).sum()}")
check((found["x__root_mean_square"].fillna(0) < 300).all() and found["x__root_mean_square"].isna().any(), "root mean squares")

def separated(energy):
    """The best accuracy with which a threshold on the energy tells worn bearings from new ones."""
    return max(np.mean((energy > cut) == (worn == 1)) for cut in energy)

print(f"worn and new told apart by the energy: floats {separated(right['x__abs_energy']):.2f}, 16 bits {separated(found['x__abs_energy']):.2f}")
check(separated(right["x__abs_energy"]) > 0.97 and separated(found["x__abs_energy"]) < 0.75, "bearings told apart")

count, names = wrong(features(table.astype({"x": np.int32})), right)
print(f"32 bits: {count} features wrong, of", *names)
check(names == ["abs_energy", "c3", "time_reversal_asymmetry_statistic"], f"32 bits: {names}")

gray = pd.DataFrame({"id": 0, "time": range(100), "x": rng.integers(0, 256, 100).astype(np.uint8)})
count, names = wrong(features(gray), features(gray.astype({"x": float})))
print(f"bytes: {count} features wrong, of", *names)
check({"abs_energy", "mean_abs_change", "absolute_sum_of_changes"} <= set(names), f"bytes: {names}")
EOF
venv/bin/python check.py
