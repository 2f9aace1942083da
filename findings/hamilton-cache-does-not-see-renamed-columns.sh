#!/usr/bin/env bash
# Hamilton: its cache takes a data frame with renamed columns, or an array of another shape, for the same data.
#
# Expected: The fingerprint of an intermediate result covers what decides the next step: names, shape and type
#   included.
# Happens: The fingerprint of a data frame covers the values and the index, not the column names. That of an
#   array covers the bytes, not shape or type. An upstream function is edited and runs again, its result has the
#   old fingerprint, and the function below it is served from the cache with the old result.
# Seen: apache-hamilton 1.90.0 with pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Swapped columns are a classic bug. Its fix is computed, stored, and ignored by everything below it.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check apache-hamilton==1.90.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib
import pathlib
import sys
from importlib.metadata import version
import numpy as np
import pandas as pd
from hamilton import driver
from hamilton.caching.fingerprinting import hash_value

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("apache-hamilton", version("apache-hamilton"), "pandas", pd.__version__)
FLOW = """
import pandas as pd
def table() -> pd.DataFrame:
    return pd.DataFrame(COLUMNS)
def mean_height(table: pd.DataFrame) -> float:
    return float(table["height"].mean())
"""
sys.dont_write_bytecode = True
sys.path.insert(0, ".")

def run(name, columns):
    pathlib.Path(f"{name}.py").write_text(FLOW.replace("COLUMNS", columns))
    flow = importlib.import_module(name)
    dr = driver.Builder().with_modules(flow).with_cache(path="cache").build()
    return dr.execute(["table", "mean_height"])

before = run("flow_a", "{'weight': [180.0, 160.0], 'height': [80.0, 60.0]}")
after = run("flow_b", "{'height': [180.0, 160.0], 'weight': [80.0, 60.0]}")
print("columns swapped:", before["mean_height"])
print("columns mended: ", after["mean_height"], "while the table of the same run has", after["table"]["height"].mean())
check(before["mean_height"] == 70.0, "the first run gives 70")
check(after["table"]["height"].mean() == 170.0, "the table itself is the new one")
check(after["mean_height"] == 70.0, "the mean is still the old one")

six = np.arange(6.0)
print("same fingerprint for shapes (6,) and (2, 3):", hash_value(six) == hash_value(six.reshape(2, 3)))
print("same fingerprint for float64 and int64 zeros:", hash_value(np.zeros(2)) == hash_value(np.zeros(2, np.int64)))
check(hash_value(six) == hash_value(six.reshape(2, 3)), "the shape is not covered")
check(hash_value(np.zeros(2)) == hash_value(np.zeros(2, np.int64)), "the type is not covered")
EOF
venv/bin/python check.py
