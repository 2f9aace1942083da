#!/usr/bin/env bash
# miseval: the Hausdorff distance of a tumour that was found 60 pixels too low is 0, since rows of pixels are taken for points.
#
# Expected: HD of evaluate is the Hausdorff distance of the two segmented regions in pixels, one for each class. It is 0 only if they
#   are the same, and 60 if a square is found 60 pixels away. AHD is the average Hausdorff distance, a mean of distances.
# Happens: HD is 0 for a square that was found 60 pixels too low, and for one that is four times as high. To the right the same error
#   is 4.5, and an error of 5 pixels is 3.2. Masks with one class have the same HD as their transposes only by chance. With several
#   classes all have the same number, also those that are segmented without an error, and it depends on how the classes are
#   numbered. AHD is the plain Hausdorff distance: its largest distance, not an average. Dice and the other overlaps are right.
# Seen: miseval 1.3.0, hausdorff 0.2.6, scikit-image 0.26.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The package is for the evaluation of medical segmentation. A HD near 0 looks like a good result, and for a mask with one
#   class no HD is larger than the square root of the width of the image. Who reports AHD reports the worst pixel as the average.
# Cause: calc_SimpleHausdorffDistance gives both masks to hausdorff_distance of the package hausdorff, which wants a list of points, and
#   does not use its argument c. calc_AverageHausdorffDistance returns a maximum.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check miseval==1.3.0 hausdorff==0.2.6 scikit-image==0.26.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
from miseval import evaluate
from scipy.spatial.distance import cdist
from skimage.metrics import hausdorff_distance
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("miseval", "hausdorff", "scikit-image")))

def square(row, column, height=20, width=20):
    mask = np.zeros((128, 128), np.uint8)
    mask[row:row + height, column:column + width] = 1
    return mask

def of_rows(a, b):
    """The Hausdorff distance of the rows of the masks, each taken for a point of 128 coordinates."""
    distances = cdist(a.astype(float), b.astype(float))
    return max(distances.min(axis=0).max(), distances.min(axis=1).max())

def mean_of_distances(a, b):
    """The average Hausdorff distance of two sets of pixels."""
    distances = cdist(np.argwhere(a), np.argwhere(b))
    return (distances.min(axis=0).mean() + distances.min(axis=1).mean()) / 2

truth = square(20, 20)
for what, found, wanted, true_wanted in [
    ("the same", square(20, 20), 0, 0),
    ("60 pixels too low", square(80, 20), 0, 60),
    ("four times as high", square(20, 20, height=80), 0, 60),
    ("60 pixels to the right", square(20, 80), 20**0.5, 60),
    ("5 pixels to the right", square(20, 25), 10**0.5, 5),
    ("four times as wide", square(20, 20, width=80), 60**0.5, 60),
]:
    dice, hd, ahd = (float(evaluate(truth, found, metric=name)) for name in ("DSC", "HD", "AHD"))
    right, mean = hausdorff_distance(truth, found), mean_of_distances(truth, found)
    print(f"{what}: HD {hd:.2f}, by scikit-image {right:.0f}, AHD {ahd:.0f}, average by hand {mean:.2f}, Dice {dice:.2f}")
    check(abs(right - true_wanted) < 1e-6, f"{what}: scikit-image {right}")
    check(abs(hd - wanted) < 1e-6 and abs(hd - of_rows(truth, found)) < 1e-6, f"{what}: HD {hd}")
    check(abs(ahd - right) < 1e-6, f"{what}: AHD {ahd}")
    check(mean < 0.9 * right or true_wanted == 0 == mean, f"{what}: average by hand {mean}")
    check(abs(dice - 2 * (truth & found).sum() / (truth.sum() + found.sum())) < 1e-6, f"{what}: Dice {dice}")
    turned = float(evaluate(truth.T.copy(), found.T.copy(), metric="HD"))
    check(abs(turned - of_rows(truth.T, found.T)) < 1e-6, f"{what}: HD of the transposes {turned}")
    check(wanted == 0 and true_wanted == 0 or abs(turned - hd) > 0.5, f"{what}: HD {hd}, and {turned} of the transposes")

# The liver is right, the tumour is 20 pixels off.
def organs(column, liver, tumour):
    return liver * square(20, 20) + tumour * square(80, column)

for liver, tumour in ((1, 2), (2, 1)):
    truth, found = organs(80, liver, tumour), organs(60, liver, tumour)
    hd = evaluate(truth, found, metric="HD", multi_class=True, n_classes=3)
    right = [hausdorff_distance(truth == c, found == c) for c in range(3)]
    print(f"liver {liver}, tumour {tumour}: HD of liver {hd[liver]:.2f} and of tumour {hd[tumour]:.2f}, "
          f"by scikit-image {right[liver]:.0f} and {right[tumour]:.0f}")
    check(right[liver] == 0 and right[tumour] == 20, f"scikit-image: {right}")
    check(np.allclose(hd, tumour * 20**0.5), f"liver {liver}, tumour {tumour}: {hd}")
EOF
venv/bin/python check.py
