#!/usr/bin/env bash
# scikit-learn: SGDClassifier with average=True learns another model when the same data come in batches.
#
# Expected: partial_fit over the batches of one pass does what one pass of fit does, as it does without
#   averaging.
# Happens: Each call of partial_fit starts with the averaged intercept instead of the last one. The weights
#   follow, and the more calls there are the larger the difference. SGDRegressor, and SGDClassifier without an
#   intercept, give the same model both ways.
# Seen: scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Averaging is advised for data that come in a stream, which is where partial_fit is used. The model
#   depends on how the stream was cut.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import sklearn
from sklearn.linear_model import SGDClassifier, SGDRegressor

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
target = X[:, 0] + rng.normal(size=200)
label = (target > 0).astype(int)

def difference(kind, y, batch, **params):
    params = dict(shuffle=False, random_state=0, learning_rate="constant", eta0=0.1, **params)
    whole = kind(max_iter=1, tol=None, **params).fit(X, y)
    parts = kind(**params)
    for start in range(0, 200, batch):
        args = (np.array([0, 1]),) if kind is SGDClassifier else ()
        parts.partial_fit(X[start:start + batch], y[start:start + batch], *args)
    check(whole.t_ == parts.t_, "both have seen the same rows in the same order")
    return float(max(np.abs(whole.coef_ - parts.coef_).max(), np.abs(whole.intercept_ - parts.intercept_).max()))

for batch in (200, 50, 10):
    gap = difference(SGDClassifier, label, batch, average=True)
    print(f"SGDClassifier, average, batches of {batch}: largest difference {gap:.3g}")
    check((gap < 1e-9) == (batch == 200), "only one batch gives the same model")
check(difference(SGDClassifier, label, 10, average=True) > 0.1, "small batches give another one")
for name, gap in {
    "SGDClassifier without averaging": difference(SGDClassifier, label, 10),
    "SGDClassifier, average, no intercept": difference(SGDClassifier, label, 10, average=True, fit_intercept=False),
    "SGDRegressor, average": difference(SGDRegressor, target, 10, average=True),
}.items():
    print(f"{name}, batches of 10: largest difference {gap:.3g}")
    check(gap < 1e-9, f"{name} gives the same model")
EOF
venv/bin/python check.py
