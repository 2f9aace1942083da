#!/usr/bin/env bash
# xarray-spatial: cell statistics of a map that was flipped to have north at the top are upside down, and those of a transposed one scrambled.
#
# Expected: The functions of xrspatial.local go through a data set cell by cell. The value of a cell depends on the layers in this cell, and
#   not on the order of the numbers in memory. So a flipped map has the flipped result.
# Happens: A map with the latitudes from south to north that is loaded and then flipped by isel or sel gets cell_stats, combine,
#   lowest_position and highest_position with the south at the top. Those of a map with longitude before latitude that is put right
#   by transpose are scrambled. lesser_frequency, equal_frequency, greater_frequency and rank compare the reference layer with
#   other cells: in 236 of 600 cells some year is above the reference, although in each cell all years are below it. The shape is right,
#   and nothing is printed. A copy of the same numbers in the usual order has the right results.
# Seen: xarray-spatial 0.5.3, xarray 2026.9.0, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Climate files often have latitudes from south to north or longitude first, and the first step is to turn them. The results have no
#   coordinates, so they get those of the data set, and the map is plausible and wrong.
# Cause: The functions use numpy.nditer, which goes through memory in the order that is fastest, and put the values into an array row by row.
# Remedy: Copy the layers by numpy.ascontiguousarray before.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xarray-spatial==0.5.3 xarray==2026.9.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("error")
import numpy as np
import xarray as xr
from xrspatial import local

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("xarray-spatial", "xarray", "numpy")))
rng = np.random.default_rng(0)
LAT, LON = 20, 30
latitudes, longitudes = np.linspace(-9.5, 9.5, LAT), np.linspace(0.5, 29.5, LON)
# The reference is the warmest in each cell by 1 degree or more, and the three years are whole degrees below it.
reference = np.rint(25 - np.abs(latitudes)[:, None] + 0.2 * latitudes[:, None] + 3 * rng.normal(size=(LAT, LON)))
years = {f"y{year}": reference - rng.integers(1, 4, (LAT, LON)) for year in (2021, 2022, 2023)}
# And in each cell one place from 1 to 3 is asked for.
layers = {"reference": reference, "place": rng.integers(1, 4, (LAT, LON)), **years}
coords = {"lat": latitudes, "lon": longitudes}
south = xr.Dataset({name: (("lat", "lon"), layer) for name, layer in layers.items()}, coords=coords)
south.to_netcdf("south.nc", engine="scipy")
south.transpose("lon", "lat").to_netcdf("longitude.nc", engine="scipy")
check(xr.load_dataset("longitude.nc", engine="scipy")["y2021"].shape == (LON, LAT), "longitude first")

def by_hand(data):
    """What each function returns for a cell, by the layers in this cell."""
    ref, stack = data["reference"].values, np.stack([data[name].values for name in years])
    pairs = {values: number for number, values in reversed(list(enumerate(zip(*(layer.ravel().tolist() for layer in stack)), 1)))}
    firsts = {values: number for number, values in enumerate(sorted(pairs, key=pairs.get), 1)}
    return {
        "cell_stats": stack.sum(axis=0),
        "combine": np.array([firsts[values] for values in zip(*(layer.ravel().tolist() for layer in stack))]).reshape(ref.shape),
        "lowest_position": stack.argmin(axis=0) + 1,
        "highest_position": stack.argmax(axis=0) + 1,
        "lesser_frequency": (stack < ref).sum(axis=0),
        "equal_frequency": (stack == ref).sum(axis=0),
        "greater_frequency": (stack > ref).sum(axis=0),
        "rank": np.take_along_axis(np.sort(stack, axis=0), data["place"].values[None].astype(int) - 1, axis=0)[0],
    }

def by_library(data):
    names = list(years)
    found = {name: getattr(local, name)(data, names).values for name in ("cell_stats", "combine", "lowest_position", "highest_position")}
    found |= {f"{kind}_frequency": getattr(local, f"{kind}_frequency")(data, "reference", names).values for kind in ("lesser", "equal", "greater")}
    found["rank"] = local.rank(data, "place", names).values
    return found

def look(what, data, wanted):
    check(data["y2021"].dims == ("lat", "lon") and data["y2021"].shape == (LAT, LON), f"{what}: {data['y2021'].dims}")
    right, found = by_hand(data), by_library(data)
    check((right["lesser_frequency"] == 3).all() and not right["greater_frequency"].any(), f"{what}: by hand")
    wrong = {name: int((found[name] != right[name]).sum()) for name in right}
    above = int((found["greater_frequency"] > 0).sum())
    print(f"{what}: cells that are wrong:", ", ".join(f"{name} {count}" for name, count in wrong.items()))
    check(all(found[name].shape == right[name].shape for name in right), f"{what}: shapes")
    check(min(wrong.values()) > 50 if wanted else not any(wrong.values()), f"{what}: {wrong}")
    return found, right, above

def contiguous(data):
    return data.map(lambda layer: layer.copy(data=np.ascontiguousarray(layer.values)))

look("as in the file", xr.open_dataset("south.nc", engine="scipy"), False)
look("flipped before it is read", xr.open_dataset("south.nc", engine="scipy").isel(lat=slice(None, None, -1)), False)
flipped = {
    "flipped by isel": xr.load_dataset("south.nc", engine="scipy").isel(lat=slice(None, None, -1)),
    "flipped by sel": xr.load_dataset("south.nc", engine="scipy").sel(lat=slice(None, None, -1)),
}
for what, data in flipped.items():
    check(data["lat"][0] > data["lat"][-1], f"{what}: north at the top")
    found, right, above = look(what, data, True)
    check(np.array_equal(found["cell_stats"], right["cell_stats"][::-1]), f"{what}: the sum is upside down")
    check(above > 100, f"{what}: {above} cells")
    look(f"{what}, then copied", contiguous(data), False)
turned = xr.load_dataset("longitude.nc", engine="scipy").transpose("lat", "lon")
found, right, above = look("transposed", turned, True)
print(f"transposed: {above} of {LAT * LON} cells have a year above the reference, by hand none")
check(above == 236, f"transposed: {above} cells")
check(np.array_equal(found["cell_stats"].ravel(), right["cell_stats"].ravel(order="F")), "the sums in the order of memory")
look("transposed, then copied", contiguous(turned), False)
EOF
venv/bin/python check.py
