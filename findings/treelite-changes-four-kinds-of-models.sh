#!/usr/bin/env bash
# Treelite: four kinds of models from scikit-learn and LightGBM are imported without a word and predict something else.
#
# Expected: treelite.gtil.predict returns what the imported model predicts, up to rounding, or the import is refused, as it is for
#   the linear trees of LightGBM. The documentation lists all these classes as supported and names no exception.
# Happens: GradientBoostingClassifier with the exponential loss: all probabilities are closer to one half. A category that was not
#   in the training data counts as missing in HistGradientBoosting, while Treelite puts it among those that a split does not list.
#   Forests compare numbers of 32 bits, Treelite the doubles that it is given, so rows go to other leaves. zero_as_missing of
#   LightGBM is ignored. The log loss, known categories, missing values and numbers of 32 bits are right.
# Seen: treelite 4.8.1, scikit-learn 1.9.1, LightGBM 4.7.0, Python 3.11 on Debian 12, x86-64, in November 2026. The last of the four
#   is in the list of issues of Treelite, as 376.
# Matters: Treelite is how forests get to the inference of NVIDIA and into compiled models. Labels mostly agree, so a test of the
#   accuracy passes. Unseen categories come in production only, and projected coordinates and times are where doubles matter.
# Remedy: For doubles, cast the rows to 32 bits first. For the exponential loss, apply the sigmoid to twice the margin.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check treelite==4.8.1 scikit-learn==1.9.1 lightgbm==4.7.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import lightgbm
import numpy as np
import treelite
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("treelite", "scikit-learn", "lightgbm")))
rng = np.random.default_rng(0)
N = 600

def compare(what, model, rows, bad, predict=None):
    """Prints how far Treelite is from the model, and checks whether it is."""
    if isinstance(model, lightgbm.Booster):
        imported, right = treelite.frontend.from_lightgbm(model), model.predict(rows)
    else:
        imported, right = treelite.sklearn.import_model(model), (predict or model.predict)(rows)
    found = treelite.gtil.predict(imported, rows)
    # Regressors have one column, classifiers one for each class or one for the second class.
    found = found.reshape(len(rows), -1)[:, -1]
    right = right if right.ndim == 1 else right[:, 1]
    off = np.abs(found - right)
    wrong = (off > 1e-3).mean()
    print(f"  {what}: {wrong:.0%} of rows are wrong, by up to {off.max():.2g}, with a deviation of {right.std():.2g} of right ones")
    check(wrong > 0.05 if bad else off.max() < 1e-6, f"{what}: {wrong:.1%} of rows are wrong, by up to {off.max():.3g}")
    return found, right

print("GradientBoostingClassifier")
X = rng.normal(size=(N, 4))
label = (X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=N) > 0).astype(int)
for loss, bad in [("log_loss", False), ("exponential", True)]:
    model = GradientBoostingClassifier(loss=loss, n_estimators=20, random_state=0).fit(X, label)
    found, right = compare(f"loss {loss}", model, X, bad, model.predict_proba)
margin = model.decision_function(X)
check(np.allclose(right, 1 / (1 + np.exp(-2 * margin))), "scikit-learn does not double the margin")
check(np.allclose(found, 1 / (1 + np.exp(-margin)), atol=1e-6), "Treelite does not take the sigmoid of the margin")
print(f"  labels that agree: {((found > 0.5) == (right > 0.5)).mean():.0%}")

print("HistGradientBoostingRegressor with a categorical feature")
codes = rng.integers(0, 8, size=(N, 2)).astype(float)
target = np.array([3, 0, 5, 1, 7, 2, 6, 4])[codes[:, 0].astype(int)] + codes[:, 1]
model = HistGradientBoostingRegressor(categorical_features=[0], max_iter=20, random_state=0).fit(codes, target)
for what, code, bad in [("known categories", codes[:, 0], False), ("missing", np.nan, False), ("the unseen category 8", 8, True)]:
    rows = codes.copy()
    rows[:, 0] = code
    compare(what, model, rows, bad)

print("forests")
meters = X + [0, 0, 0, 0]
meters[:, :2] = X[:, :2] * 10 + [500_000, 5_800_000]  # projected coordinates of a field
height = X[:, 0] + np.sin(X[:, 1] * 3)
holes = X.copy()
holes[rng.random(X.shape) < 0.3] = np.nan
for what, kind, data in [("RandomForest, coordinates", RandomForestRegressor, meters), ("ExtraTrees, missing values", ExtraTreesRegressor, holes)]:
    model = kind(10, random_state=0).fit(data, height)
    compare(what + ", doubles", model, data, True)
    compare(what + ", 32 bits", model, data.astype(np.float32), False)

print("LightGBM")
sparse = np.where(rng.random(X.shape) < 0.4, 0, X)
target = 2 * (sparse[:, 0] == 0) + sparse[:, 1]
for zero in (False, True):
    model = lightgbm.train({"zero_as_missing": zero, "verbose": -1, "num_threads": 1, "seed": 0}, lightgbm.Dataset(sparse, target), 20)
    compare(f"zero_as_missing={zero}", model, sparse, zero)
model = lightgbm.train({"linear_tree": True, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, target), 5)
try:
    treelite.frontend.from_lightgbm(model)
    check(False, "linear trees are imported")
except treelite.TreeliteError:
    print("  linear trees: refused")
EOF
venv/bin/python check.py
