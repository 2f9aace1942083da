#!/usr/bin/env bash
# Hugging Face datasets: to_json writes 1e-11 as 0.0 and rounds all floats to ten decimals.
#
# Expected: What is written is read back the same. to_csv does that.
# Happens: to_json goes through the JSON writer of pandas, which keeps ten decimals. 0.1234567890123 becomes
#   0.123456789, 1e-11 becomes 0.0, and infinity becomes null.
# Seen: datasets 5.2.0, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Probabilities, p-values and gradients are often that small. The logarithm of the exported number is
#   minus infinity.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datasets==5.2.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import json
import math
import sys
import datasets
import pandas as pd
from datasets import Dataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pandas", pd.__version__)
values = [1e-11, 0.1234567890123, 1e-5, math.inf]
data = Dataset.from_dict({"p": values})
data.to_json("out.jsonl")
data.to_csv("out.csv")
with open("out.jsonl") as file:
    read = [json.loads(line)["p"] for line in file]
print("written:     ", values)
print("read as JSON:", read)
check(read[0] == 0 and read[1] == 0.123456789, "ten decimals are left")
check(read[2] == 1e-5 and read[3] is None, "larger numbers stay, infinity is null")
with open("out.csv") as file:
    csv = [float(line) for line in file.read().split()[1:]]
print("read as CSV: ", csv)
check(csv == values, "CSV keeps them")
data.to_json("exact.jsonl", double_precision=15)
with open("exact.jsonl") as file:
    check(json.loads(file.readline())["p"] == 1e-11, "double_precision=15 is handed on and helps")
print("with double_precision=15 the small number is kept")
EOF
venv/bin/python check.py
