#!/usr/bin/env bash
# PyTables: after create_index a query finds less than a quarter of the rows that it found before, because of one NaN.
#
# Expected: An index makes queries faster and does not change their rows. A NaN matches no comparison.
# Happens: In a table of 200,000 rows with one NaN, "x >= 0.9" finds 20,000 rows without an index and 4,503 with one.
#   "x < 0.1" finds all. A sorted block of the index notes its smallest and its largest value, and NaN is sorted last.
#   No value is smaller than a largest value that is NaN, so the block is passed over, here 155,648 rows at once. Two
#   million rows lose rows as well, and so does the complete index of create_csindex when more of them are NaN. Tables
#   of 100,000 rows lost none.
# Seen: tables 3.11.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Missing measurements are NaN, and an index is what one adds when a table has become large. The rows that are
#   found do match, so nothing looks wrong. Reports of 2013 and 2014 on small tables with NaN are closed as fixed.
# Source: _search_bin_na_d in tables/indexesextension.pyx compares with the range of each slice
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tables==3.11.1 numpy==2.4.6 numexpr==2.14.2

cat > check.py <<'EOF'
import sys
import warnings
import numpy as np
import tables
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("tables", tables.__version__)

def found(values, *conditions, complete=False):
    rows = np.rec.fromarrays([np.arange(len(values)), values], names="run,x")
    with tables.open_file("runs.h5", "w") as file:
        table = file.create_table("/", "runs", rows)
        before = [len(table.read_where(c)) for c in conditions]
        table.cols.x.create_csindex() if complete else table.cols.x.create_index()
        after = [len(table.read_where(c)) for c in conditions]
        ranges = table.cols.x.index.ranges[:]
    for condition, b, a in zip(conditions, before, after):
        print(f"    {condition}: {b} rows without an index, {a} with it")
    return before, after, ranges

x = np.random.default_rng(0).permutation(200_000) / 200_000
print("200,000 rows:")
before, after, _ = found(x, "x >= 0.9", "x < 0.1")
check(before == after == [20_000, 20_000], "without NaN they agree")

x[1_000] = np.nan
print("the same with one NaN:")
before, after, ranges = found(x, "x >= 0.9", "x < 0.1")
check(before == [20_000, 20_000], "without an index one NaN changes nothing")
check(after == [4_503, 20_000], "with an index most of the high rows are lost")
print("    smallest and largest value of the block:", ranges[0].tolist())
check(ranges[0, 0] == 0 and np.isnan(ranges[0, 1]), "the largest value of the block is NaN")

rng = np.random.default_rng(0)
x = rng.normal(size=2_000_000)
x[rng.random(len(x)) < 0.01] = np.nan
print("2,000,000 rows, 1 of 100 is NaN:")
before, after, _ = found(x, "x >= 1.5")
check(0 < after[0] < before[0] / 5, "a large table loses rows too")

x[rng.random(len(x)) < 0.3] = np.nan
print("2,000,000 rows, 3 of 10 are NaN, complete index:")
before, after, _ = found(x, "x >= 1.5", complete=True)
check(after[0] < before[0] / 5, "a complete index loses rows too")
EOF
venv/bin/python check.py
