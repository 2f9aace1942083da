#!/usr/bin/env bash
# DuckDB reads a CSV log that gained a column without its header and without all rows before that column.
#
# Expected: Rows of another width are an error, as in pandas, polars and pyarrow, and in DuckDB itself when the wide
#   rows come late in a large file.
# Happens: A log of 100 epochs with a loss, to which a resumed run added 10 epochs with a loss and a validation loss,
#   is read as 10 rows. Header and 100 rows count as a preamble to skip. Nothing is said.
# Seen: duckdb 2.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A training script gets a new metric between two runs that append to one log. The number of epochs, the
#   best loss and the curve are then those of the last run.
# Source: https://github.com/duckdb/duckdb/issues/25827
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps duckdb==2.0.1 pandas==3.1.1 python-dateutil==2.9.0.post0 six==1.17.0 polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("duckdb", "pandas", "polars", "pyarrow")))

def write(narrow, wide):
    with open("log.csv", "w") as log:
        log.write("epoch,loss\n")
        for epoch in range(narrow):
            log.write(f"{epoch},{1 / (epoch + 1)}\n")
        for epoch in range(narrow, narrow + wide):
            log.write(f"{epoch},{1 / (epoch + 1)},{2 / (epoch + 1)}\n")

for narrow, wide in ((100, 10), (5, 1)):
    write(narrow, wide)
    log = duckdb.sql("from 'log.csv'")
    rows = log.fetchall()
    print(f"{narrow} epochs with one metric, then {wide} with two: DuckDB reads {len(rows)} rows from epoch {rows[0][0]}, columns {log.columns}")
    check(len(rows) == wide and rows[0][0] == narrow, "the rows before the new column are gone")
    check("epoch" not in log.columns, "so is the header")

write(30_000, 10)
try:
    duckdb.sql("from 'log.csv'").fetchall()
    check(False, "a late new column is an error")
except duckdb.Error as error:
    print("30000 epochs, then 10:", str(error).splitlines()[0])
write(100, 10)
for name, read in (("pandas", pd.read_csv), ("polars", pl.read_csv), ("pyarrow", pyarrow.csv.read_csv)):
    try:
        read("log.csv")
        check(False, f"{name} refuses the file")
    except Exception as error:
        print(f"{name}:", str(error).strip().splitlines()[0])
EOF
venv/bin/python check.py
