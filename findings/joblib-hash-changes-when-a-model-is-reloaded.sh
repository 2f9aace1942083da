#!/usr/bin/env bash
# joblib.hash of a fitted model changes when the model is saved and loaded, although nothing in it changed.
#
# Expected: joblib.hash identifies an object by its content: a model that was saved and loaded has the same
#   hash.
# Happens: The hash of an array covers its strides, the steps between values in memory. The coefficients of a
#   logistic regression are a view into a larger array, with strides of their own, and loading makes them a
#   plain array. joblib.Memory then runs the cached function again for the loaded model.
# Seen: joblib 1.6.0 with scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: In one process an evaluation hits the cache, in the next one, with the same model from a file, it
#   misses. The hash is no digest of a model.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check joblib==1.6.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import pickle
import sys
import joblib
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("joblib", joblib.__version__, "scikit-learn", sklearn.__version__)
X = np.arange(20.0).reshape(10, 2)
y = [0, 1] * 5
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
joblib.dump(model, "model.joblib")
loaded = joblib.load("model.joblib")
again = pickle.loads(pickle.dumps(loaded))
check(np.array_equal(model.predict_proba(X), loaded.predict_proba(X)), "both models predict the same bits")
print("fitted:        ", joblib.hash(model))
print("loaded:        ", joblib.hash(loaded))
print("loaded, copied:", joblib.hash(again))
check(joblib.hash(model) == joblib.hash(model), "the hash of one object is stable")
check(joblib.hash(model) != joblib.hash(loaded), "the loaded model has another hash")

before, after = model[-1].coef_, loaded[-1].coef_
print("coefficients: strides", before.strides, "loaded:", after.strides, "equal:", np.array_equal(before, after))
check(np.array_equal(before, after) and before.flags.c_contiguous and after.flags.c_contiguous, "equal, both contiguous")
check(before.strides != after.strides, "the strides differ")
check(joblib.hash(before) != joblib.hash(after), "so the hash differs")
check(joblib.hash(before.copy()) == joblib.hash(after), "a plain copy has the hash of the loaded array")

memory = joblib.Memory("cache", verbose=0)
calls = []

@memory.cache
def evaluate(model):
    calls.append(1)
    return float(model.score(X, y))

evaluate(model), evaluate(model), evaluate(loaded)
print("evaluations run:", len(calls), "of 3 calls")
check(len(calls) == 2, "the cache misses for the loaded model")
EOF
venv/bin/python check.py
