#!/usr/bin/env bash
# ImageHash: all float images between 0 and 1 have the same hash, and so have 16-bit images with numbers above 255.
#
# Expected: Different pictures have different hashes, whatever the type of their pixels.
# Happens: Each hash starts with Pillow's convert("L"), which does not scale. It cuts floats off to whole numbers and
#   holds all numbers between 0 and 255. A float picture between 0 and 1 is black after it, and a depth map of 16 bits
#   in millimetres is white. So all such pictures have one hash and a distance of 0. There is no warning. The same
#   pictures with 8 bits have different hashes.
# Seen: ImageHash 4.3.2, Pillow 13.0.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Microscopes, satellites, tomographs and depth cameras give such files. A removal of duplicates by hash keeps
#   one picture of the whole data set.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ImageHash==4.3.2 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1 PyWavelets==1.9.0

cat > check.py <<'EOF'
import sys
import warnings
import imagehash
import numpy as np
import PIL
from PIL import Image
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("ImageHash", imagehash.__version__, "Pillow", PIL.__version__)
rng = np.random.default_rng(0)
pictures = [np.kron(rng.random((4, 4)), np.ones((16, 16))) for _ in range(20)]
kinds = {
    "8 bits": lambda picture: (255 * picture).astype(np.uint8),
    "floats from 0 to 1": lambda picture: picture.astype(np.float32),
    "floats from -1 to 1": lambda picture: (2 * picture - 1).astype(np.float32),
    "16 bits from 500 to 4500": lambda picture: (500 + 4000 * picture).astype(np.uint16),
    "32 bits from 500 to 4500": lambda picture: (500 + 4000 * picture).astype(np.int32),
}
methods = [imagehash.average_hash, imagehash.phash, imagehash.dhash, imagehash.whash]
for kind, convert in kinds.items():
    hashes = {method.__name__: set() for method in methods}
    for picture in pictures:
        Image.fromarray(convert(picture)).save("picture.tif")
        with Image.open("picture.tif") as read:
            check(np.array_equal(np.asarray(read), convert(picture)), "Pillow reads the pixels as they were written")
            for method in methods:
                hashes[method.__name__].add(str(method(read)))
    counts = {name: len(found) for name, found in hashes.items()}
    print(f"20 pictures, {kind} (mode {read.mode}), different hashes: {counts}")
    if kind == "8 bits":
        check(min(counts.values()) == 20, "pictures of 8 bits have different hashes")
    else:
        check(max(counts.values()) == 1, "all 20 have one hash")
EOF
venv/bin/python check.py
