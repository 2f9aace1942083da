#!/usr/bin/env bash
# spectral: all spectral angles of a 16-bit image are 0, so each pixel is of the first material, and its noise is 800 times too large.
#
# Expected: spectral_angles, noise_from_diffs and smacc take an image as an array. They give the same for whole numbers as for the same
#   numbers as floats, as unmix, msam, rx, ppi and calc_stats of the library do.
# Happens: For an ENVI file of 16-bit numbers, read by open_memmap or by slices, they compute in 16 bits, and the numbers wrap around.
#   All angles to all three materials are 0, so the smallest one is always the first: 33 percent of the pixels are right in place
#   of 100. noise_from_diffs finds noise of about 23,000 in place of 29, so no component of the MNF transform has a signal-to-noise
#   ratio above 10, in place of two. smacc takes another pixel than the brightest as the first endmember. load(), which makes floats of the
#   same file, gives the right results. Nothing is printed.
# Seen: spectral 0.25, numpy 2.4.6, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Most hyperspectral images are files of 16-bit numbers, and open_memmap and slices are the ways to read a part of a large one. The
#   angles are numbers in the right range, and the map has a valid class everywhere.
# Cause: spectral_angles and smacc take the sum of squares by einsum in the type of the data, and noise_from_diffs subtracts the pixels in it.
# Remedy: astype(float) before. Signed 16-bit numbers fail in the same way, some with a warning of an invalid square root.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check spectral==0.25 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import contextlib
import importlib.metadata
import io
import sys
import warnings
warnings.simplefilter("error")
# Announced changes of numpy.
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np
import spectral
from scipy.ndimage import gaussian_filter
from spectral.io import envi

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("spectral", "numpy", "scipy")))
spectral.settings.show_progress = False
rng = np.random.default_rng(0)
SIDE, BANDS, NOISE = 81, 30, 25
at = np.linspace(0, 1, BANDS)
materials = np.stack([4000 + 3000 * np.sin(5 * at), 3000 + 5000 * at, 9000 - 6000 * at])

def written(exact):
    """The image in a file, as the library reads it."""
    image = np.rint(exact + rng.normal(0, NOISE, exact.shape))
    check(image.min() > 0 and image.max() < 20_000, f"numbers from {image.min()} to {image.max()}")
    envi.save_image("image.hdr", image.astype(np.uint16), dtype=np.uint16, force=True)
    file = spectral.open_image("image.hdr")
    ways = {"load()": np.asarray(file.load()), "open_memmap()": np.asarray(file.open_memmap()), "slices": np.asarray(file[:, :, :]),
            "slices as floats": np.asarray(file[:, :, :]).astype(float)}
    for way, data in ways.items():
        check(np.array_equal(data, image), f"{way}: the numbers")
        check(data.dtype.kind == ("u" if way in ("open_memmap()", "slices") else "f"), f"{way}: {data.dtype}")
    return ways

# Three fields with one material each, in light and shade.
field = np.repeat(np.arange(3), SIDE // 3)[None].repeat(SIDE, axis=0)
shade = np.clip(gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4) * 2 + 1, 0.6, 1.4)[:, :, None]
ways = written(materials[field] * shade)

def by_hand(data):
    data = np.asarray(data, float)
    cosine = data @ materials.T / np.linalg.norm(data, axis=2)[:, :, None] / np.linalg.norm(materials, axis=1)
    return np.arccos(np.clip(cosine, -1, 1))

right = by_hand(ways["load()"])
check((right.argmin(axis=2) == field).all(), "by hand all pixels are right")
brightest = np.linalg.norm(ways["load()"].reshape(-1, BANDS).astype(float), axis=1).argmax()
for way, data in ways.items():
    angles = spectral.spectral_angles(data, materials)
    found = (angles.argmin(axis=2) == field).mean()
    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        first = spectral.smacc(data, 3)[0][0]
    longest = np.array_equal(first, data.reshape(-1, BANDS)[brightest])
    print(f"{way}: angles from {angles.min():.3f} to {angles.max():.3f}, {found:.3f} of the pixels right, smacc begins with the brightest: {longest}")
    wraps = data.dtype.kind == "u"
    check(not angles.any() if wraps else np.allclose(angles, right, atol=1e-3), f"{way}: {angles.max()}")
    check(abs(found - (1 / 3 if wraps else 1)) < 1e-9 and longest != wraps, f"{way}: {found}, {longest}")

# The others give the same for whole numbers.
whole, floats = ways["slices"], ways["slices as floats"]
for what, run in {
    "unmix": lambda data: spectral.unmix(data, materials),
    "msam": lambda data: spectral.msam(data, materials),
    "rx": lambda data: spectral.rx(data),
    "calc_stats": lambda data: spectral.calc_stats(data).cov,
    "ppi": lambda data: (np.random.seed(0), spectral.ppi(data, 50))[1],
}.items():
    check(np.allclose(run(whole), run(floats)), what)

# Mixtures of the materials, so there are two components and the noise.
shares = gaussian_filter(rng.dirichlet([0.5] * 3, (SIDE, SIDE)), (4, 4, 0))
for way, data in written(shares @ materials).items():
    noise = spectral.noise_from_diffs(data)
    size = float(np.sqrt(np.diag(noise.cov).mean()))
    components = int(spectral.mnf(spectral.calc_stats(data), noise).num_with_snr(10))
    # By hand, in 64 bits: the noise and the small differences of neighbours.
    differences = np.asarray(data, float)[:-1, :-1] - np.asarray(data, float)[1:, 1:]
    real = float(np.sqrt(differences.var(axis=(0, 1)).mean() / 2))
    print(f"{way}: noise {size:.1f}, by hand {real:.1f}, components with a ratio of 10: {components}")
    check(NOISE < real < 1.3 * NOISE, f"{way}: noise by hand {real}")
    if data.dtype.kind == "u":
        check(size > 20_000 and components == 0, f"{way}: {size}, {components}")
    else:
        check(abs(size / real - 1) < 1e-3 and components == 2, f"{way}: {size}, {components}")
EOF
venv/bin/python check.py
