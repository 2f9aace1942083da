#!/usr/bin/env bash
# chDB: the date 9999-12-31 comes back as 1816-03-29 in a data frame, and 2299-12-31, the last day of DateTime64, as 1715-06-12.
#
# Expected: A query with the output format DataFrame returns the times that the database has, or says that they do not fit.
# Happens: Times of all units are returned in nanoseconds, and times outside of 1677 to 2262 wrap around without a word: 1650 becomes
#   2234 and 2300 becomes 1715. Inside the query all is well: toString and toYear say 9999, comparisons and max pick the right
#   row, and then max returns 1816. It is so for columns of pandas and pyarrow in seconds, milliseconds or microseconds, for Parquet
#   files, and for values that SQL makes. The output formats ArrowTable and CSV of the same query are right, and so is the type Date32.
# Seen: chdb 4.4.0 with chdb-core 26.9.0, pandas 2.3.3, pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: 9999-12-31 is the usual mark for a row that is still valid. Of a table that went through SQL the valid rows seem to have
#   ended 200 years ago, so a filter on the frame drops them all. Historical records and scenarios to the year 2300 are moved too.
# Cause: The frame is made as datetime64[ns] whatever the unit of the column is, although pandas can hold seconds and microseconds. Ask
#   for ArrowTable and call to_pandas() on it.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0 pandas==2.3.3 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import chdb
import numpy as np
import pandas as pd
import pyarrow as pa
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("chdb", "chdb-core", "pandas", "pyarrow")))

def days(values):
    return [str(value)[:10] for value in values]

DAYS = ["9999-12-31", "2300-01-01", "2262-04-11", "2024-05-06", "1677-09-22", "1650-01-01"]
WRAPPED = ["1816-03-29", "1715-06-13", "2262-04-11", "2024-05-06", "1677-09-22", "2234-07-22"]
micro = np.array(DAYS, "datetime64[us]")
for unit in ("s", "ms", "us"):
    frame = pd.DataFrame({"end": micro.astype(f"datetime64[{unit}]")})
    check(days(frame["end"]) == DAYS and str(frame["end"].dtype) == f"datetime64[{unit}]", f"pandas in {unit}: {days(frame['end'])}")
    found = chdb.query("SELECT end, toString(end) AS text, toYear(end) AS year FROM Python(frame)", "DataFrame")
    print(f"pandas in {unit}: as text {days(found['text'])} as times {days(found['end'])} {found['end'].dtype}")
    check(days(found["text"]) == DAYS and found["year"].tolist() == [int(day[:4]) for day in DAYS], f"text: {found.to_dict('list')}")
    check(days(found["end"]) == WRAPPED and str(found["end"].dtype) == "datetime64[ns]", f"pandas in {unit}: {found.to_dict('list')}")

table = pa.table({"end": micro})
found = chdb.query("SELECT end FROM Python(table)", "DataFrame")
check(days(found["end"]) == WRAPPED, f"pyarrow: {found.to_dict('list')}")
frame.to_parquet("ends.parquet")
found = chdb.query("SELECT end FROM file('ends.parquet')", "DataFrame")
check(days(found["end"]) == WRAPPED, f"Parquet: {found.to_dict('list')}")

found = chdb.query("SELECT max(end) AS last FROM Python(frame) WHERE end > '2100-01-01'", "DataFrame")
print("the last end after the year 2100:", days(found["last"]))
check(days(found["last"]) == WRAPPED[:1], f"max: {found.to_dict('list')}")
query = "SELECT toDateTime64('2299-12-31 00:00:00', 0) AS time, toDate32('2299-12-31') AS day"
found = chdb.query(query, "DataFrame")
print("2299-12-31 from SQL as DateTime64:", days(found["time"]), "as Date32:", days(found["day"]))
check(days(found["time"]) == ["1715-06-12"] and days(found["day"]) == ["2299-12-31"], f"SQL: {found.to_dict('list')}")
print("  as CSV:", str(chdb.query(query, "CSV")).strip())
check(str(chdb.query(query, "CSV")).strip() == '"2299-12-31 00:00:00","2299-12-31"', "CSV")

found = chdb.query("SELECT end FROM Python(frame)", "ArrowTable")
print("ArrowTable:", days(found["end"].to_pylist()), "and to_pandas():", days(found.to_pandas()["end"]))
check(days(found["end"].to_pylist()) == DAYS and days(found.to_pandas()["end"]) == DAYS, f"ArrowTable: {found.to_pydict()}")

people = pd.DataFrame({"name": ["present", "past"], "end": np.array(["9999-12-31", "2019-12-31"], "datetime64[us]")})
found = chdb.query("SELECT * FROM Python(people)", "DataFrame")
still = [frame.loc[frame["end"] > pd.Timestamp("2024-01-01"), "name"].tolist() for frame in (people, found)]
print("rows that are still valid: before", still[0], "after", still[1])
check(still == [["present"], []], f"valid rows: {still}")
EOF
venv/bin/python check.py
