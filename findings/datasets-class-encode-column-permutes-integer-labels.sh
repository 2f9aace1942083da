#!/usr/bin/env bash
# Hugging Face datasets: class_encode_column gives the integer labels 0 to 11 other numbers.
#
# Expected: Labels that are 0 to n-1 already keep their numbers when the column becomes a class label.
# Happens: The labels are turned into text and sorted as text: 0, 1, 10, 11, 2, 3. Label 2 becomes 4 and label
#   10 becomes 2. With ten classes or fewer all stays as it was, so small tests pass.
# Seen: datasets 5.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: train_test_split with stratification wants a class label, so the call is usual. Predictions of
#   older models, class weights and lists of names then belong to other classes.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datasets==5.2.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import datasets
from datasets import Dataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

datasets.disable_progress_bars()
print("datasets", datasets.__version__)

def encoded(classes):
    column = Dataset.from_dict({"label": list(range(classes))}).class_encode_column("label")
    return column["label"][:], column.features["label"].names

for classes in (10, 12):
    print(f"labels 0 to {classes - 1} become", encoded(classes)[0])
check(encoded(10)[0] == list(range(10)), "ten classes stay")
labels, names = encoded(12)
check(labels == [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3], "twelve classes are permuted")
check(names == sorted(map(str, range(12))), "in the order of their text")
EOF
venv/bin/python check.py
