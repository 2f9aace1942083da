#!/usr/bin/env bash
# Deep Lake: the label 300 becomes 44 in a column of bytes, an image of floats becomes black, and "label IN (300)" finds label 44.
#
# Expected: A number that its column cannot hold is refused, as text in a number column is, and as NumPy 2 and MosaicML Streaming
#   refuse it. "label IN (300)" finds what "label = 300" finds.
# Happens: append keeps the low bits. In uint8 300 is 44 and 256 is 0, and in int32 2^31 is -2^31. Floats lose their fraction, and NaN
#   becomes the smallest integer. A column of the type Image has bytes if no other type is given. A float image with numbers
#   from 0 to 1 is stored as zeros, and one with 16 bits keeps the low byte of each pixel, which is noise. A SegmentMask takes
#   class 256 for class 0. The list of IN is cut in the same way before it is compared, so label IN (300) returns the rows with 44
#   and id IN (5.9) those with 5, while label = 300 and id = 5.9 return none.
# Seen: deeplake 4.7.4, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A data set grows by one class too many, and the new classes become old ones. Tensors and frames between 0 and 1 are
#   what most augmentations return. A list of ids from elsewhere selects samples that are not in it, for a test set for example.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check deeplake==4.7.4 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import deeplake
import numpy as np
from deeplake import types
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

count = 0

def stored(kind, values):
    global count
    count += 1
    ds = deeplake.create(f"mem://{count}")
    ds.add_column("x", kind)
    ds.append({"x": values})
    ds.commit()
    return ds["x"][:]

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("deeplake", "numpy")))
for kind, values, wanted in [
    ("uint8", [255, 256, 300, -1], [255, 0, 44, 255]),
    ("int8", [127, 300, -129], [127, 44, 127]),
    ("int32", [2**31 - 1, 2**31, 2**33 + 5], [2**31 - 1, -2**31, 5]),
    ("uint8", np.array([0.2, 0.9, 300.5]), [0, 0, 44]),
    ("int32", [float("nan"), 1.9], [-2**31, 1]),
    (types.ClassLabel("uint8"), [3, 259], [3, 3]),
]:
    found = np.asarray(stored(kind, values)).tolist()
    print(f"{kind}: {list(map(float, values)) if isinstance(values, np.ndarray) else values} is stored as {found}")
    check(found == wanted, f"{kind}: {found}")
try:
    np.array([300], np.uint8)
    check(False, "NumPy takes 300 for a byte")
except OverflowError:
    pass
try:
    stored("int64", ["7"])
    check(False, "Deep Lake takes a text for a number")
except deeplake.InvalidColumnValueError:
    pass

rng = np.random.default_rng(0)
bytes_ = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
check((np.asarray(stored(types.Image(), [bytes_])[0]) == bytes_).all(), "an image of bytes changes")
found = np.asarray(stored(types.Image(), [bytes_ / 256])[0])
print(f"float image: mean {bytes_.mean() / 256:.2f}, stored as {found.dtype} with the largest value {found.max()}")
check(found.dtype == np.uint8 and found.max() == 0, f"a float image is stored as {found.dtype} with {found.max()}")
deep = np.arange(64, dtype=np.uint16).reshape(8, 8, 1) * 1000
found = np.asarray(stored(types.Image(), [deep])[0])
print(f"16-bit image: {deep.ravel()[:5].tolist()} is stored as {found.ravel()[:5].tolist()}")
check((found == deep % 256).all(), "a 16-bit image")
found = np.asarray(stored(types.SegmentMask(sample_compression="png"), [np.array([[0, 1], [256, 257]])])[0]).ravel().tolist()
print("mask: classes [0, 1, 256, 257] are stored as", found)
check(found == [0, 1, 0, 1], f"mask: {found}")

ds = deeplake.create("mem://labels")
ds.add_column("id", "int64")
ds.add_column("code", "int32")
ds.add_column("label", "uint8")
ds.append({"id": [5, 7, 100], "code": [5, 7, 100], "label": [0, 44, 200]})
ds.commit()
for name, value, wrong in [("label", 300, [7]), ("label", 256, [5]), ("code", 2**32 + 5, [5]), ("id", 5.9, [5])]:
    equal, among = (np.asarray(ds.query(f"select * where {name} {condition}")["id"][:]).tolist() for condition in (f"= {value}", f"in ({value})"))
    print(f"{name} = {value} finds {equal}, {name} in ({value}) finds {among}")
    check(equal == [] and among == wrong, f"{name} with {value}: {equal} and {among}")
among = np.asarray(ds.query("select * where label in (44, 200)")["id"][:]).tolist()
check(among == [7, 100], f"label in (44, 200): {among}")
EOF
venv/bin/python check.py
