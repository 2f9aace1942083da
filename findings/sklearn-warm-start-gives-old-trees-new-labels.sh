#!/usr/bin/env bash
# scikit-learn: after a warm start with other labels the trees of the first fit vote for other classes.
#
# Expected: A forest that learned cat and dog goes on with dog and emu, or refuses the new labels, as the
#   neural network does.
# Happens: classes_ is made anew from the labels of the second fit, while the old trees keep their class
#   numbers. What they learned as cat counts as dog, and dog as emu. Random forests, extra trees and histogram
#   gradient boosting do so.
# Seen: scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Labels change when a batch has a new class or lacks an old one. If their number stays, nothing
#   fails, and most predictions are wrong.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 2))
cats, dogs = X[:, 0] <= 0, X[:, 0] > 0
first = np.where(cats, "cat", "dog")
Y = rng.normal(size=(20, 2)) + [9, 0]
second = np.where(np.arange(20) % 2, "dog", "emu")

for model, size in (
    (RandomForestClassifier(50, warm_start=True, random_state=0), "n_estimators"),
    (ExtraTreesClassifier(50, warm_start=True, random_state=0), "n_estimators"),
    (HistGradientBoostingClassifier(max_iter=50, warm_start=True, random_state=0), "max_iter"),
):
    model.fit(X, first)
    before = model.predict(X)
    model.set_params(**{size: 51}).fit(Y, second)
    after = model.predict(X)
    print(f"{type(model).__name__}: right before: {(before == first).mean():.0%}, after one more tree: {(after == first).mean():.0%},",
          "cats are", *np.unique(after[cats]), "and dogs are", *np.unique(after[dogs]))
    check((before == first).all(), "the first fit is right")
    check((after[cats] == "dog").all() and (after[dogs] == "emu").all(), "cats are dogs and dogs are emus")
try:
    MLPClassifier((4,), max_iter=500, tol=0.1, warm_start=True, random_state=0).fit(X, first).fit(Y, second)
    check(False, "the neural network refuses")
except ValueError as error:
    print("MLPClassifier:", str(error)[:90])
EOF
venv/bin/python check.py
