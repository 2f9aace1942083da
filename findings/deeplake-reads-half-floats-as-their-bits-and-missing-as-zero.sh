#!/usr/bin/env bash
# Deep Lake: 1.5 in a half-precision column of a Parquet file is read as 15872, and a missing number, date or flag as 0 or False.
#
# Expected: deeplake.from_parquet and from_csv return the values of the file. Deep Lake has a type float16, and a type Nullable for
#   missing values, which TQL finds by IS NULL.
# Happens: A column of halffloat gets the type float16, and each of its values is the number of its bits: 1.5 is 15872, and -1.5 is
#   48640. Missing values of integers, booleans, dates and times are 0, False and the start of 1970, in columns that are not
#   Nullable, from Parquet and from CSV. Missing values of float columns become NaN and those of text None, so the loss is not
#   seen there. IS NULL finds none of them, and filters take them for numbers.
# Seen: deeplake 4.7.4, pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Embeddings are stored as halves to save space. As bits they are all positive and large, their order is nearly that of the
#   true values as long as these are positive, and all neighbours are others. Of a table of patients those without an age are
#   newborns, and a label that nobody has set yet is a negative one.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check deeplake==4.7.4 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import datetime
import importlib.metadata
import sys
import deeplake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def column(ds, name):
    return [np.asarray(value).item() if value is not None else None for value in ds[name][:]]

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("deeplake", "pyarrow", "numpy")))

half = np.array([1.5, -1.5, 0.1, 0.25, 2.0], np.float16)
pq.write_table(pa.table({"half": half, "single": half.astype(np.float32)}), "half.parquet")
check(pq.read_table("half.parquet")["half"].to_pylist() == half.tolist(), "the Parquet file holds other numbers")
ds = deeplake.from_parquet("half.parquet")
print("single precision:", column(ds, "single"))
check(column(ds, "single") == half.tolist(), f"single precision: {column(ds, 'single')}")
print(f"half precision, type {ds.schema['half'].dtype}:", column(ds, "half"))
check(str(ds.schema["half"].dtype) == "float16", f"type {ds.schema['half'].dtype}")
check(column(ds, "half") == half.view(np.uint16).astype(np.float16).tolist(), f"half precision: {column(ds, 'half')}")

rng = np.random.default_rng(0)
vectors = rng.normal(size=(200, 16)).astype(np.float16)
pq.write_table(pa.table({f"d{i}": vectors[:, i] for i in range(16)}), "vectors.parquet")
ds = deeplake.from_parquet("vectors.parquet")
read = np.column_stack([np.asarray(ds[f"d{i}"][:]) for i in range(16)]).astype(float)

def nearest(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    similar = x @ x.T
    np.fill_diagonal(similar, -2)
    return similar.argmax(1)

same = int((nearest(read) == nearest(vectors.astype(float))).sum())
print(f"embeddings of 200 items: the smallest number is {read.min():.0f}, and {same} items have the nearest neighbour that they had")
check(read.min() >= 0 and same < 60, f"{same} nearest neighbours are right")

day = datetime.date(2024, 1, 1)
table = pa.table({
    "patient": pa.array([1, 2, 3, 4]),
    "age": pa.array([33, None, 44, None]),
    "small": pa.array([5, None, 7, None], pa.int8()),
    "relapse": pa.array([True, None, False, None]),
    "day": pa.array([day, None, day, None]),
    "time": pa.array([datetime.datetime(2024, 1, 1), None, None, None], pa.timestamp("ms")),
    "score": pa.array([0.5, None, 1.5, None]),
    "name": pa.array(["a", None, "c", None]),
})
pq.write_table(table, "patients.parquet")
with open("patients.csv", "w") as f:
    f.write("patient,age,relapse,day,score,name\n1,33,true,2024-01-01,0.5,a\n2,,,,,\n3,44,false,2024-01-01,1.5,c\n4,,,,,\n")
days = (day - datetime.date(1970, 1, 1)).days
for source, ds in [("Parquet", deeplake.from_parquet("patients.parquet")), ("CSV", deeplake.from_csv("patients.csv"))]:
    print(f"{source}: age {column(ds, 'age')}, relapse {column(ds, 'relapse')}, day {column(ds, 'day')}, score {column(ds, 'score')}, name {column(ds, 'name')}")
    check(column(ds, "age") == [33, 0, 44, 0], f"{source}, age: {column(ds, 'age')}")
    check(column(ds, "relapse") == [True, False, False, False], f"{source}, relapse: {column(ds, 'relapse')}")
    check(column(ds, "day") == [days, 0, days, 0], f"{source}, day: {column(ds, 'day')}")
    check(np.isnan(column(ds, "score")).tolist() == [False, True, False, True], f"{source}, score: {column(ds, 'score')}")
    check(column(ds, "name") == ["a", None, "c", None], f"{source}, name: {column(ds, 'name')}")
    children = column(ds.query("select * where age < 18"), "patient")
    missing = column(ds.query("select * where age is null"), "patient")
    print(f"  below 18: patients {children}, age is null: {missing}")
    check(children == [2, 4] and missing == [], f"{source}: below 18 {children}, null {missing}")
ds = deeplake.from_parquet("patients.parquet")
check(column(ds, "small") == [5, 0, 7, 0], f"8-bit integers: {column(ds, 'small')}")
check(column(ds, "time")[1:] == [0, 0, 0] and column(ds, "time")[0] > 0, f"times: {column(ds, 'time')}")

# The type for missing values is there, and TQL finds them in it.
ds = deeplake.create("mem://patients")
ds.add_column("age", deeplake.types.Nullable(deeplake.types.Int64()))
ds.append({"age": [33, None]})
ds.commit()
found = len(ds.query("select * where age is null"))
print("age is null in a Nullable column:", found)
check(found == 1, f"a Nullable column has {found} missing values")
EOF
venv/bin/python check.py
