#!/usr/bin/env bash
# rasterio: after pixels of a file with overviews are rewritten, reads at a lower resolution go on returning the old ones.
#
# Expected: read(out_shape=...) returns the pixels of the file at another resolution. The text of read says that the image is
#   decimated. The page on overviews says that such a read may take them, to be fast, and says nothing of later writes. A write
#   updates them, drops them or warns.
# Happens: A GeoTIFF can hold smaller copies of its image, overviews, and read takes its pixels from them. A write in mode r+
#   leaves them as they were. Half of a label map is set from 1 to 2: read() finds 2 in half of the pixels, and read to half the
#   size or less finds none, in the open file and after it was closed. At 300 of 512 pixels nearest finds none, and average
#   and mode find them, as WarpedVRT does at half the size. A copy as a cloud optimized GeoTIFF takes the old overviews along.
# Seen: rasterio 1.4.4 with GDAL 3.10.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Labels and masks are corrected in place, and networks see large scenes at several scales, by out_shape, since it is
#   fast. The coarse scales are trained on labels that were taken back, and previews show them, while every check at full
#   resolution is right.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check rasterio==1.4.4 affine==2.4.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def share(pixels):
    """Which part of the pixels has the new label."""
    check(np.isin(pixels, (1, 2)).all(), "there is a label that nobody wrote")
    return float((pixels == 2).mean())

def shares(file, resampling=Resampling.nearest):
    return {size: share(file.read(1, out_shape=(size, size), resampling=resampling)) for size in (512, 400, 300, 256, 128, 64)}

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
profile = dict(driver="GTiff", width=512, height=512, count=1, dtype="uint8", crs="EPSG:3857", transform=from_origin(0, 512, 1, 1))
for name in ("with.tif", "without.tif"):
    with rasterio.open(name, "w", **profile) as file:
        file.write(np.ones((512, 512), np.uint8), 1)
        if name == "with.tif":
            file.build_overviews([2, 4], Resampling.nearest)
    with rasterio.open(name, "r+") as file:
        file.write(np.full((256, 512), 2, np.uint8), 1, window=Window(0, 0, 512, 256))
        inside = share(file.read(1, out_shape=(256, 256)))
    print(f"{name}: read at half the size while it is open: {inside}")
    check(inside == (0 if name == "with.tif" else 0.5), f"{name}: read while it is open")

everywhere = dict.fromkeys((512, 400, 300, 256, 128, 64), 0.5)
with rasterio.open("without.tif") as file:
    print("without overviews:", shares(file))
    check(shares(file) == everywhere, "a file without overviews")
with rasterio.open("with.tif") as file:
    print("with overviews:", shares(file))
    check(shares(file) == everywhere | {300: 0, 256: 0, 128: 0, 64: 0}, "nearest")
    for method in (Resampling.mode, Resampling.average):
        print(f"with overviews, {method.name}:", shares(file, method))
        check(shares(file, method) == everywhere | {256: 0, 128: 0, 64: 0}, method.name)
    patch = share(file.read(1, window=Window(0, 0, 128, 128), out_shape=(64, 64)))
    check(patch == 0, "a patch at half its size")
    with WarpedVRT(file, crs="EPSG:3857", transform=from_origin(0, 512, 2, 2), width=256, height=256) as half:
        check(share(half.read(1)) == 0.5, "WarpedVRT")
rasterio.shutil.copy("with.tif", "cog.tif", driver="COG")
with rasterio.open("cog.tif") as file:
    check((share(file.read(1)), share(file.read(1, out_shape=(256, 256)))) == (0.5, 0), "the copy as a cloud optimized GeoTIFF")
    print("copy as a cloud optimized GeoTIFF:", shares(file))
with rasterio.open("with.tif", "r+") as file:
    file.build_overviews([2, 4], Resampling.nearest)
with rasterio.open("with.tif") as file:
    check(shares(file) == everywhere, "after building the overviews again")
    print("after building the overviews again:", shares(file))
EOF
venv/bin/python check.py
