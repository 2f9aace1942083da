#!/usr/bin/env bash
# PyOD: with its default settings KPCA flags ordinary training rows, none of the outliers, and most of the new rows.
#
# Expected: labels_ flags the 10 percent of the training rows that fit the others least, and predict about as many of new normal rows.
#   Other detectors of the library do so with their defaults.
# Happens: The score is the error of a reconstruction from all principal components of the training rows, which is 0 for each of them.
#   What is left are numbers of 1e-12, from components that are too small to be kept. They are smallest for the outliers. So
#   labels_ flags none of 20 clear outliers, and 20 ordinary rows in their place. The threshold is such a number too, and predict
#   calls most of the new normal rows outliers. With n_components=5 all is well. There is no warning.
# Seen: PyOD 3.6.7, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The labels of the training rows are the result where data are to be cleaned, and here the cleaning removes good rows only.
#   Defaults are what a comparison of many detectors uses. The scores of new rows rank them well, so an area under the curve for a
#   test set does not show it.
# Cause: n_components=None and n_selected_components=None keep all components, as documented, and KPCA.fit subtracts the squared length
#   of a row in all of them from its squared length. The documentation does not say what that means for
#   the labels.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyod==3.6.7 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
from pyod.models.iforest import IForest
from pyod.models.kpca import KPCA
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from pyod.utils.data import generate_data
from sklearn.metrics import roc_auc_score
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pyod", "scikit-learn")))
# As in the examples of the library: 200 rows and 100 new ones, of which 10 percent are outliers.
train, new, truth, new_truth = generate_data(n_train=200, n_test=100, n_features=2, contamination=0.1, random_state=42)
check(truth.sum() == 20 and new_truth.sum() == 10, "data")

def fit(what, model):
    model.fit(train)
    found = {"hits": int(model.labels_[truth == 1].sum()), "false": int(model.labels_[truth == 0].sum()),
             "new": float(model.predict(new)[new_truth == 0].mean()), "curve": roc_auc_score(new_truth, model.decision_function(new))}
    print(f"{what}: flags {found['hits']} of 20 outliers and {found['false']} of 180 normal rows, and {found['new']:.0%} of new normal rows;",
          f"largest score {abs(model.decision_scores_).max():.1e}, area under the curve for new rows {found['curve']:.3f}")
    return found

for what, model in [("IForest", IForest(random_state=0)), ("LOF", LOF()), ("OCSVM", OCSVM()), ("KPCA, 5 components", KPCA(n_components=5)),
                    ("KPCA, 5 selected components", KPCA(n_selected_components=5))]:
    found = fit(what, model)
    check(found["hits"] >= 14 and found["false"] <= 6 and found["new"] < 0.1, f"{what}: {found}")

model = KPCA()
found = fit("KPCA", model)
check(found["hits"] <= 2 and found["false"] >= 10, f"training rows: {found}")
check(found["new"] > 0.3 and found["curve"] > 0.95, f"new rows: {found}")
check(abs(model.decision_scores_).max() < 1e-9, f"scores: {model.decision_scores_.max()}")

curve = {what: roc_auc_score(truth, model.decision_scores_) for what, model in (("default", model), ("5 components", KPCA(n_components=5).fit(train)))}
print("KPCA, area under the curve for the training rows:", ", ".join(f"{what} {value:.3f}" for what, value in curve.items()))
check(curve["default"] < 0.2 and curve["5 components"] > 0.98, f"training rows: {curve}")
EOF
venv/bin/python check.py
