#!/usr/bin/env bash
# XGBoost: a saved model does not hold the value that marks missing data, so the loaded model predicts something
# else.
#
# Expected: save_model and load_model give a model with the same predictions on the same data.
# Happens: missing=-999 is a setting of the Python object and is not in the file. The loaded model has
#   missing=NaN and takes -999 as a number. No warning. pickle keeps the setting.
# Seen: XGBoost 3.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The training stage and the scoring stage use the same code, data and model file and report different
#   metrics.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xgboost-cpu==3.2.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import pickle
import sys
import numpy as np
import xgboost as xgb

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("xgboost", xgb.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(600, 5))
y = X[:, 0] + X[:, 1] * X[:, 2]
X[rng.random(X.shape) < 0.3] = -999
model = xgb.XGBRegressor(n_estimators=50, missing=-999, n_jobs=1).fit(X, y)
model.save_model("model.json")
loaded = xgb.XGBRegressor()
loaded.load_model("model.json")
rmse = lambda m: float(np.sqrt(((m.predict(X) - y) ** 2).mean()))
print("trained: missing", model.missing, "error", rmse(model))
print("loaded:  missing", loaded.missing, "error", rmse(loaded))
check(np.isnan(loaded.missing), "the marker is lost")
check(rmse(loaded) > 2 * rmse(model), "the loaded model is much worse")
pickled = pickle.loads(pickle.dumps(model))
check(pickled.missing == -999 and rmse(pickled) == rmse(model), "pickle keeps it")
loaded.set_params(missing=-999)
check(rmse(loaded) == rmse(model), "setting it again repairs the loaded model")
print("setting missing=-999 by hand repairs the loaded model")
EOF
venv/bin/python check.py
