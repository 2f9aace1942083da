#!/usr/bin/env bash
# DuckDB writes the sum of an integer column as a double to Parquet, so large sums change.
#
# Expected: A sum of 64-bit integers that fits in 64 bits is written as an integer. What is read back is what a
#   query printed.
# Happens: sum() of integers has the type HUGEINT, for which DuckDB picks DOUBLE in Parquet. Above 2^53 the last
#   digits are lost, with no warning. The same table copied to CSV is exact, and so is count().
# Seen: duckdb 2.0.1 with pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Totals of tokens, bytes or nanoseconds, and sums of hashes that serve as checksums, differ between
#   the query and the file of its result.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1

cat > check.py <<'EOF'
import sys
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("duckdb", duckdb.__version__, "pyarrow", pa.__version__)
con = duckdb.connect()
con.execute("create table shards as select unnest([9007199254740992, 1])::bigint as bytes")
con.execute("create table total as select sum(bytes) as bytes, count(*) as files from shards")
print("types:", [r[:2] for r in con.execute("describe total").fetchall()])
queried = con.execute("select bytes from total").fetchall()[0][0]
con.execute("copy total to 'total.parquet'")
con.execute("copy total to 'total.csv'")
stored = pq.read_table("total.parquet")
print("query:  ", queried)
print("CSV:    ", open("total.csv").read().split()[1])
print("Parquet:", stored.column("bytes").to_pylist(), stored.schema.field("bytes").type)
check(queried == 9007199254740993, "the query is exact")
check("9007199254740993" in open("total.csv").read(), "the CSV is exact")
check(str(stored.schema.field("bytes").type) == "double", "Parquet has a double")
check(stored.column("bytes").to_pylist() == [9007199254740992.0], "Parquet has lost the last digit")
check(str(stored.schema.field("files").type) == "int64", "a count stays an integer")
cast = "copy (select bytes::bigint as bytes from total) to 'cast.parquet'"
con.execute(cast)
check(pq.read_table("cast.parquet").column("bytes").to_pylist() == [9007199254740993], "a cast to bigint keeps it")
EOF
venv/bin/python check.py
