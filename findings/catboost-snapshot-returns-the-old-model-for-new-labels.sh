#!/usr/bin/env bash
# CatBoost: training with a snapshot returns the old model when the labels have changed.
#
# Expected: The snapshot guards what it resumes: changed parameters and changed features are refused with an
#   error.
# Happens: Labels and sample weights are not part of that check. fit on labels times -10 takes the finished
#   trees of the old labels, trains nothing and returns the old model bit for bit. Asked for 10 trees instead of
#   50, it returns 50.
# Seen: CatBoost 1.2.10, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A relabelled data set is the usual reason to train again. The stage runs, succeeds and yields the
#   model of the old labels.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check catboost==1.2.10 numpy==2.4.6

cat > check.py <<'EOF'
import shutil
import sys
import catboost
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("catboost", catboost.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5))
y = X[:, 0] + X[:, 1] * X[:, 2]

def fit(X, y, iterations=50, weights=None, **params):
    params = dict(random_seed=1, thread_count=1, verbose=0, learning_rate=0.1, depth=4, train_dir="train",
                  save_snapshot=True, snapshot_file="snapshot", snapshot_interval=0) | params
    return catboost.CatBoostRegressor(iterations=iterations, **params).fit(X, y, sample_weight=weights)

old = fit(X, y)
relabelled = fit(X, -10 * y)
correlation = float(np.corrcoef(relabelled.predict(X), -10 * y)[0, 1])
print("labels times -10: correlation of the new model with its labels", round(correlation, 3))
check(np.array_equal(relabelled.predict(X), old.predict(X)), "the old model comes back for new labels")
check(correlation < -0.9, "it predicts the opposite of its labels")

weighted = fit(X, y, weights=np.where(y > 0, 100.0, 1.0))
check(np.array_equal(weighted.predict(X), old.predict(X)), "the old model comes back for new weights")
fewer = fit(X, y, iterations=10)
print("asked for 10 trees, got", fewer.tree_count_)
check(fewer.tree_count_ == 50, "50 trees for 10")

for what, call in {"features": lambda: fit(X[:, ::-1].copy(), y), "depth": lambda: fit(X, y, depth=2)}.items():
    try:
        call()
        check(False, f"changed {what} are refused")
    except catboost.CatBoostError as error:
        print(f"changed {what}: refused,", str(error).rsplit(": ", 1)[-1][:70])

shutil.rmtree("train")
fresh = fit(X, -10 * y)
check(float(np.corrcoef(fresh.predict(X), -10 * y)[0, 1]) > 0.9, "without the snapshot it learns the new labels")
EOF
venv/bin/python check.py
