#!/usr/bin/env bash
# After zarr.consolidate_metadata, rows and arrays added later are invisible to everyone who opens the group
# again.
#
# Expected: Writing through the library keeps the consolidated copy of the metadata up to date, drops it, or
#   warns.
# Happens: append succeeds and reports the new shape. A reader who opens the group again gets the old shape, the
#   old rows and no new array. The data are on the disk.
# Seen: zarr 3.1.6 with formats 2 and 3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A stage that appends today's data to a consolidated store reports success. The training stage after
#   it reads yesterday's rows.
# Source: The Zarr guide says that consolidated metadata is not updated by later changes: zarr.readthedocs.io,
#   user guide, consolidated metadata
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check zarr==3.1.6 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import zarr

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("zarr", zarr.__version__)
for zarr_format in (2, 3):
    path = f"store{zarr_format}.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("rows", data=np.array([1, 2]))
    zarr.consolidate_metadata(path)

    writer = zarr.open_group(path, mode="a")
    rows = writer["rows"]
    rows.append(np.array([3, 4]))
    writer.create_array("labels", data=np.array([0, 1, 0, 1]))
    print(f"format {zarr_format}: the writer sees shape", rows.shape, "and values", rows[:])
    check(rows[:].tolist() == [1, 2, 3, 4], "the writer sees four rows")

    reader = zarr.open_group(path, mode="r")
    print(f"format {zarr_format}: a new reader sees", sorted(reader), reader["rows"][:])
    check(sorted(reader) == ["rows"], "the new array is not listed")
    check(reader["rows"][:].tolist() == [1, 2], "the appended rows are not seen")

    whole = zarr.open_group(path, mode="r", use_consolidated=False)
    check(sorted(whole) == ["labels", "rows"], "both arrays are on the disk")
    check(whole["rows"][:].tolist() == [1, 2, 3, 4], "all rows are on the disk")
EOF
venv/bin/python check.py
