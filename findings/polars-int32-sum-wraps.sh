#!/usr/bin/env bash
# polars sums a 32-bit integer column in 32 bits and wraps around, while it widens 8-bit and 16-bit columns.
#
# Expected: Sums of small integers are made in 64 bits, as pandas, pyarrow and DuckDB do, and as polars does for
#   Int8 and Int16.
# Happens: Three times 2,000,000,000 sum to 1,705,032,704. No error and no warning. The mean of the same column
#   is right, so sum is not mean times length.
# Seen: polars 2.1.0, pandas 3.1.1, pyarrow 26.0.1, duckdb 2.0.1, all on one file, Python 3.11 on Debian 12,
#   x86-64, in November 2026.
# Matters: Token counts, byte counts and durations are often Int32 in Parquet. Two stages that read one file
#   with different libraries report different totals.
# Source: github.com/pola-rs/polars/issues/13782, open since January 2024
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 duckdb==2.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("polars", pl.__version__, "pandas", pd.__version__, "pyarrow", pa.__version__, "duckdb", duckdb.__version__)
pq.write_table(pa.table({"tokens": pa.array([2_000_000_000] * 3, pa.int32())}), "shards.parquet")
sums = {
    "polars": pl.read_parquet("shards.parquet")["tokens"].sum(),
    "polars, lazy": pl.scan_parquet("shards.parquet").sum().collect().item(),
    "pandas": int(pd.read_parquet("shards.parquet").tokens.sum()),
    "pyarrow": pc.sum(pq.read_table("shards.parquet")["tokens"]).as_py(),
    "duckdb": duckdb.execute("select sum(tokens) from 'shards.parquet'").fetchall()[0][0],
}
for name, total in sums.items():
    print(f"{name}: {total:,}")
for name in ("pandas", "pyarrow", "duckdb"):
    check(sums[name] == 6_000_000_000, f"{name} is right")
for name in ("polars", "polars, lazy"):
    check(sums[name] == 6_000_000_000 - 2**32, f"{name} wraps around")
frame = pl.read_parquet("shards.parquet")
print("polars, mean times length:", f"{frame['tokens'].mean() * frame.height:,.0f}")
check(frame["tokens"].mean() * frame.height == 6e9, "the mean is right")
for narrow in (pl.Int8, pl.Int16):
    check(pl.Series([100] * 1000, dtype=narrow).sum() == 100_000, f"{narrow} is widened")
print("polars, Int8 and Int16 are widened")
EOF
venv/bin/python check.py
