#!/usr/bin/env bash
# vaex: the correlation of two columns, one of which has gaps, is 704 in place of 0.22, or 0.73 in place of 0.02.
#
# Expected: A correlation lies between -1 and 1, and is that of the rows in which both values are there. So it is in pandas, and in vaex
#   for masked arrays and after dropna().
# Happens: If values are missing as NaN, or as null in an Arrow table, the mean of the products is that of the complete rows, and the
#   means and the variances are those of all rows that have the value. A sensor that ran for the last quarter of the record
#   correlates with the year by 704 in place of 0.22. If a tenth is missing at random and the numbers are around 20, two columns that
#   have nothing to do with each other correlate by 0.73. correlation(), its matrices, cov() and covar() do it, and covar() does it
#   for masked arrays too. Nothing warns.
# Seen: vaex-core 4.19.0, pandas 2.3.3, pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Values above 1 show it, but most are below, and then features are chosen and dropped by them. Means of the data that are large
#   beside their spread, as of temperatures, years or prices, make it worse.
# Cause: covar subtracts the product of two means from the mean of the product, where each of the three means skips its own missing
#   values, and the covariance matrix behind correlation and cov has sums of the same kind.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check vaex-core==4.19.0 pandas==2.3.3 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
import pyarrow as pa
import vaex

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("vaex-core", "pandas", "pyarrow")))

def run(what, x, y, complete):
    """What pandas says, and vaex for each way to write a missing value."""
    y_nan = np.where(complete, y, np.nan)
    table = pd.DataFrame({"x": x, "y": y_nan})
    wanted = {"correlation": table.x.corr(table.y), "cov": table.dropna().cov(ddof=0).loc["x", "y"]}
    frames = {
        "masked": vaex.from_arrays(x=x, y=np.ma.masked_array(y, mask=~complete)),
        "NaN, after dropna": vaex.from_arrays(x=x, y=y_nan).dropna(),
        "NaN": vaex.from_arrays(x=x, y=y_nan),
        "pandas": vaex.from_pandas(table),
        "null in Arrow": vaex.from_arrow_table(pa.table({"x": x, "y": pa.array(y, mask=~complete)})),
    }
    print(f"{what}: pandas {wanted['correlation']:.3f}, covariance {wanted['cov']:.3f}")
    found = {}
    for name, frame in frames.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found[name] = {"correlation": float(frame.correlation("x", "y")), "cov": float(frame.cov("x", "y")[0, 1]), "covar": float(frame.covar("x", "y"))}
            matrix = frame.correlation(["x", "y"])
        check(abs(matrix[0, 1] - found[name]["correlation"]) < 1e-9, f"{name}: matrix {matrix}")
        print(f"  {name}:", ", ".join(f"{function} {value:.3f}" for function, value in found[name].items()))
    for name in ("masked", "NaN, after dropna"):
        check(all(abs(found[name][function] - wanted[function]) < 1e-4 for function in wanted), f"{name}: {found[name]}")
    check(abs(found["NaN, after dropna"]["covar"] - wanted["cov"]) < 1e-4, f"covar after dropna: {found}")
    check(found["masked"]["covar"] == found["NaN"]["covar"], f"covar of masked arrays: {found}")
    for name in ("pandas", "null in Arrow"):
        check(all(abs(found[name][function] - found["NaN"][function]) < 1e-9 for function in found["NaN"]), f"{name}: {found[name]}")
    # The mean of the product, less the product of the means.
    by_hand = (x * y)[complete].mean() - x.mean() * y[complete].mean()
    check(abs(found["NaN"]["cov"] - by_hand) < 1e-4 and abs(found["NaN"]["covar"] - by_hand) < 1e-4, f"cause: {found['NaN']} and {by_hand}")
    return wanted["correlation"], found["NaN"]["correlation"]

rng = np.random.default_rng(0)
year = 2000 + np.arange(1000) / 50
reading = year / 4 + rng.normal(size=1000)
wanted, found = run("a sensor that ran from 2015 on", year, reading, year >= 2015)
check(0 < wanted < 0.6 and found > 200, f"sensor: {wanted} and {found}")

a, b = rng.normal(size=1000) + 20, rng.normal(size=1000) + 20
wanted, found = run("two columns of noise around 20, no gaps", a, b, np.full(1000, True))
check(abs(wanted - found) < 1e-4, f"no gaps: {wanted} and {found}")
a, b = (np.random.default_rng(seed).normal(size=1000) + 20 for seed in (1, 2))
wanted, found = run("the same with a tenth missing at random", a, b, rng.random(1000) > 0.1)
check(abs(wanted) < 0.1 and 0.5 < abs(found) < 1, f"noise: {wanted} and {found}")
EOF
venv/bin/python check.py
