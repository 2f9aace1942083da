#!/usr/bin/env bash
# tslearn: the series of a tsfresh table come back in an order that changes from process to process, and with their times mixed.
#
# Expected: from_tsfresh_dataset returns the series in an order that one can know, by id or as they come, since it returns no ids.
#   tsfresh itself returns the ids, sorts by them, and sorts the rows of a series by the column of times. from_sktime_dataset
#   returns the rows of the table as they are.
# Happens: The order is that of a Python set of the ids. With text ids it is another in every process. With numbers it is the same
#   each time, and wrong for most that do not count up from 0: of the recordings 10000, 20000, 30000 and 40000 the third comes
#   second. The column time is left out but not used, so rows of a log that are not in order of time stay so, and a series that
#   rises becomes one that jumps. from_sktime_dataset looks rows up by label, so a table that was shuffled or sorted comes back in
#   the order it had before, and labels that were shuffled with it fit no more.
# Seen: tslearn 0.10.0, tsfresh 0.21.2, pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Labels are an array beside the series, so they go to other series, and a model learns from chance. Shapes, lengths and
#   values are right, nothing is raised, and the accuracy is another in each run although all seeds are fixed.
# The remedy is to number the ids from 0 in the wanted order, to sort by time, and to call reset_index(drop=True) on sktime tables.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tslearn==0.10.0 tsfresh==0.21.2 pandas==2.3.3 numpy==2.3.5 setuptools==80.9.0

cat > read.py <<'EOF'
"""Prints the ids of 40 runs in the order in which their series come, and the accuracy of the nearest neighbour."""
import json
import numpy as np
import pandas as pd
from tslearn.utils import from_tsfresh_dataset

names = [f"run_{i:02d}" for i in range(40)]
rng = np.random.default_rng(0)
# The first number of a series says which one it is. Series of class 1 rise, those of class 0 fall.
labels = np.arange(40) % 2
table = pd.DataFrame([(name, t, float(i) if t == 0 else (2 * labels[i] - 1) * t + 0.1 * rng.normal())
                      for i, name in enumerate(names) for t in range(5)], columns=["id", "time", "x"])
X = from_tsfresh_dataset(table)
order = X[:, 0, 0].astype(int)
features = X[:, 1:, 0]
distances = ((features[:, None] - features[None]) ** 2).sum(2)
np.fill_diagonal(distances, np.inf)
nearest = distances.argmin(1)
print(json.dumps({
    "order": order.tolist(),
    "set": [names.index(name) for name in set(table["id"])],
    "labels by id": float((labels[nearest] == labels).mean()),
    "labels by series": float((labels[order][nearest] == labels[order]).mean()),
}))
EOF

cat > check.py <<'EOF'
import importlib.metadata
import json
import os
import subprocess
import sys
import warnings
import numpy as np
import pandas as pd
warnings.simplefilter("ignore")
from tsfresh import extract_features
from tslearn.utils import from_sktime_dataset, from_tsfresh_dataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("tslearn", "tsfresh", "pandas", "numpy")))

orders, accuracies = set(), []
for seed in range(8):
    # Without this variable Python takes a random number in every process.
    text = subprocess.run([sys.executable, "read.py"], env={**os.environ, "PYTHONHASHSEED": str(seed)}, check=True, capture_output=True, text=True).stdout
    found = json.loads(text)
    check(found["order"] == found["set"], f"the series come as {found['order']}")
    check(sorted(found["order"]) == list(range(40)), "series are missing")
    check(found["labels by series"] == 1, f"nearest neighbours with the right labels: {found['labels by series']}")
    orders.add(tuple(found["order"]))
    accuracies.append(found["labels by id"])
    print(f"process {seed}: first series {found['order'][:6]}, accuracy with the labels in order of the ids {found['labels by id']}")
check(len(orders) == 8, f"{len(orders)} orders in 8 processes")
check(max(accuracies) < 0.9 and len(set(accuracies)) > 2, f"accuracies {accuracies}")

for ids, wanted in [
    ([0, 1, 2, 3], [0, 1, 2, 3]),
    ([103, 101, 102, 104], [104, 101, 102, 103]),
    ([10000, 20000, 30000, 40000], [10000, 30000, 20000, 40000]),
]:
    table = pd.DataFrame({"id": np.repeat(ids, 2), "time": [0, 1] * 4, "x": np.repeat(ids, 2).astype(float)})
    series = from_tsfresh_dataset(table)[:, 0, 0].astype(int).tolist()
    of_tsfresh = extract_features(table, column_id="id", column_sort="time", default_fc_parameters={"maximum": None}, n_jobs=0, disable_progressbar=True)
    check(of_tsfresh["x__maximum"].tolist() == of_tsfresh.index.tolist() == sorted(ids), f"tsfresh returns {of_tsfresh}")
    print(f"ids {ids}: series of {series}, tsfresh {of_tsfresh.index.tolist()}")
    check(series == wanted, f"ids {ids}: series {series}")

rows = pd.DataFrame({"id": 0, "time": [3, 0, 2, 1], "x": [3.0, 0.0, 2.0, 1.0]})
series = from_tsfresh_dataset(rows)[0, :, 0].tolist()
slope = extract_features(rows, column_id="id", column_sort="time", default_fc_parameters={"linear_trend": [{"attr": "slope"}]}, n_jobs=0, disable_progressbar=True).iloc[0, 0]
print(f"a rising series whose rows are not in order of time: {series}, slope {np.polyfit(range(4), series, 1)[0]:.1f}, by tsfresh {slope:.1f}")
check(np.isclose(slope, 1), f"slope by tsfresh: {slope}")
check(series == [3, 0, 2, 1], f"rows not in order of time: {series}")

nested = pd.DataFrame({"dim_0": [pd.Series([float(i)] * 3) for i in range(6)], "label": range(6)})
shuffled = nested.sample(frac=1, random_state=0)
series = from_sktime_dataset(shuffled[["dim_0"]])[:, 0, 0].astype(int).tolist()
print(f"a shuffled table of sktime: labels {shuffled['label'].tolist()}, series of {series}")
check(shuffled["label"].tolist() != series == list(range(6)), f"shuffled table: {series}")
series = from_sktime_dataset(shuffled[["dim_0"]].reset_index(drop=True))[:, 0, 0].astype(int).tolist()
check(series == shuffled["label"].tolist(), f"with a fresh index: {series}")
EOF
venv/bin/python check.py
