#!/usr/bin/env bash
# MAPIE: with split_strategy="array split" the calibration error of an overconfident model is 0.01 in place of 0.17, and depends on the order of rows.
#
# Expected: expected_calibration_error and top_label_ece are means over bins of scores. "array split" makes bins with equal numbers of
#   scores. Such an error is a property of a set of predictions, so it does not depend on the order in which they come. "uniform" and
#   "quantile" give 0.16 for a model that says 0 to 1 where the truth is 0.4 or 0.6.
# Happens: With "array split" the same model gets 0.01, which is the error of its mean: nearly all scores are in one bin. If the rows are
#   sorted by score, it gets 0.17, as by hand. A model that says 0.99 for half of the rows and 0.01 for the others, and is a coin,
#   gets 0.01 in place of 0.49 if the rows are shuffled. top_label_ece does the same.
# Seen: MAPIE 1.6.0, numpy 2.3.5, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Predictions come in the order of the data set, not of their scores. A useless model is reported as calibrated, and a calibrator
#   that is chosen by this number is chosen by the difference of two means.
# Cause: _get_binning_groups takes np.array_split of the scores as they come, and the largest score of each part as a border. The borders
#   are sorted, but each is close to the largest score of all, so the first bin holds all the rest. Sorting the scores first is enough.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check mapie==1.6.0 scikit-learn==1.9.1 numpy==2.3.5

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
warnings.simplefilter("error")
from mapie.metrics.calibration import expected_calibration_error, top_label_ece

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("mapie", "scikit-learn", "numpy")))
ROWS, BINS = 10000, 10

def by_hand(truth, score):
    """Ten bins with a tenth of the scores each."""
    parts = np.array_split(np.argsort(score, kind="stable"), BINS)
    return sum(abs(truth[part].sum() - score[part].sum()) for part in parts) / len(score)

def ece(truth, score, strategy):
    return expected_calibration_error(truth, score, num_bins=BINS, split_strategy=strategy)

def near(a, b, tolerance=1e-6):
    return abs(a - b) < tolerance

random = np.random.default_rng(0)
chance = random.uniform(size=ROWS)
overconfident = (random.uniform(size=ROWS) < np.where(chance > 0.5, 0.6, 0.4)).astype(int), chance
calibrated = (random.uniform(size=ROWS) < chance).astype(int), chance
says = random.permutation(np.repeat([0.99, 0.01], ROWS // 2)) + random.uniform(-0.009, 0.009, size=ROWS)
coin = random.integers(0, 2, size=ROWS), says

found = {}
for name, (truth, score) in {"calibrated": calibrated, "overconfident": overconfident, "a coin": coin}.items():
    order = np.argsort(score, kind="stable")
    hand = by_hand(truth, score)
    for strategy in ("uniform", "quantile"):
        value = ece(truth, score, strategy)
        check(near(value, ece(truth[order], score[order], strategy)), f"{name}, {strategy}: depends on the order")
        # The borders of the bins are not the same.
        check(near(value, hand, 0.06), f"{name}, {strategy}: {value}, by hand {hand}")
    shuffled, sorted_ = ece(truth, score, "array split"), ece(truth[order], score[order], "array split")
    print(f"{name}: by hand {hand:.3f}, uniform {ece(truth, score, 'uniform'):.3f}, array split as they come {shuffled:.3f}, sorted by score {sorted_:.3f}")
    print(f"    the mean score is off by {abs(truth.mean() - score.mean()):.3f}")
    check(near(sorted_, hand), f"{name}, sorted: {sorted_}, by hand {hand}")
    check(near(shuffled, abs(truth.mean() - score.mean()), 0.01), f"{name}, as they come: {shuffled}")
    found[name] = hand, shuffled
check(found["calibrated"][0] < 0.02 and found["overconfident"][0] > 0.15 and found["a coin"][0] > 0.48, f"by hand {found}")
check(all(shuffled < 0.02 for _, shuffled in found.values()), f"as they come {found}")

# Top label: a model of two classes that is right more often where it is less sure.
label = random.integers(0, 2, size=ROWS)
sure = random.uniform(0.5, 1, size=ROWS)
right = random.uniform(size=ROWS) < np.where(sure < 0.75, 0.9, 0.6)
said = np.where(right, label, 1 - label)
both = np.where(np.arange(2) == said[:, None], sure[:, None], 1 - sure[:, None])
hand = np.mean([by_hand(right[said == k].astype(int), sure[said == k]) for k in (0, 1)])
order = np.argsort(sure, kind="stable")
shuffled, sorted_ = (top_label_ece(l, p, num_bins=BINS, split_strategy="array split") for l, p in ((label, both), (label[order], both[order])))
print(f"top_label_ece: by hand {hand:.3f}, array split as they come {shuffled:.3f}, sorted by score {sorted_:.3f}")
check(hand > 0.15 and near(sorted_, hand) and shuffled < 0.02, f"top_label_ece: {shuffled}, sorted {sorted_}, by hand {hand}")
EOF
venv/bin/python check.py
