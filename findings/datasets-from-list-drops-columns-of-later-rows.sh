#!/usr/bin/env bash
# Hugging Face datasets: Dataset.from_list silently drops every column that the first row does not have.
#
# Expected: Rows with different keys give the union of the columns, with nulls, as the JSON loader of the same
#   library does. Or an error.
# Happens: The keys of the first row decide. Values under all other keys are gone, without a warning.
# Seen: datasets 5.2.0 with pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: An optional field, such as a label that the first record happens to lack, disappears for the whole
#   data set.
# Source: github.com/huggingface/datasets/pull/5772 mended the same fault in the JSON loader only
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import json
import os
import sys
os.environ["HF_HOME"] = os.getcwd()
os.environ["HF_HUB_OFFLINE"] = "1"
import datasets
datasets.disable_progress_bars()

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("datasets", datasets.__version__)
rows = [{"text": "a"}, {"text": "b", "label": 1}, {"text": "c", "label": 0, "weight": 0.5}]
with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps(row) + "\n" for row in rows)
from_list = datasets.Dataset.from_list(rows).to_dict()
from_json = datasets.load_dataset("json", data_files="rows.jsonl", split="train").to_dict()
print("from_list:  ", from_list)
print("JSON loader:", from_json)
check(from_list == {"text": ["a", "b", "c"]}, "from_list keeps the keys of the first row")
check(from_json == {"text": ["a", "b", "c"], "label": [None, 1, 0], "weight": [None, None, 0.5]}, "the loader keeps all")
turned = datasets.Dataset.from_list(rows[::-1]).to_dict()
print("from_list, rows turned round:", turned)
check(set(turned) == {"text", "label", "weight"}, "with the fullest row first all columns are there")
EOF
venv/bin/python check.py
