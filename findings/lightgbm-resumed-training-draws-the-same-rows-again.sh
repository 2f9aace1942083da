#!/usr/bin/env bash
# LightGBM: training that goes on from a model draws the row samples of the first rounds again.
#
# Expected: 5 rounds and then 5 more from the saved model give the trees of 10 rounds, as they do without
#   sampling. At least the new rounds draw new rows.
# Happens: The state of the generator is not in the model. The sixth round draws the sample of the first round,
#   the seventh that of the second, and so on. With a learning rate so small that only the sample matters, trees
#   6 to 10 have the splits of trees 1 to 5.
# Seen: LightGBM 4.7.0 with a fixed seed, deterministic=True, one thread, Python 3.11 on Debian 12, x86-64, in
#   November 2026.
# Matters: A run that is stopped and resumed is another model than an uninterrupted one. Resumed every few
#   rounds, it sees only the first few samples of the data.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check lightgbm==4.7.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import sys
import lightgbm as lgb
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("lightgbm", lgb.__version__)
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5))
y = X[:, 0] + X[:, 1] * X[:, 2]

def train(rounds, start=None, **params):
    params = {"seed": 1, "num_threads": 1, "deterministic": True, "verbosity": -1, "num_leaves": 4, **params}
    return lgb.train(params, lgb.Dataset(X, y), rounds, init_model=start)

def resumed(**params):
    train(5, **params).save_model("half.txt")
    return train(5, "half.txt", **params)

roots = lambda model: [round(t["tree_structure"]["threshold"], 4) for t in model.dump_model()["tree_info"]]

check(np.array_equal(train(10).predict(X), resumed().predict(X)), "without sampling 5 + 5 rounds are 10 rounds")
sampled = dict(bagging_fraction=0.5, bagging_freq=1)
gap = np.abs(train(10, **sampled).predict(X) - resumed(**sampled).predict(X)).max()
print("5 + 5 rounds against 10: equal without sampling, largest difference with sampling:", round(float(gap), 3))
check(gap > 0.05, "with sampling they are another model")

tiny = dict(sampled, learning_rate=1e-9)
whole, parts = roots(train(10, **tiny)), roots(resumed(**tiny))
print("first splits, 10 rounds:   ", whole)
print("first splits, 5 + 5 rounds:", parts)
check(parts[:5] == whole[:5], "the first five are the same")
check(parts[5:] == parts[:5], "the resumed rounds repeat them")
check(whole[5:] != whole[:5], "an uninterrupted run does not")
EOF
venv/bin/python check.py
