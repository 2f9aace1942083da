#!/usr/bin/env bash
# Three readers of one partitioned Parquet folder disagree on what version=1.10 and fold=01 are, and polars
# merges versions 1.1 and 1.10.
#
# Expected: The folder names are the values. All readers group the rows into the same partitions.
# Happens: polars reads versions as floats, so 1.10 becomes 1.1 and two data sets become one. pyarrow keeps the
#   version as text but turns fold 01 into 1. DuckDB keeps both as text. Four partitions are 4 groups in DuckDB,
#   2 in pyarrow and 1 in polars.
# Seen: polars 2.1.0, pyarrow 26.0.1, duckdb 2.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Counts by version or fold depend on the tool. A filter for one version in polars takes the rows of
#   the other too.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1

cat > check.py <<'EOF'
import pathlib
import sys
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("polars", pl.__version__, "pyarrow", pa.__version__, "duckdb", duckdb.__version__)
for version in ("1.1", "1.10"):
    for fold in ("1", "01"):
        folder = pathlib.Path(f"data/version={version}/fold={fold}")
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"x": [0.5]}), folder / "part.parquet")

table = pq.read_table("data")
seen = {
    "duckdb": duckdb.execute("select version, fold from read_parquet('data/**/*.parquet', hive_partitioning = true)").fetchall(),
    "pyarrow": list(zip(table["version"].to_pylist(), table["fold"].to_pylist())),
    "polars": pl.scan_parquet("data").select("version", "fold").collect().rows(),
}
for name, keys in seen.items():
    print(f"{name}: {len(keys)} rows in {len(set(keys))} groups: {sorted(set(keys))}")
check({n: len(set(k)) for n, k in seen.items()} == {"duckdb": 4, "pyarrow": 2, "polars": 1}, "4, 2 and 1 groups")
check(set(seen["duckdb"]) == {("1.1", "1"), ("1.1", "01"), ("1.10", "1"), ("1.10", "01")}, "duckdb keeps the text")
check(set(seen["pyarrow"]) == {("1.1", 1), ("1.10", 1)}, "pyarrow makes a number of the fold")
check(set(seen["polars"]) == {(1.1, 1)}, "polars makes numbers of both")
EOF
venv/bin/python check.py
