#!/usr/bin/env bash
# LightGBM predicts from a data frame whose columns are in another order, by position and without a word.
#
# Expected: The model knows the names of its features. XGBoost refuses such a frame and CatBoost takes the
#   columns by name.
# Happens: LightGBM uses the first column for the first feature, whatever it is called. The Booster does so,
#   and so does LGBMRegressor. Frames with wholly other names are taken too. Only validate_features=True
#   checks.
# Seen: LightGBM 4.7.0, XGBoost 3.2.0, CatBoost 1.2.10 with pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in
#   November 2026.
# Matters: A join, a pivot or another CSV writer changes the order of columns. Training and serving then
#   disagree and nothing says so.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check lightgbm==4.7.0 xgboost-cpu==3.2.0 catboost==1.2.10 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import catboost
import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("lightgbm", lgb.__version__, "xgboost", xgb.__version__, "catboost", catboost.__version__)
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["age", "income", "visits"])
y = 3 * X.age
moved = X[["visits", "income", "age"]]
renamed = X.set_axis(["a", "b", "c"], axis=1)

model = lgb.LGBMRegressor(verbosity=-1, n_jobs=1).fit(X, y)
for name, predict in {"LGBMRegressor": model.predict, "Booster": model.booster_.predict}.items():
    gap = np.abs(predict(X) - predict(moved)).max()
    print(f"{name}: largest change when the columns are moved: {gap:.1f}")
    check(gap > 5, f"{name} goes by position")
    check((predict(X) == predict(renamed)).all(), f"{name} does not look at the names")
try:
    model.predict(moved, validate_features=True)
    check(False, "validate_features refuses")
except lgb.basic.LightGBMError as error:
    print("with validate_features:", str(error).splitlines()[0])

forest = catboost.CatBoostRegressor(iterations=50, verbose=0, allow_writing_files=False).fit(X, y)
gap = np.abs(forest.predict(X) - forest.predict(moved)).max()
print("CatBoost: largest change when the columns are moved:", gap)
check(gap == 0, "CatBoost goes by name")
try:
    xgb.XGBRegressor(n_estimators=20).fit(X, y).predict(moved)
    check(False, "XGBoost refuses")
except ValueError as error:
    print("XGBoost:", str(error).splitlines()[0])
EOF
venv/bin/python check.py
