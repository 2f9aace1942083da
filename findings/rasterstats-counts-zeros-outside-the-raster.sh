#!/usr/bin/env bash
# rasterstats: outside a raster file that has no nodata value, zonal_stats counts zeros, while for the same raster as an array it does not.
#
# Expected: zonal_stats treats cells outside the raster as nodata, as its documentation says of the argument boundless. A zone that lies
#   half outside a raster of 20 has the mean 20 and the count of the cells inside, and a zone that is all outside has no mean.
# Happens: If the file has no nodata value, the cells outside are zeros and count: the mean is 10, the minimum 0, and the count is twice
#   as large. A zone that is all outside has the mean 0. nodata=-9999 changes nothing, although it ends the warning that asks for it.
#   For a file whose nodata value is 0, nodata=-9999 makes the cells outside count as well. The same raster as an array, a file
#   with its own nodata value, and point_query at the edge give 20.
# Seen: rasterstats 0.21.0, rasterio 1.4.4, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Satellite images, class maps and model output often have no nodata value, and zones at the border of a scene, a country or the
#   coast reach beyond them. Their means are pulled to zero, and class 0 gets their area. The warning says that nodata is now -999, so
#   one gives a nodata value, and the zeros stay.
# Cause: Raster.read calls the read of rasterio with boundless=True and without fill_value, so rasterio fills with the nodata value of the
#   file, or with 0, while rasterstats looks for -999 or for the value that it was given. Arrays are filled with that, and point_query reads a mask.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check rasterstats==0.21.0 rasterio==1.4.4 numpy==2.3.5

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterstats import point_query, zonal_stats
# The warning that the nodata value is -999 comes once. rasterio's helper library announces a change of its operators.
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("rasterstats", "rasterio")))
N = 10
transform = from_origin(0, N, 1, 1)
warm = np.full((N, N), 20, np.float32)

def box(left, right):
    return {"type": "Polygon", "coordinates": [[(left, 0), (right, 0), (right, N), (left, N), (left, 0)]]}

ZONES = {"inside": box(0, 5), "half outside": box(5, 15), "outside": box(20, 25)}

def write(name, values, nodata):
    with rasterio.open(name, "w", driver="GTiff", height=N, width=N, count=1, dtype=values.dtype, transform=transform, nodata=nodata) as file:
        file.write(values, 1)
    return name

def means(what, raster, wanted, **options):
    found = zonal_stats(list(ZONES.values()), raster, stats="mean count", **options)
    print(f"{what}:", ", ".join(f"{zone} mean {f['mean']} of {f['count']} cells" for zone, f in zip(ZONES, found)))
    check([(f["mean"], f["count"]) for f in found] == wanted, f"{what}: {found}")

right = [(20, 50), (20, 50), (None, 0)]
wrong = [(20, 50), (10, 100), (0, 50)]
means("array", warm, right, affine=transform)
means("array, nodata=-9999", warm, right, affine=transform, nodata=-9999)
means("file whose nodata value is -9999", write("minus.tif", warm, -9999), right)
without = write("without.tif", warm, None)
means("file without a nodata value", without, wrong)
means("the same, nodata=-9999", without, wrong, nodata=-9999)
zero = write("zero.tif", warm, 0)
means("file whose nodata value is 0", zero, right)
means("the same, nodata=-9999", zero, wrong, nodata=-9999)

# Class 1 is everywhere.
ones = np.ones((N, N), np.uint8)
for what, raster, options, wanted in [
    ("classes as an array", ones.astype(np.int16), {"affine": transform}, {1: 50}),
    ("classes as a file", write("classes.tif", ones, None), {}, {0: 50, 1: 50}),
]:
    found = zonal_stats(ZONES["half outside"], raster, categorical=True, **options)
    print(f"{what}: cells of each class half outside: {found[0]}")
    check(found == [wanted], f"{what}: {found}")

# On the outer edge: of the four cells around the point two lie outside.
edge = {"type": "Point", "coordinates": (N, 5)}
for what, raster, options in [("array", warm, {"affine": transform}), ("file", without, {})]:
    found = point_query(edge, raster, **options)
    print(f"point at the edge, {what}: {found}")
    check(found == [20], f"point at the edge, {what}: {found}")
EOF
venv/bin/python check.py
