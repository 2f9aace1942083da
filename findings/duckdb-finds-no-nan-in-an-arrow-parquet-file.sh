#!/usr/bin/env bash
# DuckDB finds no NaN in a Parquet file that pyarrow wrote, although it reads the NaN.
#
# Expected: A query over a file and the same query over a table that was loaded from the file have the same
#   answer.
# Happens: DuckDB trusts the minimum and maximum that Parquet stores for a column. Parquet leaves NaN out of
#   them. So isnan(loss) counts 0 rows, max(loss) is 2.0 instead of NaN, and loss > 100 finds nothing, where the
#   loaded table gives 1, NaN and 1. (DuckDB orders NaN above all numbers.)
# Seen: duckdb 2.0.1 with pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: "Did any run diverge?" is answered with no, over the very file that holds the diverged run.
# Source: github.com/duckdb/duckdb/issues/25521 (six comparison operators); the Parquet format asks readers to
#   ignore min and max when they look for NaN
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1

cat > check.py <<'EOF'
import math
import sys
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("duckdb", duckdb.__version__, "pyarrow", pa.__version__)
pq.write_table(pa.table({"loss": [1.0, 2.0, math.nan]}), "runs.parquet")
stored = pq.read_metadata("runs.parquet").row_group(0).column(0).statistics
print("minimum and maximum stored in the file:", stored.min, stored.max)
check((stored.min, stored.max) == (1.0, 2.0), "the file's statistics leave NaN out")
con = duckdb.connect()
one = lambda sql: con.execute(sql).fetchall()[0][0]
con.execute("create table runs as select * from 'runs.parquet'")
rows = [r[0] for r in con.execute("select loss from 'runs.parquet'").fetchall()]
print("rows read from the file:", rows)
check(any(math.isnan(r) for r in rows), "the NaN is read")

answers = {}
for query in ("count(*) from {} where isnan(loss)", "count(*) from {} where loss > 100", "max(loss) from {}"):
    file, table = one("select " + query.format("'runs.parquet'")), one("select " + query.format("runs"))
    answers[query] = (file, table)
    print(f"select {query.format('...')}: file {file}, table {table}")
isnan, above, maximum = answers.values()
check(isnan == (0, 1), "isnan finds the row in the table only")
check(above == (0, 1), "loss > 100 finds the row in the table only")
check(maximum[0] == 2.0 and math.isnan(maximum[1]), "the maximum differs")
EOF
venv/bin/python check.py
