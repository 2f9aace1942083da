#!/usr/bin/env bash
# ensemble-boxes: nms and soft_nms with weights overwrite the scores that they are given, so what is computed next has the weights twice.
#
# Expected: The functions return boxes, scores and labels, and the lists of scores of the models stay as they are. A comparison of NMS,
#   Soft-NMS, NMW and WBF on the same lists, as in the example of the documentation, compares the four methods.
# Happens: Each weighted call of nms or soft_nms multiplies the scores of each model by its share of the weights, in the list of the caller.
#   With weights 2 and 1 a second call weighs the models 4 to 1, a third 8 to 1, and the scores shrink with each call. A sweep over
#   four thresholds that make no difference ends with another box and a score of 0.08 in place of 0.3. After nms and
#   soft_nms the box of WBF lies elsewhere and has a score of 0.15 in place of 0.57. non_maximum_weighted and
#   weighted_boxes_fusion change nothing, and without weights nms does not. Nothing is printed.
# Seen: ensemble-boxes 1.0.9, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The threshold and the weights of an ensemble are found by trying many on the same predictions. Results then depend on the
#   order of the trials, later ones lose boxes to the threshold for scores, and the method that is tried last looks worst.
# Cause: nms_method assigns scores[i] = scores[i] * weights[i] / weights.sum() to the list that it was given. Copying the list for each call
#   helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ensemble-boxes==1.0.9 numpy==2.4.6

cat > check.py <<'PY'
import contextlib
import importlib.metadata
import io
import sys
import warnings
import numpy as np
from ensemble_boxes import nms, non_maximum_weighted, soft_nms, weighted_boxes_fusion
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("ensemble-boxes", importlib.metadata.version("ensemble-boxes"))
# One object. The second model is surer of its box, by more than the first has weight.
boxes = [[[0.10, 0.10, 0.50, 0.50]], [[0.20, 0.10, 0.60, 0.50]]]
labels = [[0], [0]]
WEIGHTS = [2, 1]

def fresh():
    return [[0.4], [0.9]]

def run(method, scores, **options):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = method(boxes, scores, labels, weights=WEIGHTS, **options)
    check(printed.getvalue() == "", f"printed: {printed.getvalue()}")
    return [[float(value) for value in box] + [float(score)] for box, score in zip(found[0], found[1])]

def same(a, b):
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=0, atol=1e-6)

def show(found):
    return "; ".join(f"left {row[0]:.3f}, score {row[4]:.3f}" for row in found)

def flat(scores):
    return [float(values[0]) for values in scores]

for method, wanted in [(nms, [0.4 * 2 / 3, 0.9 / 3]), (soft_nms, [0.4 * 2 / 3, 0.9 / 3]),
                       (non_maximum_weighted, [0.4, 0.9]), (weighted_boxes_fusion, [0.4, 0.9])]:
    scores = fresh()
    run(method, scores, iou_thr=0.5)
    print(f"{method.__name__}: the scores 0.4 and 0.9 of the models are now", *(f"{value:.3f}" for value in flat(scores)))
    check(same(flat(scores), wanted), f"{method.__name__}: {scores}")
scores = fresh()
nms(boxes, scores, labels, iou_thr=0.5)
check(scores == fresh(), f"nms without weights: {scores}")

# The boxes overlap by 0.6, so all thresholds below do the same.
THRESHOLDS = (0.3, 0.4, 0.5, 0.55)
scores = fresh()
once = [run(nms, fresh(), iou_thr=threshold) for threshold in THRESHOLDS]
sweep = [run(nms, scores, iou_thr=threshold) for threshold in THRESHOLDS]
for threshold, alone, found in zip(THRESHOLDS, once, sweep):
    print(f"nms, threshold {threshold}, with scores of its own: {show(alone)}; in a sweep: {show(found)}")
for k, (alone, found) in enumerate(zip(once, sweep)):
    a, b = 0.4 * (2 / 3) ** (k + 1), 0.9 * (1 / 3) ** (k + 1)
    check(same(alone, [boxes[1][0] + [0.3]]), f"nms alone: {alone}")
    check(same(found, [boxes[0][0] + [a] if a > b else boxes[1][0] + [b]]), f"nms in a sweep: {found}")

# As in the example of the documentation: four methods, one after the other, on the same lists.
scores = fresh()
for method in (nms, soft_nms, non_maximum_weighted, weighted_boxes_fusion):
    alone, found = run(method, fresh(), iou_thr=0.5), run(method, scores, iou_thr=0.5)
    print(f"{method.__name__} with scores of its own: {show(alone)}; after the others: {show(found)}")
    check(same(alone, found) == (method is nms), f"{method.__name__}: {alone} and {found}")

def fused(a, b):
    """WBF by hand: boxes by score and weight, the score by weight."""
    shares = np.array([2 * a, b])
    return [*((shares[:, None] * np.array([boxes[0][0], boxes[1][0]])).sum(axis=0) / shares.sum()), (2 * a + b) / 3]

check(same(alone, [fused(0.4, 0.9)]), f"WBF: {alone}, by hand {fused(0.4, 0.9)}")
check(same(found, [fused(0.4 * 4 / 9, 0.9 / 9)]), f"WBF after the others: {found}, by hand {fused(0.4 * 4 / 9, 0.9 / 9)}")
PY
venv/bin/python check.py
