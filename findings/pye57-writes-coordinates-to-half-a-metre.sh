#!/usr/bin/env bash
# pye57: points in UTM coordinates are written to a grid of 50 cm, and 16-bit colours of a LAS file without their upper half.
#
# Expected: write_scan_raw takes arrays of doubles, and read_scan and read_scan_raw return doubles, so what is written is read again,
#   or there is an error or a warning. The E57 format has doubles and has limits for colours.
# Happens: Coordinates are stored in single precision. At a northing of 5,400,000 m the nearest numbers are 50 cm apart, so a scan of
#   a street is moved by up to 25 cm and 2000 points along it have 201 different northings. Eastings are off by up to 16 mm. Red of
#   0xC000 is stored as 0, 300 as 44. Arrays of the same type as before come back. Nothing is printed.
# Seen: pye57 0.4.19, laspy 2.7.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: read_scan returns a scan in the coordinates of the site, which is UTM after georeferencing, and writing these for the next
#   program is the usual step. Distances between neighbouring points, normals and deformations of centimetres are lost. LAS
#   files, from which E57 files are made, have 16 bits for each colour.
# Cause: write_scan_raw has is_scaled = False and takes E57_SINGLE then, and uint8 for colours. Small coordinates and the offset as
#   translation keep a tenth of a millimetre here. Colours have to be divided by 256.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pye57==0.4.19 laspy==2.7.0 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import laspy
import numpy as np
import pye57
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pye57", "laspy")))
AXES = ("cartesianX", "cartesianY", "cartesianZ")
COLOURS = ("colorRed", "colorGreen", "colorBlue")
# A street of 100 m, with a point every 5 cm.
n = 2000
street = np.stack([500_000 + 0.013 * np.arange(n), 5_400_000 + 0.05 * np.arange(n), 300 + 0.001 * np.arange(n)], axis=1)
check(street.dtype == np.float64, "type of the street")

def written(name, points, transformed=True, translation=None, **more):
    with pye57.E57(name, mode="w") as file:
        file.write_scan_raw({**dict(zip(AXES, points.T)), **more}, translation=translation)
    with pye57.E57(name) as file:
        data = file.read_scan(0, ignore_missing_fields=True) if transformed else file.read_scan_raw(0)
    check(all(data[axis].dtype == np.float64 for axis in AXES), f"{name}: types {[data[axis].dtype for axis in AXES]}")
    return np.stack([data[axis] for axis in AXES], axis=1), data

def show(what, points):
    off = np.abs(points - street).max(axis=0)
    print(f"{what}: off by up to", *(f"{1000 * value:.3f} mm" for value in off), f"and {len(np.unique(points[:, 1]))} northings of {n}")
    return off, len(np.unique(points[:, 1]))

# As LAS, in steps of a millimetre.
header = laspy.LasHeader(point_format=2, version="1.2")
header.scales, header.offsets = [0.001] * 3, [500_000, 5_400_000, 300]
las = laspy.LasData(header)
las.x, las.y, las.z = street.T
las.red = las.green = las.blue = (np.arange(n) % 256 * 256).astype(np.uint16)
las.write("street.las")
las = laspy.read("street.las")
off, northings = show("LAS", np.asarray(las.xyz))
check(off.max() < 0.001 and northings == n, f"LAS: {off}, {northings}")

# As E57, with the offset as translation of the scanner.
offset = np.array([500_000.0, 5_400_000, 300])
points, _ = written("local.e57", street - offset, translation=offset)
off, northings = show("E57, small coordinates and a translation", points)
check(off.max() < 0.0001 and northings == n, f"E57 with a translation: {off}, {northings}")

# The same scan is read in the coordinates of the site and written.
for transformed in (True, False):
    copy, _ = written("site.e57", points, transformed)
    off, northings = show("E57, coordinates of the site", copy)
    check(0.24 < off[1] <= 0.251 and 0.015 < off[0] < 0.017 and northings == 201, f"E57: {off}, {northings}")
    check(np.array_equal(copy, points.astype(np.float32).astype(np.float64)), "E57: not the nearest number of single precision")
step = np.linalg.norm(np.diff(copy, axis=0), axis=1)
true = np.linalg.norm(np.diff(street, axis=0), axis=1)
print(f"distance of neighbours: {true.min():.3f} to {true.max():.3f} m, from the E57 file {step.min():.3f} to {step.max():.3f} m")
check(step.min() < 0.04 and step.max() > 0.49 and true.max() - true.min() < 1e-6, f"distances {step.min()} to {step.max()}")

# Colours of the LAS file, and the same divided by 256.
sixteen = np.asarray(las.red)
_, data = written("colours.e57", street - offset, False, **{colour: sixteen for colour in COLOURS})
print("16-bit colours", sixteen[[0, 1, 128, 192, 255]], "are read as", data["colorRed"][[0, 1, 128, 192, 255]])
check(len(np.unique(sixteen)) == 256 and not data["colorRed"].any(), f"colours {np.unique(data['colorRed'])}")
_, data = written("colours.e57", street - offset, False, **{colour: np.full(n, 300, np.uint16) for colour in COLOURS})
print("300 is read as", np.unique(data["colorRed"]))
check((data["colorRed"] == 44).all(), f"colour 300: {np.unique(data['colorRed'])}")
_, data = written("colours.e57", street - offset, False, **{colour: sixteen // 256 for colour in COLOURS})
check(np.array_equal(data["colorRed"], sixteen // 256), "colours of 8 bits")
PY
venv/bin/python check.py
