#!/usr/bin/env bash
# laspy: points that are appended to a LAS file with another scale or offset move by kilometres, while write_points puts them right.
#
# Expected: append_points converts the points to the scale and offset of the file, or refuses them. Its text asks for the same
#   point format only, and it refuses another. write_points of the same library converts them, and its text says so.
# Happens: A LAS file stores integers, and its header has the scale and the offset that turn them into metres. append_points
#   writes the integers of the other file as they are. Points at x = 500,110 with a scale of 1 mm, appended to a file with one
#   of 1 cm, go to 501,100, or to 5,501,100 when their file has no offset. With the same scale and another offset they go to
#   500,010, onto the points that are there. The bounds in the header go with them, so header and points agree. Appending by
#   chunks, as the README of laspy shows it, does the same.
# Seen: laspy 2.7.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Tiles of a survey have offsets of their own, and scanners differ in their scales. A training set that is gathered by
#   appending has the right number of points, classes, colours and times, and one tile of it is in its place. Tiles with the
#   same scale and offsets at their corners lie on top of each other, which looks like one dense tile.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check laspy==2.7.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import shutil
import sys
import warnings
import laspy
import numpy as np
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def tile(name, x, scale, offset):
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales = [scale] * 3
    header.offsets = [offset, 0, 0]
    las = laspy.LasData(header)
    las.x = np.array(x)
    las.y = las.z = np.zeros(len(x))
    las.write(name)

def appended(name, chunks=False):
    shutil.copy("first.las", "all.las")
    with laspy.open(name) as other, laspy.open("all.las", mode="a") as file:
        for points in other.chunk_iterator(1) if chunks else [other.read().points]:
            file.append_points(points)
    return laspy.read("all.las")

def written(name):
    with laspy.open("first.las") as first, laspy.open("all.las", mode="w", header=first.header) as file:
        for source in ("first.las", name):
            file.write_points(laspy.read(source).points)
    return laspy.read("all.las")

print("laspy", importlib.metadata.version("laspy"))
first = [500010.0, 500020.0]
second = [500110.0, 500120.0]
tile("first.las", first, 0.01, 500000)
for what, scale, offset, wrong in [
    ("the same scale and offset", 0.01, 500000, second),
    ("a scale of 1 mm", 0.001, 500000, [501100.0, 501200.0]),
    ("an offset of its own", 0.01, 500100, first),
    ("a scale of 1 mm and no offset", 0.001, 0, [5501100.0, 5501200.0]),
]:
    tile("second.las", second, scale, offset)
    check(np.allclose(laspy.read("second.las").x, second), "the second tile is not what was written")
    right = written("second.las")
    check(np.allclose(right.x, first + second), f"write_points, {what}: {right.x}")
    for chunks in (False, True):
        las = appended("second.las", chunks)
        check(np.allclose(las.x, first + wrong), f"append_points, {what}: {np.array(las.x)}")
        check(np.isclose(las.header.x_max, max(first + wrong)), f"the header says up to {las.header.x_max}")
    print(f"{what}: x by write_points", *np.array(right.x[2:]), "by append_points", *np.array(las.x[2:]))
EOF
venv/bin/python check.py
