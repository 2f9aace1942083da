#!/usr/bin/env bash
# deltalake: of keys with 20 digits half are not found, "key < x" can take all rows, and delete of one part empties the table.
#
# Expected: A filter on a column of type decimal(20,0) gives the same rows as on the Parquet files of the table. The protocol of
#   Delta says that maxValues in the log is equal to the largest value in the file, and its decimals have up to 38 digits.
# Happens: deltalake rounds the bounds of such a column to 64-bit floats and then cuts them to 64-bit integers, so all from 2^63
#   on are 9223372036854775807 in the log. A filter for larger keys skips the file. A filter that holds for all keys up to this
#   bound is taken to hold for the whole file: by to_pyarrow_table always, by SQL and delete when all keys of the file lie
#   beyond 2^63. An overwrite with a predicate and merge with streamed_exec=False go by the same bounds and leave the old rows.
#   The Parquet files have the right bounds. Random keys of 63 bits behave, but a lone key of 2^53 + 1 is not found.
# Seen: deltalake 1.6.6, polars 2.1.0 and pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: 64-bit hashes identify the samples of a data set and split it. Delta has no unsigned numbers, and deltalake refuses
#   those from 2^63 on, so decimal(20,0) is the type for them. A split at 80 percent of the range can put all samples into
#   the training set, the test samples too. To delete the training set can delete both, and an upsert adds samples once more.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check deltalake==1.6.6 polars==2.1.0 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import glob
import importlib.metadata
import json
import os
import shutil
from decimal import Decimal
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

def leave(text):
    # Threads of deltalake sometimes abort Python at its end, which is no part of this finding.
    print(text, flush=True)
    os._exit(1 if text.startswith("CHANGED") else 0)

def check(holds, what):
    if not holds:
        leave(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("deltalake", "polars", "pyarrow")))

try:
    write_deltalake("refused", pa.table({"key": pa.array([2**63], pa.uint64())}))
    check(False, "deltalake takes an unsigned number from 2^63 on")
except Exception as error:
    check("UInt64" in str(error), f"unsigned numbers: {error}")

def table(keys):
    return pa.table({"key": pa.array([Decimal(int(k)) for k in keys], pa.decimal128(20, 0)), "n": range(len(keys))})

def fresh(*files):
    shutil.rmtree("data", ignore_errors=True)
    for keys in files:
        write_deltalake("data", table(keys), mode="append")
    return DeltaTable("data")

def rows():
    return len(DeltaTable("data").to_pyarrow_table())

def count(delta, operator, key):
    """Rows by a filter: in Python, of the Parquet files, by to_pyarrow_table, by SQL and by polars."""
    key = Decimal(int(key))
    by_hand = {"<": lambda k: k < key, ">=": lambda k: k >= key, "=": lambda k: k == key}[operator]
    expr = {"<": pl.col("key") < key, ">=": pl.col("key") >= key, "=": pl.col("key") == key}[operator]
    sql = f"select n from t where key {operator} cast('{key}' as decimal(20,0))"
    return [
        sum(map(by_hand, delta.to_pyarrow_table()["key"].to_pylist())),
        len(pq.read_table(glob.glob("data/*.parquet"), filters=[("key", operator, key)])),
        len(delta.to_pyarrow_table(filters=[("key", operator, key)])),
        QueryBuilder().register("t", delta).execute(sql).read_all().num_rows,
        pl.scan_delta("data").filter(expr).collect().height,
    ]

hashes = np.random.default_rng(0).integers(0, 2**64, 1000, np.uint64)
check(len(set(hashes)) == 1000, "two equal hashes")

# Halved hashes fit into 63 bits and behave.
delta = fresh(hashes >> 1)
for operator in ("<", ">="):
    counts = count(delta, operator, 2**63 // 5 * 4)
    check(len(set(counts)) == 1 and 0 < counts[0] < 1000, f"63 bits: {counts}")

cut = 2**64 // 5 * 4
test = hashes[hashes >= cut]
ALL, TEST = len(hashes), len(test)
TRAIN = ALL - TEST

def split(operator):
    return f"key {operator} cast('{cut}' as decimal(20,0))"

layouts = {
    "one file": [hashes],
    "a file for each half of the range": [hashes[hashes < 2**63], hashes[hashes >= 2**63]],
}
for layout, files in layouts.items():
    halves = len(files) > 1
    print(f"{layout}: {TRAIN} rows of train, {TEST} of test")
    delta = fresh(*files)
    for line in (line for log in glob.glob("data/_delta_log/*.json") for line in open(log) if '"add"' in line):
        add = json.loads(line)["add"]
        top = pq.read_metadata("data/" + add["path"]).row_group(0).column(0).statistics.max
        logged = json.loads(add["stats"])["maxValues"]["key"]
        check(top in map(max, (f.tolist() for f in files)), f"the Parquet file has the maximum {top}")
        check(logged == 2**63 - 1 or top < 2**63, f"the largest key is {top}, in the log {logged}")
    for name, operator, wanted in [("train", "<", [TRAIN, TRAIN, ALL, ALL if halves else TRAIN, TRAIN]),
                                   ("test", ">=", [TEST, TEST, 0, 0, 0])]:
        counts = count(delta, operator, cut)
        print(f"  {name}: Parquet files {counts[1]}, to_pyarrow_table {counts[2]}, SQL {counts[3]}, polars {counts[4]}")
        check(counts == wanted, f"{layout}, {name}: {counts}")
    counts = count(delta, "=", int(hashes.max()))
    check(counts == [1, 1, 0, 0, 0], f"largest key: {counts}")
    found = sum(len(delta.to_pyarrow_table(filters=[("key", "=", Decimal(int(k)))])) for k in hashes[:100])
    print("  keys that are found, of 100:", found)
    check(found == (hashes[:100] < 2**63).sum(), f"{found} keys found")

    for name, operator, wanted in [("train", "<", 0 if halves else TEST), ("test", ">=", ALL)]:
        fresh(*files).delete(split(operator))
        print(f"  rows after delete of {name}:", rows())
        check(rows() == wanted, f"{layout}, delete of {name}: {rows()}")
    # The rows of the test set are written in place of themselves.
    fresh(*files)
    write_deltalake("data", table(test), mode="overwrite", predicate=split(">="))
    print("  rows after test was overwritten with itself:", rows())
    check(rows() == ALL + TEST, f"{layout}, overwrite: {rows()}")
    for streamed, wanted in [(True, ALL), (False, ALL + TEST)]:
        merge = fresh(*files).merge(table(test), "t.key = s.key", "s", "t", streamed_exec=streamed)
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
        print(f"  rows after an upsert of test with streamed_exec={streamed}:", rows())
        check(rows() == wanted, f"{layout}, merge with streamed_exec={streamed}: {rows()}")

counts = count(fresh(np.array([2**53 + 1], np.uint64)), "=", 2**53 + 1)
check(counts == [1, 1, 0, 0, 0], f"2^53 + 1: {counts}")
leave(f"one row with the key 2^53 + 1: Parquet file {counts[1]}, to_pyarrow_table {counts[2]}, SQL {counts[3]}, polars {counts[4]}")
EOF
venv/bin/python check.py
