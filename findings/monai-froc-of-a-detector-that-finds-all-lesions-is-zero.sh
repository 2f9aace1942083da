#!/usr/bin/env bash
# MONAI: the FROC score of a detector that finds nine of ten lesions is 0.9, and that of one that finds all ten is 0.
#
# Expected: The score is the mean sensitivity at 0.25 to 8 false positives for each image, over all thresholds. A detector that finds all
#   lesions without a false positive has 1, and one more lesion that is found never lowers the score.
# Happens: The lowest probability of the data set is no threshold. If a lesion was missed this is the 0 that stands for it, and the score
#   is right. If all were found it is a detection: with probabilities that differ the score is 0.9 for ten of ten lesions, as for nine
#   of them, and with equal ones, as of a mask that was thresholded, it is 0. One lesion that is found is 0 as well. A false
#   positive of low probability beside it makes the score 1. Nothing is logged.
# Seen: monai 1.6.1, torch 2.9.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A better detector gets a worse score, and the best one the worst. It happens where all lesions are found at some threshold: in
#   small validation sets, and for models that are sensitive. LesionFROC of the pathology part takes the same functions.
# Cause: compute_froc_curve_data goes over all_probs[1:], where all_probs are the different probabilities of false and true positives,
#   with 0 for a missed lesion. Only if one is missed is the first of them no detection.
# Remedy: Append a 0 to fp_probs. It is then the lowest probability, so that no detection is left out.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check monai==1.6.1 torch==2.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
from monai.metrics import compute_fp_tp_probs_nd, compute_froc_curve_data, compute_froc_score
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("monai", "torch")))
RATES = (0.25, 0.5, 1, 2, 4, 8)
IMAGES, LESIONS = 5, 2
masks = []
for image in range(IMAGES):
    mask = np.zeros((16, 64, 64), int)
    mask[4:8, 10:20, 10:20] = 1
    mask[6:9, 40:50, 30:40] = 2
    masks.append(mask)
MIDDLES = [(5, 15, 15), (7, 45, 35)]
ELSEWHERE = (12, 5, 60)

def scores(detections, images=IMAGES, lesions=LESIONS, remedy=False):
    """The score of MONAI and the one by hand. A detection is an image, a place and a probability."""
    false, true, targets = [], [], 0
    for image in range(images):
        mask = np.where(masks[image] > lesions, 0, masks[image])
        here = [(place, p) for i, place, p in detections if i == image]
        places = np.array([place for place, _ in here], dtype=int).reshape(-1, 3)
        fp, tp, count = compute_fp_tp_probs_nd(np.array([p for _, p in here], np.float32), places, mask)
        false += fp.tolist()
        true += tp.tolist()
        targets += count
    check(targets == images * lesions, f"{targets} lesions")
    curve = compute_froc_curve_data(np.array(false + [0.0] * remedy), np.array(true), targets, images)
    # The detections at each threshold from the highest down, and none above it.
    false, true = np.array(false), np.array([p for p in true if p > 0])
    thresholds = [2.0, *sorted({p for _, _, p in detections}, reverse=True)]
    rate = [(false >= np.float32(t)).sum() / images for t in thresholds]
    found = [(true >= np.float32(t)).sum() / targets for t in thresholds]
    return float(compute_froc_score(*curve, eval_thresholds=RATES)), float(np.interp(RATES, rate, found).mean())

lesions = [(image, place) for image in range(IMAGES) for place in MIDDLES]
sure = [(*lesion, 1.0) for lesion in lesions]
graded = [(*lesion, 0.95 - 0.05 * k) for k, lesion in enumerate(lesions)]
for what, detections, options, wanted, right_wanted in [
    ("8 of 10 lesions, all probabilities 1", sure[:8], {}, 0.8, 0.8),
    ("9 of 10 lesions, all probabilities 1", sure[:9], {}, 0.9, 0.9),
    ("10 of 10 lesions, all probabilities 1", sure, {}, 0, 1),
    ("8 of 10 lesions, different probabilities", graded[:8], {}, 0.8, 0.8),
    ("9 of 10 lesions, different probabilities", graded[:9], {}, 0.9, 0.9),
    ("10 of 10 lesions, different probabilities", graded, {}, 0.9, 1),
    ("10 of 10 and a false positive of 0.1", [*graded, (0, ELSEWHERE, 0.1)], {}, 1, 1),
    ("one image with one lesion, which is found", graded[:1], {"images": 1, "lesions": 1}, 0, 1),
    ("the same and a false positive of 0.1", [*graded[:1], (0, ELSEWHERE, 0.1)], {"images": 1, "lesions": 1}, 1, 1),
]:
    score, right = scores(detections, **options)
    print(f"{what}: {score:.2f}, by hand {right:.2f}")
    check(abs(score - wanted) < 1e-9, f"{what}: {score}")
    check(abs(right - right_wanted) < 1e-9, f"{what}: by hand {right}")
    score, right = scores(detections, **options, remedy=True)
    check(abs(score - right) < 1e-9, f"{what}: {score} with a zero appended")

# Many random detectors: right as soon as one lesion is missed.
rng = np.random.default_rng(0)
wrong = {True: 0, False: 0}
for trial in range(200):
    missed = trial % 2 == 0
    detections = [(*lesion, float(rng.uniform(0.3, 1))) for lesion in lesions[missed:]]
    detections += [(int(rng.integers(IMAGES)), ELSEWHERE, float(rng.uniform(0.3, 0.9))) for _ in range(3)]
    score, right = scores(detections)
    check(score <= right + 1e-9, f"{score} is above {right}")
    wrong[missed] += abs(score - right) > 1e-9
print(f"of 100 random detectors that miss a lesion {wrong[True]} have a wrong score, of 100 that find all {wrong[False]}")
check(wrong[True] == 0 and wrong[False] > 50, f"random detectors: {wrong}")
EOF
venv/bin/python check.py
