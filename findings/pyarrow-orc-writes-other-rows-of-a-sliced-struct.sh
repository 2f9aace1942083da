#!/usr/bin/env bash
# pyarrow: the test part of a table, written to ORC, holds the structs of the first training rows beside the ids of the test rows.
#
# Expected: orc.write_table(table[4000:]) writes the rows from 4000 on, and ORCWriter writes the batches of a table one after the other,
#   as the writers of Parquet and Feather do.
# Happens: A column of structs in which at least one struct of the slice is missing is written from the start of the array that the
#   slice was cut out of. All other columns are written from row 4000 on. So in the file image 4000 has the box of image 0. With
#   to_batches(max_chunksize=500) and ORCWriter every batch gets the structs of the first 500 rows, so 4050 of 5000 rows are wrong.
#   Columns of structs without missing ones, numbers, texts and lists come out right, as does the whole table, and
#   combine_chunks() before the write changes nothing. filter or take in place of a slice copies the rows and helps.
# Seen: pyarrow 26.0.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The rows look right: each has an id and a plausible struct. The test set has the labels of training rows, labels are
#   on the wrong rows, and the labels of the test rows are lost. A slice by position is how a table is split, and batches are how
#   one is written that is too large.
# Cause: To merge the missing structs into the fields, NormalizeArray in the ORC adapter of Arrow C++ makes new arrays from their
#   buffers and drops the offset of the slice.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, orc, parquet
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pyarrow", importlib.metadata.version("pyarrow"))
N, TEST = 5000, 4000

def table(missing):
    """Images with a label, some texts and a box. Each tenth image has no box if missing is true."""
    boxes = [None if missing and i % 10 == 5 else {"x": i, "width": i + 0.5} for i in range(N)]
    return pa.table({"image": list(range(N)), "label": [f"label {i}" for i in range(N)], "tags": [[i, i] for i in range(N)], "box": boxes})

def through_orc(part):
    orc.write_table(part, "part.orc")
    return orc.read_table("part.orc").to_pylist()

def through_parquet(part):
    parquet.write_table(part, "part.parquet")
    return parquet.read_table("part.parquet").to_pylist()

def through_feather(part):
    feather.write_feather(part, "part.feather")
    return feather.read_table("part.feather").to_pylist()

def in_batches(part):
    with orc.ORCWriter("part.orc") as writer:
        for batch in part.to_batches(max_chunksize=500):
            writer.write(pa.Table.from_batches([batch]))
    return orc.read_table("part.orc").to_pylist()

def wrong(what, rows, part):
    truth = part.to_pylist()
    check(len(rows) == len(truth), f"{what}: {len(rows)} rows")
    for name in ("image", "label", "tags"):
        check([row[name] for row in rows] == [row[name] for row in truth], f"{what}: column {name}")
    count = sum(row["box"] != right["box"] for row, right in zip(rows, truth))
    print(f"{what}: {count} of {len(rows)} boxes are wrong")
    return count

full, holes = table(missing=False), table(missing=True)
# What comes back as it was.
for what, rows, part in [
    ("all rows through ORC", through_orc(holes), holes),
    ("test rows through ORC, no missing boxes", through_orc(full[TEST:]), full[TEST:]),
    ("batches through ORC, no missing boxes", in_batches(full), full),
    ("test rows through Parquet", through_parquet(holes[TEST:]), holes[TEST:]),
    ("test rows through Feather", through_feather(holes[TEST:]), holes[TEST:]),
    ("training rows through ORC", through_orc(holes[:TEST]), holes[:TEST]),
    ("test rows by filter through ORC", through_orc(holes.filter(pc.field("image") >= TEST)), holes[TEST:]),
    ("test rows by take through ORC", through_orc(holes.take(list(range(TEST, N)))), holes[TEST:]),
]:
    check(wrong(what, rows, part) == 0, f"{what}: boxes are wrong")

# What does not.
for what, part in [("test rows through ORC", holes[TEST:]), ("the same after combine_chunks", holes[TEST:].combine_chunks())]:
    rows = through_orc(part)
    check(wrong(what, rows, part) == 900, what)
    check([row["box"] for row in rows] == holes["box"][:N - TEST].to_pylist(), f"{what}: they are not those of the first rows")
print("  image", rows[0]["image"], "has the box", rows[0]["box"])
rows = in_batches(holes)
check(wrong("batches of 500 through ORC", rows, holes) == 4050, "batches")
check([row["box"] for row in rows] == 10 * holes["box"][:500].to_pylist(), "batches: the boxes are not ten times those of the first 500 rows")
part = holes[TEST:TEST + 5]
check(part["box"].null_count == 0 and wrong("five test rows with boxes through ORC", through_orc(part), part) == 0, "five rows with boxes")
part = holes[TEST:TEST + 6]
check(part["box"].null_count == 1 and wrong("these and one without through ORC", through_orc(part), part) == 5, "six rows")
EOF
venv/bin/python check.py
