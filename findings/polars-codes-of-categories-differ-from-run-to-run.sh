#!/usr/bin/env bash
# polars: the codes of a categorical column depend on other tables in the process, and differ from one reading of a
# CSV file to the next.
#
# Expected: The same column has the same codes, counted from 0 by first appearance.
# Happens: All categoricals of a process share one table of codes, which is emptied when the last one of them is
#   gone. After a training table was read, "bird" and "cat" of a test table are 2 and 0. In a process that reads the
#   test table alone they are 0 and 1. Two threads that parse one CSV file race for the codes, so a file that is
#   read again can have others.
# Seen: polars 2.1.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: to_physical() is the way to class indices and to rows of an embedding. A model that was trained on the
#   codes of one process is given others by the next, and all of them are valid.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps polars==2.1.0 polars-runtime-32==2.1.0

cat > check.py <<'EOF'
import random
import sys
import polars as pl

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("polars", pl.__version__)
kind = pl.Categorical
test = ["bird", "cat"]

column = pl.Series(test, dtype=kind)
alone = column.to_physical().to_list()
del column
train = pl.Series(["cat", "dog", "bird"], dtype=kind)
column = pl.Series(test, dtype=kind)
beside = column.to_physical().to_list()
print("test table alone:          ", dict(zip(test, alone)))
print("with a training table read:", dict(zip(test, beside)))
check(alone == [0, 1], "alone the codes are by first appearance")
check(beside == [2, 0], "beside another table they are not")
del train, column
again = pl.Series(test, dtype=kind)
print("after both were deleted:   ", dict(zip(test, again.to_physical().to_list())))
check(again.to_physical().to_list() == alone, "the codes start again when no categorical is left")
del again

draw = random.Random(0)
labels = [f"class {draw.randrange(20)}" for _ in range(300_000)]
with open("rows.csv", "w") as file:
    file.write("label\n" + "\n".join(labels) + "\n")
seen = {}
for reading in range(1, 1001):
    table = pl.read_csv("rows.csv", schema_overrides={"label": kind})
    codes = table["label"].head(4)
    seen.setdefault(tuple(codes.to_physical().to_list()), reading)
    check(codes.cast(pl.String).to_list() == labels[:4], "the texts are right")
    del table, codes
    if len(seen) == 2:
        break
for codes, reading in seen.items():
    print(f"reading {reading} of one CSV file: {dict(zip(labels[:4], codes))}")
check(len(seen) == 2, "two readings of one file give different codes")
EOF
venv/bin/python check.py
