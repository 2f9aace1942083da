#!/usr/bin/env bash
# XGBoost reads the bytes of a big-endian NumPy array as little-endian numbers and predicts from them.
#
# Expected: The type of the array says how its bytes are to be read. LightGBM and CatBoost give the same
#   predictions for both orders.
# Happens: DMatrix takes the raw bytes, so 1.0 becomes about 4.6e-41. Predictions are wrong, a model trained
#   on such an array is a poor one, and a label 1 of 64 bits becomes 7.2e16. No error and no warning.
# Seen: XGBoost 3.2.0, LightGBM 4.7.0, CatBoost 1.2.10, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: FITS files, IDX files, NetCDF 3 and many sensors give big-endian arrays. The model trains and
#   predicts without a word.
# Source: github.com/dmlc/xgboost/issues/12433, closed in 2026 but not in this release
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xgboost-cpu==3.2.0 lightgbm==4.7.0 catboost==1.2.10 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import catboost
import lightgbm as lgb
import numpy as np
import xgboost as xgb

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("xgboost", xgb.__version__, "lightgbm", lgb.__version__, "catboost", catboost.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4)).astype(np.float32)
y = X[:, 0] + X[:, 1]
swapped = X.astype(">f4")
check((swapped == X).all(), "the two arrays are equal")

booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(X, y), 20)
others = {
    "LightGBM": lgb.train({"verbosity": -1, "num_threads": 1}, lgb.Dataset(X, y), 20).predict,
    "CatBoost": catboost.CatBoostRegressor(iterations=20, verbose=0, allow_writing_files=False).fit(X, y).predict,
}
for name, predict in others.items():
    gap = np.abs(predict(X) - predict(swapped)).max()
    print(f"{name}: largest difference between the byte orders: {gap}")
    check(gap == 0, f"{name} reads both byte orders")
paths = {"XGBoost, DMatrix": lambda a: booster.predict(xgb.DMatrix(a)), "XGBoost, inplace_predict": booster.inplace_predict}
for name, predict in paths.items():
    gap = np.abs(predict(X) - predict(swapped)).max()
    print(f"{name}: largest difference between the byte orders: {gap:.2f}")
    check(gap > 1, f"{name} misreads the other byte order")

values = xgb.DMatrix(np.ones((1, 1), ">f4")).get_data().toarray()[0, 0]
labels = xgb.DMatrix(X[:2], np.array([0, 1], ">i8")).get_label()
print("1.0 is read as", values, "and the labels 0, 1 as", labels)
check(0 < values < 1e-40 and labels[1] > 1e16, "values and labels are misread")
trained = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(swapped, y), 20)
error = lambda p: float(np.abs(p - y).mean())
good, bad = error(booster.predict(xgb.DMatrix(X))), error(trained.predict(xgb.DMatrix(swapped)))
print(f"mean error after training: {good:.3f}, after training on the big-endian array: {bad:.3f}")
check(bad > 2 * good, "training on it gives a worse model")
EOF
venv/bin/python check.py
