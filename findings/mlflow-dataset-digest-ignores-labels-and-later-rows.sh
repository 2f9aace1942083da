#!/usr/bin/env bash
# MLflow: the digest of a logged data set does not change when all its labels are flipped or all rows after the
# first 10,000 are replaced.
#
# Expected: The digest is there to tell data sets apart, so other data have another digest.
# Happens: It covers the first 10,000 rows only, and of these only columns of some types. Columns of booleans,
#   dates and lists count for nothing.
# Seen: mlflow-skinny 3.17.2 with pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Two runs show the same digest in the interface, so their metrics are taken as comparable. One of them
#   was trained on flipped labels.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check mlflow-skinny==3.17.2 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
import mlflow
import mlflow.data
import numpy as np
import pandas as pd
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("mlflow", mlflow.__version__, "pandas", pd.__version__)
digest = lambda frame: mlflow.data.from_pandas(frame, source="rows.parquet").digest
rows = 20_000
base = pd.DataFrame({
    "x": np.arange(rows) / 7,
    "label": np.arange(rows) % 2 == 0,
    "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) % 28, "D"),
    "embedding": [[i, i + 1] for i in range(rows)],
})
late = base.copy()
late.loc[10_000:, "x"] = -1.0
same = {
    "labels flipped": base.assign(label=~base.label),
    "days shifted by a year": base.assign(day=base.day + pd.Timedelta(days=365)),
    "embeddings zeroed": base.assign(embedding=[[0, 0]] * rows),
    "x replaced after row 10,000": late,
}
print("base:", digest(base))
for name, frame in same.items():
    print(f"{name}: {digest(frame)}")
    check(digest(frame) == digest(base), f"{name}: same digest")
first = base.assign(x=base.x + (base.index == 0))
print("x changed in row 0:", digest(first))
check(digest(first) != digest(base), "a change of x in row 0 is seen")
array = np.arange(40_000.0)
changed = np.where(np.arange(40_000) < 10_000, array, 0.0)
print("array, all but the first 10,000 numbers zeroed:", mlflow.data.from_numpy(array).digest, mlflow.data.from_numpy(changed).digest)
check(mlflow.data.from_numpy(array).digest == mlflow.data.from_numpy(changed).digest, "arrays: the same digest")
EOF
venv/bin/python check.py
