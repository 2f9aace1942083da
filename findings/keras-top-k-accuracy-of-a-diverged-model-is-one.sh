#!/usr/bin/env bash
# Keras: top-5 accuracy of a model that returns only NaN is 1.0 on the JAX backend.
#
# Expected: No prediction is right, or the metric is NaN as the loss is.
# Happens: in_top_k asks how many classes have a higher score than the right one. No comparison with NaN is
#   true, so the answer is none, and every row counts as right. Equal scores do the same: a model that gives
#   all ten classes 0.1 has a top-1 accuracy of 1.0. With the NumPy backend NaN gives 0.
# Seen: Keras 3.15.1 on JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: ModelCheckpoint and a search that maximise this metric choose the diverged model.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import os
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

if len(sys.argv) == 1:
    numpy_backend = subprocess.check_output([sys.executable, "check.py", "nan"], text=True, env=dict(os.environ, KERAS_BACKEND="numpy"))
    os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

def top(k, scores, labels):
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=k)
    metric.update_state(labels, scores)
    return float(metric.result())

if len(sys.argv) > 1:
    print(top(5, np.full((4, 10), np.nan), [1, 3, 5, 7]))
    sys.exit()
print("keras", keras.__version__, "backend", keras.backend.backend())

rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 4)).astype("f4"), np.arange(100) % 10
X[0, 0] = np.nan
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(10, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy",
              metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")])
history = model.fit(X, y, epochs=3, verbose=0).history
print("loss:    ", history["loss"])
print("accuracy:", [round(v, 2) for v in history["accuracy"]])
print("top-5:   ", history["top5"])
check(all(np.isnan(history["loss"])) and history["top5"][-1] == 1, "the diverged model has a top-5 accuracy of 1")
check(abs(history["accuracy"][-1] - 0.1) < 1e-6, "its accuracy is the share of class 0")

same = np.full((4, 10), 0.1, "f4")
print("top-1 of ten equal scores:", top(1, same, [1, 3, 5, 7]))
check(top(1, same, [1, 3, 5, 7]) == 1, "equal scores count as right")
print("top-5 of NaN with the NumPy backend:", numpy_backend.strip())
check(float(numpy_backend) == 0, "the NumPy backend says 0")
EOF
venv/bin/python check.py
