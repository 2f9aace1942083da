#!/usr/bin/env bash
# xarray turns every 0 of an integer array in Zarr format 2 into a missing value.
#
# Expected: An array of class labels that zarr wrote without any attribute is read with the same numbers by
#   xarray.
# Happens: zarr gives the array a fill value of 0, which only says what chunks that were never written hold.
#   xarray takes it as the mark for missing data: the labels become floats and class 0 becomes NaN. The same
#   array in format 3 is read right.
# Seen: xarray 2026.9.0 with zarr 3.1.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Class counts, accuracy and loss lose a whole class, silently, and the outcome depends on the format
#   version of the store.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import xarray as xr
import zarr

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("xarray", xr.__version__, "zarr", zarr.__version__)
labels = np.array([0, 1, 2, 0, 0], dtype="int32")

old = zarr.open_group("v2.zarr", mode="w", zarr_format=2)
array = old.create_array("label", data=labels)
array.attrs["_ARRAY_DIMENSIONS"] = ["n"]
new = zarr.open_group("v3.zarr", mode="w", zarr_format=3)
new.create_array("label", data=labels, dimension_names=["n"])
for path in ("v2.zarr", "v3.zarr"):
    check(zarr.open_group(path, mode="r")["label"][:].tolist() == [0, 1, 2, 0, 0], "zarr reads its own labels")

v2 = xr.open_zarr("v2.zarr", consolidated=False).label
v3 = xr.open_zarr("v3.zarr", consolidated=False).label
print("written:", labels)
print("format 2:", v2.values, v2.dtype, "rows of class 0:", int((v2 == 0).sum()))
print("format 3:", v3.values, v3.dtype, "rows of class 0:", int((v3 == 0).sum()))
check(v2.dtype.kind == "f" and int(np.isnan(v2.values).sum()) == 3, "format 2: class 0 is NaN")
check(v3.dtype == "int32" and int((v3 == 0).sum()) == 3, "format 3: class 0 is there")

unmasked = xr.open_zarr("v2.zarr", consolidated=False, mask_and_scale=False).label
check(unmasked.values.tolist() == [0, 1, 2, 0, 0], "mask_and_scale=False reads format 2 right")
print("mask_and_scale=False reads format 2 right")
EOF
venv/bin/python check.py
