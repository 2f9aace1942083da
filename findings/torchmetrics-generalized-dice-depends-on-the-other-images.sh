#!/usr/bin/env bash
# TorchMetrics: the generalized Dice score of an image is 0.97 alone and 0.08 in a batch, since an absent class gets the weight of another class.
#
# Expected: GeneralizedDiceScore is the mean over images, and the weight of a class is the inverse of its squared volume in the image,
#   as the documentation says. A class that an image does not have has no such weight; for one image alone it is left out. So the
#   score of one model on one data set does not depend on the size of the batches or on the order of the images.
# Happens: A class that is absent in one image of a batch gets a weight from other images, and mostly that of another class. Six
#   scans with a tumour, 12 without and 6 with a small one get 0.96 in batches of one, 0.74 in batches of two, 0.85 in batches
#   of eight, and other scores when they are shuffled. A healthy scan is 0.97, 0.96, 0.88 or 0.08 by its place in the batch.
#   weight_type="square" is the default; "simple" does it too, "linear" has no weights. Scans that have all classes behave.
# Seen: torchmetrics 1.9.0, torch 2.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The score is made for small structures, which most images do not have. Validation with another batch size, a shorter last
#   batch or shuffled images ranks other models first, and a comparison with results of others means nothing.
# Cause: _generalized_dice_update takes the largest weight of each class over the batch and flattens this table class by class, while
#   the weights that it fills in are flattened image by image. batch_size=1, or one update for each image, gives the mean by hand.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check torchmetrics==1.9.0 torch==2.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import random
import sys
import warnings
import torch
from torchmetrics.functional.segmentation import generalized_dice_score
from torchmetrics.segmentation import GeneralizedDiceScore
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("torchmetrics", "torch")))
BACKGROUND, ORGAN, TUMOUR = range(3)

def scan(organ, tumour):
    """A mask with so many rows of organ and of tumour, of 100 pixels each."""
    mask = torch.full((100, 100), BACKGROUND)
    mask[:organ] = ORGAN
    if tumour:
        mask[-tumour:] = TUMOUR
    return mask

# Truth and prediction. The healthy patient has no tumour, and the model sees one row of it.
patients = {"healthy": (scan(30, 0), scan(28, 1)), "ill": (scan(30, 10), scan(28, 8)), "early": (scan(30, 1), scan(28, 1))}

def by_hand(name, weight):
    """Weights by the volume of each class in the image, and none for a class that is absent there."""
    target, preds = patients[name]
    above = below = 0.0
    for label in (BACKGROUND, ORGAN, TUMOUR):
        t, p = target == label, preds == label
        volume = int(t.sum())
        w = {"linear": 1, "simple": volume and 1 / volume, "square": volume and 1 / volume**2}[weight]
        above += 2 * w * int((t & p).sum())
        below += w * int(t.sum() + p.sum())
    return above / below

def batch(names):
    target, preds = (torch.stack([patients[name][i] for name in names]) for i in (0, 1))
    return preds, target

def scores(names, weight):
    return generalized_dice_score(*batch(names), num_classes=3, input_format="index", weight_type=weight).tolist()

def near(a, b):
    return abs(a - b) < 5e-4

orders = [("healthy", "ill"), ("ill", "healthy"), ("early", "healthy"), ("healthy", "early", "ill"), ("ill", "early", "healthy")]
seen = {}
for weight in ("square", "simple", "linear"):
    for name in patients:
        check(near(scores([name], weight)[0], by_hand(name, weight)), f"{name} alone, {weight}: {scores([name], weight)}")
    for names in [("ill", "early"), ("early", "ill", "ill"), *orders]:
        for name, score in zip(names, scores(names, weight)):
            if name == "healthy":
                seen.setdefault(weight, {})[names] = score
            else:
                check(near(score, by_hand(name, weight)), f"{name} in {names}, {weight}: {score}")
    print(f"{weight}: a healthy scan alone {by_hand('healthy', weight):.3f},",
          ", ".join(f"in {'-'.join(names)} {score:.3f}" for names, score in seen[weight].items()))
for names, wanted in zip(orders, (0.958, 0.876, 0.083, 0.967, 0.083)):
    check(near(seen["square"][names], wanted), f"healthy in {names}: {seen['square'][names]}")
check(min(seen["simple"].values()) < 0.8 < max(seen["simple"].values()), f"simple: {seen['simple']}")
check(all(near(score, by_hand("healthy", "linear")) for score in seen["linear"].values()), f"linear: {seen['linear']}")

def validate(data, size, **options):
    metric = GeneralizedDiceScore(num_classes=3, input_format="index", **options)
    for i in range(0, len(data), size):
        metric.update(*batch(data[i:i + size]))
    return float(metric.compute())

data = ["healthy", "ill", "early", "healthy"] * 6
mean = sum(by_hand(name, "square") for name in data) / len(data)
sizes = (1, 2, 4, 8, 24)
for what, wanted in [("in this order", (0.739, 0.741, 0.850, 0.813)), ("shuffled", (0.803, 0.875, 0.883, 0.777))]:
    if what == "shuffled":
        random.Random(0).shuffle(data)
    results = [validate(data, size) for size in sizes]
    print(f"24 scans {what}, mean by hand {mean:.3f},", ", ".join(f"batches of {size} {result:.3f}" for size, result in zip(sizes, results)))
    check(near(results[0], mean), f"batches of one: {results[0]}")
    check(all(abs(a - b) < 1e-3 for a, b in zip(results[1:], wanted)), f"{what}: {results}")
    check(all(near(validate(data, size, weight_type="linear"), validate(data, 1, weight_type="linear")) for size in sizes), "linear")
EOF
venv/bin/python check.py
