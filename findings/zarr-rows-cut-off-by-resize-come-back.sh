#!/usr/bin/env bash
# Zarr: rows that were cut off by resize come back when the array grows again.
#
# Expected: An array that is made shorter has lost the rows. When it grows, the new rows hold the fill value.
# Happens: resize only changes the shape. Rows that share a chunk with the last kept row stay in the file. The
#   next resize or append shows them again, between new rows and the fill value.
# Seen: zarr 3.1.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A log or a feature store that is cut back to a checkpoint and grown again serves rows that were
#   removed, as if they were data. Whether it does depends on the chunk size.
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

def regrown(chunk):
    array = zarr.create_array(f"chunk{chunk}.zarr", shape=(10,), chunks=(chunk,), dtype="i4", fill_value=0, overwrite=True)
    array[:] = np.arange(1, 11)
    array.resize((5,))
    cut = array[:].tolist()
    array.resize((10,))
    return cut, zarr.open_array(f"chunk{chunk}.zarr", mode="r")[:].tolist()

for chunk in (4, 5, 10):
    cut, grown = regrown(chunk)
    print(f"chunks of {chunk}: cut to 5: {cut}, grown to 10: {grown}")
    check(cut == [1, 2, 3, 4, 5], "five rows are left")
check(regrown(4)[1] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 0], "three old rows are back")
check(regrown(5)[1] == [1, 2, 3, 4, 5, 0, 0, 0, 0, 0], "none at the border of a chunk")
check(regrown(10)[1] == list(range(1, 11)), "all of them when the chunk is large")

log = zarr.create_array("log.zarr", shape=(8,), chunks=(8,), dtype="f4", fill_value=np.nan)
log[:] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
log.resize((3,))
log.append(np.array([0.65], "f4"))
log.resize((6,))
print("log after going back to step 3, one append and room for two:", [round(float(v), 2) for v in log[:]])
check(np.allclose(log[4:], [0.5, 0.4]), "values of the abandoned run are in it")
EOF
venv/bin/python check.py
