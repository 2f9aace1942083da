#!/usr/bin/env bash
# SQLite: metrics that are NumPy numbers are stored as raw bytes, and their average is a number that means
# nothing.
#
# Expected: np.float32(0.5) is stored as 0.5 in a REAL column, as np.float64(0.5) is. Or the call fails.
# Happens: sqlite3 stores np.float32 and np.int64 as blobs of 4 and 8 bytes. SQLite then reads the bytes as
#   text where it needs a number: the average of 0.5 and 0.7 is 166.5, since the bytes of 0.7 begin with 333.
#   Every blob is greater than every number, so step > 100 is true for step 1.
# Seen: numpy 2.4.6 with sqlite3 of Python 3.11, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: float32 is what models return and int64 what argmax returns. A hand-made table of metrics takes
#   them, and reports of it are wrong without an error.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check numpy==2.4.6

cat > check.py <<'EOF'
import sqlite3
import sys
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("numpy", np.__version__, "sqlite", sqlite3.sqlite_version)

def table(step, accuracy):
    base = sqlite3.connect(":memory:")
    base.execute("create table metrics (step integer, accuracy real)")
    base.executemany("insert into metrics values (?, ?)", [(step(1), accuracy(0.5)), (step(2), accuracy(0.7))])
    return base

report = "select avg(accuracy), sum(step > 100), group_concat(distinct typeof(accuracy)) from metrics"
plain = table(int, np.float64).execute(report).fetchone()
arrays = table(np.int64, np.float32).execute(report).fetchone()
for name, (mean, late, kind) in {"int and float64": plain, "int64 and float32": arrays}.items():
    print(f"{name}: average {mean}, rows after step 100: {late}, stored as {kind}")
check(plain == (0.6, 0, "real"), "plain numbers are right")
check(arrays == (166.5, 2, "blob"), "NumPy numbers are bytes")
EOF
venv/bin/python check.py
