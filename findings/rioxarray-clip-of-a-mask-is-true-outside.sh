#!/usr/bin/env bash
# rioxarray: a Boolean mask that is clipped to a polygon is True everywhere outside it, after write_nodata(False) too.
#
# Expected: clip sets pixels outside the polygon to the nodata value. For a mask that is False, or an error, since reproject refuses
#   Boolean rasters. The values of the same map that is clipped first and compared then are False there, as NaN > 0.5 is.
# Happens: clip and pad_box fill with NaN and cast to bool, which makes True, so all pixels outside the polygon are flooded, cloudy
#   or burnt. write_nodata(False) changes nothing: the library takes False for "there is no nodata value", and rio.nodata is None
#   afterwards. write_nodata(0) gives False outside, and so does clipping before the comparison.
# Seen: rioxarray 0.19.0, xarray 2026.9.0 and rasterio 1.4.4, Python 3.11 on Debian 12, x86-64, in November 2026. rioxarray 0.23.0,
#   which needs a newer Python, does the same.
# Matters: Masks by a threshold are Boolean, and fields, basins and districts are no rectangles, so the corners of the clipped array
#   count as hits: in areas, in labels and in the pixels that a mask leaves out of training. For numbers without a nodata value the
#   same cast prints a warning of NumPy, for masks none. Clipping ends with astype(dtype of the input) on an array with NaN.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
import rioxarray
import xarray as xr
warnings.simplefilter("error")
# rasterio's helper library announces a change of its operators.
warnings.simplefilter("ignore", PendingDeprecationWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("rioxarray", "xarray", "rasterio")))
N = 100
water = np.zeros((N, N), np.float32)
water[80:90, 10:20] = 0.9
middle = np.arange(N) + 0.5
depth = xr.DataArray(water, dims=("y", "x"), coords={"y": middle[::-1], "x": middle}).rio.write_crs(32633)
# A triangle with the right angle at the lower left.
basin = [{"type": "Polygon", "coordinates": [[(0, 0), (N, 0), (0, N), (0, 0)]]}]
inside = np.add.outer(middle[::-1], middle) < N
flooded = depth > 0.5
check(flooded.dtype == bool and int(flooded.sum()) == 100 and not flooded.values[~inside].any(), "the mask itself")

def show(what, mask):
    outside = mask[~inside & ~np.eye(N, dtype=bool)]
    print(f"{what}: {int(mask.sum())} flooded pixels, outside the basin {int(outside.sum())} of {outside.size}")
    check(mask.dtype == bool and mask.shape == (N, N), f"{what}: {mask.dtype} {mask.shape}")
    # Pixels on the slanted side may count for either.
    return outside.all(), outside.any()

check(show("the whole map", flooded.values) == (False, False), "the whole map")
check(show("clipped, then compared", (depth.rio.clip(basin) > 0.5).values) == (False, False), "clipped, then compared")
check(show("compared, then clipped", flooded.rio.clip(basin).values) == (True, True), "compared, then clipped")
check(show("the same with drop=False", flooded.rio.clip(basin, drop=False).values) == (True, True), "drop=False")
both = xr.Dataset({"depth": depth, "flooded": flooded}).rio.clip(basin)
check(show("as a variable of a data set", both["flooded"].values) == (True, True), "data set")
check(bool(np.isnan(both["depth"].values[0, -1])), "depth outside")

without = flooded.rio.write_nodata(False)
check(without.rio.nodata is None, f"nodata after write_nodata(False): {without.rio.nodata}")
check(show("after write_nodata(False)", without.rio.clip(basin).values) == (True, True), "write_nodata(False)")
zero = flooded.rio.write_nodata(0)
check(show("after write_nodata(0)", zero.rio.clip(basin).values) == (False, False), "write_nodata(0)")

padded = flooded.rio.pad_box(-10, 0, N, N)
added = padded.sel(x=slice(None, 0)).values
print(f"pad_box: {added.sum()} of {added.size} added pixels are flooded")
check(padded.dtype == bool and added.size == 1000 and added.all(), "pad_box")
try:
    flooded.rio.reproject(4326)
    check(False, "reproject takes a Boolean raster")
except Exception as error:
    print(f"reproject: {type(error).__name__}")
try:
    flooded.astype("uint8").rio.clip(basin)
    check(False, "clip of uint8 gives no warning")
except RuntimeWarning as warning:
    print("clip of the mask as uint8:", warning)
PY
venv/bin/python check.py
