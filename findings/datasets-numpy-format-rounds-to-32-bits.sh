#!/usr/bin/env bash
# Hugging Face datasets: with_format('numpy') turns 64-bit floats into 32-bit ones.
#
# Expected: The column is of float64 in Arrow, so the NumPy array is of float64. Integers keep their 64 bits.
# Happens: Every float column comes back as float32. Three Unix times within a minute become one number. The
#   pandas format keeps float64.
# Seen: datasets 5.2.0, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Times, coordinates and sums lose half their digits on the way from the file to the model.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datasets==5.2.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import datasets
import numpy as np
from datasets import Dataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("datasets", datasets.__version__)
times = [1700000000.123, 1700000001.5, 1700000059.0]
data = Dataset.from_dict({"time": times, "id": [2**53 + 1, 2, 3]})
print("type in the dataset:", data.features["time"].dtype)
row = data.with_format("numpy")[:]
print("numpy: ", row["time"].dtype, [f"{t:.3f}" for t in row["time"]])
print("pandas:", data.with_format("pandas")[:]["time"].dtype)
check(data.features["time"].dtype == "float64" and data["time"][:] == times, "the data set holds 64 bits")
check(row["time"].dtype == np.float32 and len(set(row["time"].tolist())) == 1, "numpy gets 32, and three times become one")
check(row["id"].dtype == np.int64 and row["id"][0] == 2**53 + 1, "integers keep theirs")
check(data.with_format("pandas")[:]["time"].dtype == np.float64, "pandas gets 64")
exact = data.with_format("numpy", dtype=np.float64)[:]["time"]
print("numpy with dtype=float64:", exact.tolist())
check(exact.tolist() == times, "with a type given they are exact")
EOF
venv/bin/python check.py
