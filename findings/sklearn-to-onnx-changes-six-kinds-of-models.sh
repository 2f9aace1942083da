#!/usr/bin/env bash
# skl2onnx converts forests with missing values, LDA, isotonic calibration and three more to ONNX models that
# return something else.
#
# Expected: The converted model gives the numbers of scikit-learn up to rounding, or the conversion fails.
# Happens: Trees that were trained with missing values send NaN the other way. LDA with two classes doubles
#   its log odds, so 0.57 becomes 0.64. Isotonic calibration returns other probabilities. SimpleImputer loses
#   its indicator columns. Normalizer with the maximum norm forgets the sign. Nearest neighbours weighted by
#   distance ignore an exact match. No error.
# Seen: skl2onnx 1.20.0, scikit-learn 1.9.1, onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in November
#   2026.
# Matters: Labels mostly agree, so a quick test passes while thresholds on probabilities are off.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
warnings.simplefilter("ignore")
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import Normalizer

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("skl2onnx", "scikit-learn", "onnxruntime")))
onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4)).astype(np.float32)
y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
gaps = X.copy()
gaps[::5, 0] = np.nan

def convert(model, data):
    model.fit(data, y)
    classifier = hasattr(model, "predict_proba")
    graph = to_onnx(model, data[:1], options={"zipmap": False} if classifier else None)
    result = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"X": data})
    return (model.predict_proba(data), result[1]) if classifier else (model.transform(data), result[0])

right, wrong = 0, 0
for name, model, data in (
    ("LogisticRegression", LogisticRegression(), X),
    ("forest without missing values", RandomForestClassifier(20, max_depth=4, random_state=0), X),
    ("forest with missing values", RandomForestClassifier(20, max_depth=4, random_state=0), gaps),
    ("LDA", LinearDiscriminantAnalysis(), X),
    ("isotonic calibration", CalibratedClassifierCV(GaussianNB(), method="isotonic"), X),
    ("imputer with indicator", SimpleImputer(add_indicator=True), gaps),
    ("Normalizer, maximum", Normalizer("max"), X),
    ("neighbours by distance", KNeighborsClassifier(weights="distance"), X),
):
    expected, got = convert(model, data)
    if expected.shape != got.shape:
        print(f"{name}: shape {expected.shape} becomes {got.shape}")
        wrong += 1
        continue
    gap = float(np.abs(expected - got).max())
    print(f"{name}: largest difference {gap:.2g}")
    right, wrong = right + (gap < 1e-4), wrong + (gap > 0.02)
check(right == 2 and wrong == 6, "two are right and six are wrong")
odds = lambda p: np.log(p[:, 1] / p[:, 0])
expected, got = convert(LinearDiscriminantAnalysis(), X)
check(np.allclose(odds(got), 2 * odds(expected), rtol=1e-3, atol=1e-3), "LDA doubles its log odds")
EOF
venv/bin/python check.py
