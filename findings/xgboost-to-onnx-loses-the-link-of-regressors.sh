#!/usr/bin/env bash
# onnxmltools converts an XGBRegressor for probabilities or hazards to a model that returns raw scores, and
# shifted ones.
#
# Expected: The converted model returns what predict returns: probabilities for reg:logistic and hazards for
#   survival:cox.
# Happens: The last function is left out and the base score is added on the wrong scale. 0.97 becomes 4.12,
#   and that is not the raw score of the model either, which is 3.59. XGBClassifier with the same trees is
#   right, and so is count:poisson.
# Seen: onnxmltools 1.16.0, xgboost-cpu 3.2.0, onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in
#   November 2026.
# Matters: Rates and shares between 0 and 1 are what reg:logistic is for. No error, and a threshold of 0.5
#   cuts elsewhere.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnxmltools==1.16.0 onnx==1.23.2 onnxruntime==1.32.0 xgboost-cpu==3.2.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
warnings.simplefilter("ignore")
import numpy as np
import onnxruntime
import xgboost as xgb
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxmltools", "xgboost-cpu", "onnxruntime")))
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)

def both(model, target, output):
    model.set_params(n_estimators=10, max_depth=3, n_jobs=1).fit(X, target)
    graph = convert_xgboost(model, initial_types=[("x", FloatTensorType([None, 4]))], target_opset=15)
    result = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": X})
    expected = model.predict_proba(X)[:, 1] if output else model.predict(X)
    got = result[1][:, 1] if output else result[0].ravel()
    return expected, got, model.predict(X, output_margin=True)

for name, model, target, output, right in (
    ("regressor, squared error", xgb.XGBRegressor(), y, False, True),
    ("regressor, count:poisson", xgb.XGBRegressor(objective="count:poisson"), y, False, True),
    ("classifier, binary:logistic", xgb.XGBClassifier(), y, True, True),
    ("regressor, reg:logistic", xgb.XGBRegressor(objective="reg:logistic"), y, False, False),
    ("regressor, survival:cox", xgb.XGBRegressor(objective="survival:cox"), y + 1, False, False),
):
    expected, got, raw = both(model, target, output)
    gap = float(np.abs(expected - got).max())
    print(f"{name}: first prediction {expected[0]:.4g}, in ONNX {got[0]:.4g}, largest difference {gap:.2g}")
    check((gap < 1e-4) == right, f"{name} is {'right' if right else 'wrong'}")
    if not right:
        shift = got - raw
        print(f"  raw score {raw[0]:.4g}, shift {shift[0]:.4g}")
        check(np.ptp(shift) < 1e-4 and abs(shift[0]) > 0.1, "it is the raw score plus a constant")
EOF
venv/bin/python check.py
