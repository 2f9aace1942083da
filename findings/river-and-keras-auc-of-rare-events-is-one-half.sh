#!/usr/bin/env bash
# River and Keras give a perfect ranking of rare events an area under the curve of 0.5.
#
# Expected: AUC depends on the order of scores only. Scores of 0.00001 to 0.00004 in the right order give 1.0,
#   as scikit-learn says.
# Happens: Both count at thresholds that lie evenly between 0 and 1, 10 of them in River and 200 in Keras.
#   Scores that all lie between two thresholds are not told apart, so the result is 0.5, that of guessing.
#   Scores outside 0 to 1, such as logits, are taken by River: two perfect groups around zero give 0.
# Seen: river 0.26.1, Keras 3.15.1 on JAX 0.10.2, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in
#   November 2026.
# Matters: Clicks, fraud and failures have small probabilities, and a well calibrated model gives small
#   scores. The better the calibration the worse the number.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check river==0.26.1 keras==3.15.1 jax==0.10.2 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import os
import sys
from importlib.metadata import version
os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
from river import metrics
from sklearn.metrics import roc_auc_score

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("river", "keras", "scikit-learn")))

def river(labels, scores):
    metric = metrics.ROCAUC()
    for label, score in zip(labels, scores):
        metric.update(bool(label), float(score))
    return metric.get()

def keras_auc(labels, scores):
    metric = keras.metrics.AUC()
    metric.update_state(labels, scores)
    return float(metric.result())

rng = np.random.default_rng(0)
labels = np.repeat([0, 1], [9_000, 1_000])
spread = np.r_[rng.uniform(0, 0.5, 9_000), rng.uniform(0.5, 1, 1_000)]
cases = {"spread over 0 to 1": spread, "the same, times 0.0001": spread * 1e-4}
found = {}
for name, scores in cases.items():
    found[name] = [roc_auc_score(labels, scores), river(labels, scores), keras_auc(labels, scores)]
    print(f"{name}: scikit-learn, River, Keras:", *(f"{v:.3f}" for v in found[name]))
first, second = found.values()
check(min(first) > 0.95, "all agree on spread scores")
check(second[0] == 1 and abs(second[1] - 0.5) < 1e-6 and abs(second[2] - 0.5) < 1e-3, "on small scores two of them guess")
logits = river([0, 0, 1, 1], [-3, -2, 2, 3])
print("River, logits -3 -2 against 2 3:", logits + 0.0)
check(logits == 0, "logits in perfect order give 0")
EOF
venv/bin/python check.py
