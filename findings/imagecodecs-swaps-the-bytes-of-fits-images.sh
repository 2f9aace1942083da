#!/usr/bin/env bash
# imagecodecs: an image from a FITS file is written to TIFF or JPEG 2000 with its bytes swapped, so 13 becomes 3328.
#
# Expected: A NumPy array is written by its values, whatever the order of its bytes is, or is refused. imagecodecs refuses arrays
#   in big-endian order for PNG, JPEG XL, JPEG XR, JPEG LS and LERC, and tifffile without compression or with zlib writes them right.
# Happens: Images in FITS files are big-endian, and astropy returns them so. imagecodecs.imwrite to .tif, .jp2, .j2k and .jph, and
#   the functions behind it, take the bytes as they lie in memory for little-endian numbers. tifffile.imwrite with
#   compression="jpeg2000" passes them on, and the file is wrong too. Shapes and types are right and nothing is said. With 32
#   bits JPEG 2000 also cuts the numbers off.
# Seen: imagecodecs 2026.3.6, tifffile 2026.3.3, astropy 8.0.2 and NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Images of telescopes are converted to TIFF or JPEG 2000, without loss, for training and as an archive. A program that
#   was tried with unsigned FITS images is right, because astropy makes new arrays of those, and fails with signed ones. As small
#   numbers become large ones, swapped images pass checks of range and type.
# Remedy: image.astype(image.dtype.newbyteorder("=")) first.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check imagecodecs==2026.3.6 tifffile==2026.3.3 astropy==8.0.2 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import imagecodecs
import numpy as np
import tifffile
from astropy.io import fits
warnings.simplefilter("error", UserWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def through(write, read, name, image):
    """The image that is read again, or None if it is refused."""
    try:
        write(name, image)
    except Exception:
        return None
    return np.asarray(read(name))

def compressed(kind):
    return lambda name, image: tifffile.imwrite(name, image, compression=kind)

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("imagecodecs", "tifffile", "astropy")))
pixels = np.arange(64 * 64).reshape(64, 64) * 13 % 4096
ways = {f"imagecodecs.imwrite to .{end}": (imagecodecs.imwrite, imagecodecs.imread, f"image.{end}") for end in ("tif", "jp2", "j2k", "jph", "png", "jxl", "jxr", "jls", "lerc")}
ways |= {f"tifffile.imwrite, {kind}": (compressed(kind), tifffile.imread, "image.tif") for kind in ("jpeg2000", None, "zlib", "lzw", "zstd", "png", "jpegxl")}
swapped = {"i2": {".tif", ".jp2", ".j2k", ".jph", "jpeg2000"}, "f4": {".tif"}, "u2": {".tif", ".jp2", ".j2k", ".jph", "jpeg2000"}}
for kind in ("i2", "f4", "u2"):
    native = pixels.astype(kind)
    if kind == "u2":
        print("unsigned big-endian numbers from elsewhere:")
        image = native.astype(">u2")
    else:
        fits.PrimaryHDU(native).writeto("image.fits", overwrite=True)
        image = fits.getdata("image.fits")
    check(image.dtype == np.dtype(">" + kind) and np.array_equal(image, native), f"the image is of type {image.dtype}")
    for way, (write, read, name) in ways.items():
        result = through(write, read, name, native)
        if result is None:
            continue  # The format does not hold this type.
        check(np.array_equal(result, native), f"{way}, {kind}: native arrays are wrong")
        result = through(write, read, name, image)
        found = "refused" if result is None else "right" if np.array_equal(result, native) else f"wrong, {result[0, :4]} for {native[0, :4]}"
        print(f"{way}, {kind}: {found}")
        if any(way.endswith(end) for end in swapped[kind]):
            check(result is not None and result.dtype == native.dtype, f"{way}, {kind}: {found}")
            check(np.array_equal(result, np.asarray(image).view("<" + kind)), f"{way}, {kind}: {found}")
        else:
            check(not found.startswith("wrong"), f"{way}, {kind}: {found}")

native = pixels.astype("i4")
result = imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(native))
check(np.array_equal(result, native), "JPEG 2000 with 32 bits is wrong")
result = imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(native.astype(">i4")))
print(f"jpeg2k_encode, i4: {result[0, :4]} for {native[0, :4]}")
check(not np.array_equal(result, native), "JPEG 2000 with 32 bits in big-endian order is right")
fits.PrimaryHDU(pixels.astype("u2")).writeto("image.fits", overwrite=True)
image = fits.getdata("image.fits")
imagecodecs.imwrite("image.jp2", image)
check(image.dtype == np.uint16 and np.array_equal(imagecodecs.imread("image.jp2"), pixels), "an unsigned FITS image is wrong")
print("unsigned FITS images are right")
EOF
venv/bin/python check.py
