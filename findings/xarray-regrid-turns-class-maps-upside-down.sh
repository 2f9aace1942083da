#!/usr/bin/env bash
# xarray-regrid: onto a grid whose latitudes fall, most_common and stat return the map upside down, and least_common returns absent classes.
#
# Expected: Each cell of the new grid gets the most common class, or the mean, of the source cells that lie in it, and the order of its
#   latitudes does not matter, as with linear, nearest, cubic and conservative. least_common gives the rarest class within the cell.
# Happens: The values are those of the rising latitudes and the labels those of the target, so that the north gets the classes of the south.
#   stat then sorts the labels and turns the values along with them. Longitudes that fall are mirrored likewise. least_common
#   counts classes that do not occur in a cell as the rarest, and returns one of them for each cell that does not have all classes.
#   With a class in the list of values that no cell has, it returns that class everywhere.
# Seen: xarray-regrid 0.4.2 with flox 0.11.2 and xarray 2026.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: ERA5, images and most land-cover maps run from north to south. These two methods are there to bring land cover, masks and
#   extremes onto the grid of a climate data set. Shape, coordinates and attributes are right, and so is the plain sum over all cells.
#   One data set may be half right, if its means were made by conservative and its classes by most_common.
# Cause: methods/_shared.py gives the coordinates of the target as it came to a result that was computed for the sorted target. The test
#   for a reversed target compares the coordinates only. Counts of zero are not left out before idxmin.
# Remedy: Sort the target by both coordinates before the call, and bring the result into order by reindex_like.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xarray-regrid==0.4.2 flox==0.11.2 xarray==2026.9.0 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import xarray as xr
import xarray_regrid
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("xarray-regrid", "flox", "xarray")))

# Each cell of the new grid is three by three cells of the source.
lat, lon = np.arange(-85, 90, 10.), np.arange(-175, 180, 10.)
new_lat, new_lon = np.arange(-75, 90, 30.), np.arange(-165, 180, 30.)
rng = np.random.default_rng(0)
CLASSES = np.array([1, 2, 3, 4])
# Classes 1 and 2 are of the south, 3 and 4 of the north.
cover = xr.DataArray(np.where(lat[:, None] > 0, 3, 1) + (rng.random((18, 36)) < 0.3), {"lat": lat, "lon": lon}, name="cover")
# It gets colder from the equator to the north pole faster than to the south pole, and from east to west.
heat = xr.DataArray(30 - np.abs(lat[:, None]) * np.where(lat[:, None] > 0, 0.8, 0.5) + lon / 20, {"lat": lat, "lon": lon}, name="heat")
cells = cover.data.reshape(6, 3, 12, 3).swapaxes(1, 2).reshape(6, 12, 9)
counts = (cells[..., None] == CLASSES).sum(2)
check(lat.reshape(6, 3).mean(1).tolist() == new_lat.tolist(), "the two grids")

def by_hand(data, how):
    parts = data.data.reshape(6, 3, 12, 3).swapaxes(1, 2).reshape(6, 12, 9)
    return xr.DataArray(how(parts), {"lat": new_lat, "lon": new_lon})

truth = {
    "most_common": xr.DataArray(CLASSES[counts.argmax(2)], {"lat": new_lat, "lon": new_lon}),
    "mean": by_hand(heat, lambda parts: parts.mean(2)),
    "max": by_hand(heat, lambda parts: parts.max(2)),
}

def regrid(name, target):
    if name == "most_common":
        return cover.regrid.most_common(target, values=CLASSES)
    if name == "conservative":
        return heat.regrid.conservative(target)
    return heat.regrid.stat(target, name)

def wrong(result, wanted):
    """Cells whose value is not the one that belongs to their latitude and longitude."""
    check(set(result.lat.data) == set(new_lat) and set(result.lon.data) == set(new_lon), "the coordinates of the result")
    return int((abs(result.reindex_like(wanted) - wanted) > 1e-9).sum())

grid = xr.Dataset(coords={"lat": new_lat, "lon": new_lon})
targets = {"rising": grid, "falling latitudes": grid.isel(lat=slice(None, None, -1)), "falling longitudes": grid.isel(lon=slice(None, None, -1))}
for order, target in targets.items():
    for name, wanted in truth.items():
        result = regrid(name, target)
        count = wrong(result, wanted)
        print(f"{order}, {name}: {count} of 72 cells wrong")
        if order == "rising":
            check(count == 0, f"{order}, {name}: {count} wrong")
        else:
            turned = wanted.copy(data=wanted.data[::-1] if order == "falling latitudes" else wanted.data[:, ::-1])
            check(wrong(result, turned) == 0, f"{order}, {name}: not mirrored")
            if (order, name) != ("falling longitudes", "most_common"):
                check(count == 72, f"{order}, {name}: {count} wrong")
    # This mean is weighted by area.
    check(wrong(regrid("conservative", target), regrid("conservative", grid)) == 0, f"{order}, conservative")
    check(abs(regrid("conservative", target) - truth["mean"]).max() < 4, f"{order}, conservative is no mean")
    check(wrong(heat.regrid.linear(target), heat.interp(lat=new_lat, lon=new_lon)) == 0, f"{order}, linear")
print("conservative and linear: the same in each order")
falling = targets["falling latitudes"]
column = regrid("most_common", falling).isel(lon=0)
print("classes by latitude:", {int(y): int(v) for y, v in zip(column.lat, column)}, "where 3 and 4 are of the north")
column = regrid("mean", falling).mean("lon")
print("mean by latitude:", {int(y): round(float(v), 1) for y, v in zip(column.lat, column)}, "where 75 has -30 and -75 has -7.5")

for values in (CLASSES, np.arange(6)):
    result = cover.regrid.least_common(grid, values=values).data
    absent = sum(int(result[i, j] not in cells[i, j]) for i in range(6) for j in range(12))
    print(f"least_common with values {values.tolist()}: {absent} of 72 cells get a class that they do not have")
    check(absent == 72, f"least_common: {absent} absent classes")
EOF
venv/bin/python check.py
