#!/usr/bin/env bash
# skops.io writes the same fitted model with other bytes in every process, while joblib writes the same bytes.
#
# Expected: Saving one model twice gives one file. A secure format with a JSON schema should be the more stable
#   one.
# Happens: Four runs give different files. The schema in the archive names each object by a large number, such
#   as the one that is printed at the end.
# Seen: skops 0.16.0 and joblib 1.6.0 with scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November
#   2026.
# Matters: A cache or a lock file that hashes outputs sees a new model after each retraining, and everything
#   below it runs again.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check skops==0.16.0 joblib==1.6.0 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import json
import subprocess
import sys
import zipfile

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

TRAIN = """
import hashlib, joblib, numpy as np, skops.io
from sklearn.linear_model import LogisticRegression
X = np.arange(20.0).reshape(10, 2)
model = LogisticRegression().fit(X, [0, 1] * 5)
skops.io.dump(model, "model.skops")
joblib.dump(model, "model.joblib")
print(*(hashlib.sha256(open(f, "rb").read()).hexdigest()[:16] for f in ("model.skops", "model.joblib")))
"""
from importlib.metadata import version
print("skops", version("skops"), "joblib", version("joblib"), "scikit-learn", version("scikit-learn"))
skops, joblibs = [], []
for _ in range(4):
    a, b = subprocess.check_output([sys.executable, "-c", TRAIN], text=True).split()
    skops.append(a)
    joblibs.append(b)
print("skops: ", *skops)
print("joblib:", *joblibs)
schema = json.loads(zipfile.ZipFile("model.skops").read("schema.json"))
print("an identifier in the schema:", schema["__id__"])
check(len(set(skops)) > 1, "the skops file differs between processes")
check(len(set(joblibs)) == 1, "the joblib file does not")
check(isinstance(schema["__id__"], int), "the schema holds an identifier")
EOF
venv/bin/python check.py
