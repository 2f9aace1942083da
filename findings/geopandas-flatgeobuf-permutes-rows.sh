#!/usr/bin/env bash
# GeoPandas: a frame that is written as FlatGeobuf and read again has its rows in another order, with a fresh index from 0.
#
# Expected: A frame comes back with its rows in order, as from a GeoPackage, GeoJSON or a shapefile.
# Happens: FlatGeobuf files get a spatial index by default, and GDAL writes the features in the order of that index, along a Hilbert
#   curve. Of 1,000 random points one is in its row. The frame that is read has the row numbers 0 to 999 all the same, so a
#   column that is added from an array, or joined by the index, goes to other places. With SPATIAL_INDEX="NO" the order stays.
# Seen: geopandas 1.2.0 with pyogrio 0.13.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Labels, folds and predictions of samples lie in arrays beside their places. No row is lost and no value changed, so
#   counts, extents and sums agree; a model is trained on labels that belong elsewhere. read_file(rows=3) gives other rows than
#   the first three that were written.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 numpy==2.4.6 pandas==3.1.1 shapely==2.2.0

cat > check.py <<'EOF'
import sys
import warnings
import geopandas
import numpy as np
import pyogrio
from shapely.geometry import Point
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("geopandas", geopandas.__version__, "pyogrio", pyogrio.__version__, "GDAL", pyogrio.__gdal_version_string__)
places = np.random.default_rng(0).random((1000, 2))
labels = (places[:, 0] > 0.5).astype(int)
frame = geopandas.GeoDataFrame({"sample": np.arange(1000)}, geometry=[Point(p) for p in places], crs=4326)

def back(name, **options):
    frame.to_file(name, **options)
    read = geopandas.read_file(name)
    check(sorted(read["sample"]) == list(range(1000)) and list(read.index) == list(range(1000)), f"{name}: rows or index")
    same = int((read["sample"] == frame["sample"]).sum())
    # What a model is told: the label of a row, beside the one that its place has.
    right = int(((read.geometry.x > 0.5) == labels).sum())
    print(f"{name}: {same} of 1000 samples in their rows, {right} places with their own label")
    return same, right

for name, driver in [("a.gpkg", "GPKG"), ("a.geojson", "GeoJSON"), ("a.shp", "ESRI Shapefile")]:
    check(back(name, driver=driver) == (1000, 1000), f"{name} permutes")
check(back("plain.fgb", driver="FlatGeobuf", SPATIAL_INDEX="NO") == (1000, 1000), "without a spatial index it permutes, too")
same, right = back("a.fgb", driver="FlatGeobuf")
check(same < 20 and right < 700, "FlatGeobuf keeps the order")
first = geopandas.read_file("a.fgb", rows=3)["sample"].tolist()
print("read_file(rows=3):", first)
check(first != [0, 1, 2], "the first rows are the first")
EOF
venv/bin/python check.py
