#!/usr/bin/env bash
# geocube: parcels with ids above a million that go to a grid and back are merged with their neighbours and get ids of others.
#
# Expected: make_geocube burns the ids of polygons into a grid, and vectorize turns a grid into polygons. With squares that fit the
#   grid the second undoes the first.
# Happens: make_geocube stores integer ids as 64-bit floats, with NaN outside, which hold them all. vectorize hands them to GDAL,
#   which takes them as 32-bit floats, and takes two that are up to ten steps apart for equal. So from 2^20 = 1,048,576 on parcels
#   that touch become one polygon if their ids follow each other. 25 parcels from 2,000,001 on come back as 5 rows of five, and from
#   16,000,001 on as a single polygon. It has the id of one of them, or, if that is long, of none. The same ids as 32-bit
#   integers are right, and 64-bit integers, as make_geocube returns them with fill=0, are refused.
# Seen: geocube 0.7.1, rasterio 1.4.4 with its GDAL 3.10.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Ids of parcels, buildings and census tracts have 7 to 15 digits and go up from one neighbour to the next. Samples per field
#   for a crop map are then samples of several fields, and a join by id gives them the crop of one. Neither function warns.
#   rasterio says of its shapes(), which vectorize calls, that 64-bit floats are truncated, but not that it takes near ones for
#   equal; geocube says nothing. To burn running numbers in place of the ids, or fill=0 and astype("int32") before vectorize, helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check geocube==0.7.1 rasterio==1.4.4 rioxarray==0.19.0 geopandas==1.2.0 shapely==2.2.0 xarray==2026.9.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import geopandas
import numpy as np
import rasterio
from geocube.api.core import make_geocube
from geocube.vector import vectorize
from shapely.geometry import box

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("geocube", "rasterio")), "GDAL", rasterio.__gdal_version__)
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=PendingDeprecationWarning)

def parcels(first):
    """5 x 5 squares of 100 m with ids that go up row by row."""
    squares = [box(100 * x, 100 * y, 100 * x + 100, 100 * y + 100) for y in range(5) for x in range(5)]
    return geopandas.GeoDataFrame({"id": first + np.arange(25)}, geometry=squares, crs="EPSG:32633")

def grid(frame, **options):
    return make_geocube(frame, measurements=["id"], resolution=(-10, 10), **options)["id"]

for first, wanted in [(10_001, 25), (1_000_001, 25), (1_048_576, 5), (2_000_001, 5), (16_000_001, 1), (276_010_001, 1), (1_100_200_300_400, 1)]:
    frame = parcels(first)
    ids = set(frame["id"].tolist())
    array = grid(frame)
    check(array.dtype == np.float64 and set(array.values.ravel().astype(int).tolist()) == ids, f"the grid of ids from {first}")
    found = vectorize(array)
    back = set(found["id"].tolist())
    print(f"25 parcels from id {first}: {len(found)} polygons come back, of {len(back & ids)} ids,",
          f"areas from {found.area.min() / 1e4:g} to {found.area.max() / 1e4:g} ha")
    check(len(found) == len(back) == wanted, f"ids from {first}: {sorted(back)}")
    check(all(abs(found.area - 25e4 / wanted) < 1e-6), f"ids from {first}: areas {found.area.tolist()}")
    check(len(back & ids) == (0 if first > 1e12 else wanted), f"ids from {first}: {sorted(back)}")
    if wanted == 25:
        same = found.set_index("id").sort_index().geometry.reset_index(drop=True)
        check(same.geom_equals(frame.geometry).all(), f"ids from {first}: other places")

# The type decides.
frame = parcels(276_010_001)
found = vectorize(grid(frame, fill=0).astype(np.int32))
check(set(found["id"].tolist()) == set(frame["id"].tolist()), "32-bit integers")
print("as 32-bit integers:", len(found), "polygons, all ids right")
try:
    vectorize(grid(frame, fill=0))
    check(False, "64-bit integers are no error")
except ValueError as error:
    print("as 64-bit integers: an error,", str(error)[:28])
EOF
venv/bin/python check.py
