#!/usr/bin/env bash
# Hugging Face datasets: map returns cached results of old code after the function that it calls was edited.
#
# Expected: The cache of map is keyed by a fingerprint of the function, so an edited function is run again.
# Happens: A function that is imported from a module is fingerprinted by its name. Its code is not looked at.
#   After an edit of the module the next run of the script returns the old results. The same edit in the script
#   itself is noticed.
# Seen: datasets 5.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Preprocessing lives in a module as soon as two scripts share it. A fixed bug in it changes nothing
#   until somebody deletes the cache.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import os
import pathlib
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

from importlib.metadata import version
print("datasets", version("datasets"))
pathlib.Path("rows.csv").write_text("x\n1\n2\n")
SCRIPT = """
import datasets, prep
datasets.disable_progress_bars()
rows = datasets.load_dataset("csv", data_files="rows.csv", split="train")
def local(row):
    return {"y": row["x"] * FACTOR}
print(list(rows.map(prep.scale)["y"]), list(rows.map(lambda row: prep.scale(row))["y"]), list(rows.map(local)["y"]))
"""

def run(factor):
    pathlib.Path("prep.py").write_text(f"def scale(row):\n    return {{'y': row['x'] * {factor}}}\n")
    pathlib.Path("run.py").write_text(SCRIPT.replace("FACTOR", str(factor)))
    env = {**os.environ, "HF_HOME": os.getcwd(), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    out = subprocess.check_output([sys.executable, "run.py"], text=True, env=env).strip()
    print(f"factor {factor}: imported, lambda that calls it, function in the script:", out)
    return out

check(run(2) == "[2, 4] [2, 4] [2, 4]", "the first run is right")
check(run(100) == "[2, 4] [2, 4] [100, 200]", "the edit of the module is not noticed, the edit of the script is")
EOF
venv/bin/python check.py
