#!/usr/bin/env bash
# Iris: a masked field that is saved with packing="i2" comes back without its smallest values: all points with no rain are missing.
#
# Expected: The text of save says that scale and offset of packed numbers are calculated from the data and possible masking. So
#   each value comes back up to rounding, and each masked point comes back masked.
# Happens: The packed numbers of the data run into the one that NetCDF reserves for missing points, and no other is set. With
#   signed types and a mask the smallest value gets this number. Iris and netCDF4 read all points that have it as missing. xarray
#   goes by the file, where no such number is named, and reads the masked points as the smallest value. With unsigned types xarray
#   reads masked points as the largest value and a step more, and without a mask Iris reads the largest value as missing. Without
#   a mask "i2" and "i4" are right. There is no warning, since Iris no longer looks for such collisions. In a file that is not
#   packed xarray reads masked points as 1e37, which one sees.
# Seen: scitools-iris 3.14.1, netCDF4 1.7.5.1.post1 and xarray 2026.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The smallest value of rain, snow, cloud cover and concentrations is 0, and it is the most frequent one. A climatology
#   from such files is that of the wet days, and the land of an ocean model is 0 for a reader in xarray. Files of 16 bits are
#   made to feed neural networks, which have no other copy.
# Cause: saver.py leaves one of 2^16 numbers free for the mask, -32768, but the default of NetCDF for missing is -32767. Remedy:
#   pass fill_value=-32768 with packing="i2" too.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scitools-iris==3.14.1 netCDF4==1.7.5.1.post1 xarray==2026.9.0 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import os
import sys
import warnings
import iris
import netCDF4
import numpy as np
import xarray
from iris.coords import DimCoord
from iris.cube import Cube
iris.FUTURE.save_split_attrs = True
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def plain(values):
    """The values to three decimals, and None for missing ones."""
    values = np.ma.masked_invalid(values)
    return [None if missing else round(float(v), 3) for v, missing in zip(values.data, np.ma.getmaskarray(values))]

def read(data, **options):
    """What Iris, netCDF4 and xarray read of these data."""
    days = DimCoord(np.arange(len(data)), standard_name="time", units="days since 2026-01-01")
    iris.save(Cube(data, var_name="rain", units="mm", dim_coords_and_dims=[(days, 0)]), "rain.nc", **options)
    found = {"Iris": plain(iris.load_cube("rain.nc").data)}
    with netCDF4.Dataset("rain.nc") as file:
        found["netCDF4"] = plain(file["rain"][:])
    with xarray.open_dataset("rain.nc") as file:
        found["xarray"] = plain(file["rain"].values)
    os.remove("rain.nc")
    check(found["netCDF4"] == found["Iris"], f"{options}: Iris reads {found['Iris']}, netCDF4 {found['netCDF4']}")
    return found["Iris"], found["xarray"]

def same(found, wanted, step):
    """Whether the values are equal up to rounding, and the missing ones are the same."""
    return all((a is None) == (b is None) and (a is None or abs(a - b) <= step) for a, b in zip(found, wanted, strict=True))

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("scitools-iris", "netCDF4", "xarray")))
rain = np.array([0, 0, 2.5, 100, 50, 0])
masked = np.ma.masked_array(rain, [0, 0, 0, 0, 0, 1])
given = plain(masked)
check(given == [0, 0, 2.5, 100, 50, None], f"the data are {given}")
for data in (rain, masked):
    by_iris, by_xarray = read(data)
    check(by_iris == plain(data) and by_xarray[:5] == plain(rain)[:5], f"without packing: {by_iris} and {by_xarray}")
    check(by_xarray[5] == 0 or data is masked and by_xarray[5] > 9e36, f"without packing xarray reads {by_xarray[5]}")

print("given", given)
for kind, step in [("i2", 0.01), ("i4", 0.01), ("i1", 1)]:
    by_iris, by_xarray = read(masked, packing=kind)
    print(f"{kind} with a mask: Iris {by_iris}, xarray {by_xarray}")
    check(same(by_iris, [None, None, 2.5, 100, 50, None], step), f"{kind}, Iris: {by_iris}")
    check(same(by_xarray, [0, 0, 2.5, 100, 50, 0], step), f"{kind}, xarray: {by_xarray}")
for kind, step in [("u2", 0.01), ("u4", 0.01), ("u1", 1)]:
    by_iris, by_xarray = read(masked, packing=kind)
    print(f"{kind} with a mask: Iris {by_iris}, xarray {by_xarray}")
    check(same(by_iris, given, step), f"{kind}, Iris: {by_iris}")
    check(same(by_xarray, [0, 0, 2.5, 100, 50, 100], step), f"{kind}, xarray: {by_xarray}")
print("given", plain(rain))
for kind, step, wrong in [("i2", 0.01, None), ("i4", 0.01, None), ("u2", 0.01, 3), ("u4", 0.01, 3), ("u1", 1, 3)]:
    by_iris, by_xarray = read(rain, packing=kind)
    print(f"{kind} without a mask: Iris {by_iris}, xarray {by_xarray}")
    check(same(by_iris, [None if i == wrong else v for i, v in enumerate(plain(rain))], step), f"{kind} without a mask, Iris: {by_iris}")
    check(same(by_xarray, plain(rain), step), f"{kind} without a mask, xarray: {by_xarray}")
by_iris, by_xarray = read(masked, packing="i2", fill_value=-32768)
print(f"i2 with a mask and fill_value: Iris {by_iris}, xarray {by_xarray}")
check(same(by_iris, given, 0.01) and same(by_xarray, given, 0.01), f"with fill_value: {by_iris} and {by_xarray}")

# A year of which 200 days are dry, at 100 places of which 30 are land.
random = np.random.default_rng(0)
year = np.where(np.arange(365)[:, None] < 200, 0, random.gamma(2, 4, (365, 100)))
year = np.ma.masked_array(year, np.broadcast_to(np.arange(100) < 30, year.shape)).reshape(-1)
by_iris, by_xarray = (np.ma.masked_invalid(np.array(v, float)) for v in read(year, packing="i2"))
print(f"a year: mean {year.mean():.2f} of {year.count()} points, Iris {by_iris.mean():.2f} of {by_iris.count()}, xarray {by_xarray.mean():.2f} of {by_xarray.count()}")
check((year.count(), by_iris.count(), by_xarray.count()) == (25550, 11550, 36500), "the counts of a year")
check(by_iris.mean() > 2 * year.mean() and by_xarray.mean() < 0.8 * year.mean(), "the means of a year")
EOF
venv/bin/python check.py
