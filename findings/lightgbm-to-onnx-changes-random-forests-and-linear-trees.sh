#!/usr/bin/env bash
# onnxmltools converts four kinds of LightGBM models to ONNX models with other predictions, without a word.
#
# Expected: The ONNX model predicts what the LightGBM model predicts, or the conversion is refused, as it is for
#   objectives that it does not know.
# Happens: A random forest (boosting_type="rf"), linear leaves (linear_tree), reg_sqrt and zero_as_missing are
#   converted and give wrong numbers. Plain boosting is right.
# Seen: onnxmltools 1.16.0, LightGBM 4.7.0, onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in November
#   2026.
# Matters: The exported model is what is deployed. Its file is valid, it runs, and its output has a plausible
#   scale in two of the four cases.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnxmltools==1.16.0 lightgbm==4.7.0 onnxruntime==1.32.0 onnx==1.23.2 skl2onnx==1.20.0 scikit-learn==1.9.1 numpy==2.4.6 setuptools==80.9.0

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
import lightgbm as lgb
import numpy as np
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxmltools", "lightgbm", "onnxruntime")))
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4)).astype(np.float32)
X[rng.random(X.shape) < 0.2] = 0
y = 100 + X[:, 0] + X[:, 1] * X[:, 2]

def largest_difference(**params):
    model = lgb.LGBMRegressor(n_estimators=15, n_jobs=1, random_state=0, verbosity=-1, **params)
    expected = model.fit(X, y).predict(X)
    onnx = convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, 4]))])
    session = onnxruntime.InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": X})[0].ravel()
    print(params or "plain boosting", "| LightGBM", expected[:2].round(2), "| ONNX", got[:2].round(2))
    return float(np.abs(expected - got).max())

check(largest_difference() < 1e-3, "plain boosting is right")
check(largest_difference(boosting_type="rf", bagging_fraction=0.7, bagging_freq=1) > 10, "a random forest is wrong")
check(largest_difference(reg_sqrt=True) > 10, "reg_sqrt is wrong")
check(largest_difference(linear_tree=True) > 0.1, "linear leaves are wrong")
check(largest_difference(zero_as_missing=True) > 0.1, "zero_as_missing is wrong")
EOF
venv/bin/python check.py
