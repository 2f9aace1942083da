#!/usr/bin/env bash
# XGBoost: after training goes on from a model that was stopped early, predict ignores all new trees.
#
# Expected: fit(..., xgb_model=old) adds trees to the old model, and predict uses them.
# Happens: The old model carries the attribute best_iteration of its early stop. The continued model keeps it,
#   and predict of the scikit-learn interface uses trees up to that point only. 50 new trees are trained, saved,
#   loaded and never used. Booster.predict uses them all, so two interfaces of one model disagree.
# Seen: XGBoost 3.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The log of the continued training looks fine, while the model predicts as before it.
# Source: github.com/dmlc/xgboost/issues/5192 tells of wrong predictions after continued training
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xgboost-cpu==3.2.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import xgboost as xgb

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("xgboost", xgb.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(600, 5))
y = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=600) * 2
rmse = lambda p: float(np.sqrt(((p - y) ** 2).mean()))

first = xgb.XGBRegressor(n_estimators=100, early_stopping_rounds=3, learning_rate=0.3, n_jobs=1)
first.fit(X[:300], y[:300], eval_set=[(X[300:], y[300:])], verbose=False)
first.save_model("first.json")
print("first model: best iteration", first.best_iteration, "of", first.get_booster().num_boosted_rounds())

more = xgb.XGBRegressor(n_estimators=50, learning_rate=0.3, n_jobs=1)
more.fit(X, y, xgb_model="first.json")
booster = more.get_booster()
trees = booster.num_boosted_rounds()
used = more.predict(X)
every = booster.predict(xgb.DMatrix(X))
up_to_best = booster.predict(xgb.DMatrix(X), iteration_range=(0, first.best_iteration + 1))
print("continued: trees", trees, "attributes", booster.attributes().get("best_iteration"))
print("error of predict:", rmse(used), "error of all trees:", rmse(every))
check(trees == first.get_booster().num_boosted_rounds() + 50, "50 trees were added")
check(np.array_equal(used, up_to_best), "predict uses the old trees only")
check(rmse(used) > 3 * rmse(every), "the new trees would help a lot")

more.save_model("more.json")
loaded = xgb.XGBRegressor()
loaded.load_model("more.json")
check(np.array_equal(loaded.predict(X), used), "the same after save and load")
print("the same after save and load")
EOF
venv/bin/python check.py
