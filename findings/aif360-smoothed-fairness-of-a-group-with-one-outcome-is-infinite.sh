#!/usr/bin/env bash
# AIF360: the smoothed differential fairness is infinite if all of one group are accepted, while its other interface says 4.6 for the same data.
#
# Expected: The smoothed rate of a group is (P + alpha) / (P + N + |R_Y| alpha), where |R_Y| is the number of outcomes, which is 2 for
#   yes and no. Smoothing is there so that a group in which all have one outcome gets a finite value. Yes and no may be swapped.
# Happens: smoothed_edf is infinite if all of one group are accepted. If 99 of 100 are accepted it is 3.5165, as by hand. If none is accepted
#   it is 3.92 instead of 4.62, since the group counts with twice the smoothing, so the measure changes if yes and no are swapped. With
#   small groups a group of 3 rejected persons has a rate of 0.25 instead of 0.125. smoothed_base_rate, smoothed_selection_rate and
#   df_bias_amplification go with it. smoothed_empirical_differential_fairness of BinaryLabelDatasetMetric is right for all.
# Seen: aif360 0.6.1, scikit-learn 1.9.1, pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: The measure is made for intersections such as sex, race and age, where many groups are small and have one outcome only.
# Cause: smoothed_base_rate takes the number of different outcomes in the group for |R_Y|, since it is called once for each group. With
#   one outcome alpha is the whole concentration, so the rate is 1 if all are accepted, and the log of 1 minus it is minus infinity.
# Remedy: Take smoothed_empirical_differential_fairness of the dataset classes.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check aif360==0.6.1 scikit-learn==1.9.1 pandas==2.3.3 \
    numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import logging
import sys
import warnings
from itertools import combinations
# Notes on optional packages, and the log of zero.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import BinaryLabelDatasetMetric
from aif360.sklearn.metrics import df_bias_amplification, smoothed_base_rate, smoothed_edf

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("aif360", "scikit-learn", "pandas")))

def people(accepted):
    """The outcomes of groups, for each of which the numbers accepted and all are given."""
    groups = np.concatenate([[g] * n for g, (_, n) in enumerate(accepted)])
    outcomes = np.concatenate([[1] * k + [0] * (n - k) for k, n in accepted])
    return pd.Series(outcomes, index=pd.Index(groups, name="group"), name="accepted")

def by_hand(accepted, classes=lambda k, n: 2):
    """Epsilon of Foulds and others, with a concentration of 1."""
    rates = [(k + 1 / classes(k, n)) / (n + 1) for k, n in accepted]
    with np.errstate(divide="ignore"):
        both = [(np.log(rate), np.log(1 - rate)) for rate in rates]
    return float(max(abs(a - b) for side in zip(*both) for a, b in combinations(side, 2)))

def by_dataset(outcomes):
    table = pd.DataFrame({"group": outcomes.index.to_numpy(float), "accepted": outcomes.to_numpy(float)})
    dataset = BinaryLabelDataset(df=table, label_names=["accepted"], protected_attribute_names=["group"])
    return float(BinaryLabelDatasetMetric(dataset).smoothed_empirical_differential_fairness())

for what, accepted, right in [
    ("60 and 40 of 100", [(60, 100), (40, 100)], True),
    ("99 and 50 of 100", [(99, 100), (50, 100)], True),
    ("100 and 50 of 100", [(100, 100), (50, 100)], False),
    ("0 and 50 of 100", [(0, 100), (50, 100)], False),
    ("0 and 3 of 6, a small study", [(0, 6), (3, 6)], False),
    ("five groups, one of 3 accepted persons", [(30, 60), (25, 40), (3, 3), (10, 30), (5, 12)], False),
]:
    outcomes = people(accepted)
    value, other, hand = float(smoothed_edf(outcomes, prot_attr="group")), by_dataset(outcomes), by_hand(accepted)
    swapped = float(smoothed_edf(1 - outcomes, prot_attr="group"))
    print(f"{what}: smoothed_edf {value:.4f}, yes and no swapped {swapped:.4f}, the dataset class {other:.4f}, by hand {hand:.4f}")
    check(abs(other - hand) < 1e-9, f"{what}: the dataset class says {other}")
    check((abs(value - hand) < 1e-9) == right, f"{what}: {value}")
    wrong = by_hand(accepted, lambda k, n: 1 if k in (0, n) else 2)
    check(value == wrong or abs(value - wrong) < 1e-9, f"{what}: {value} is not that of the number of outcomes in each group")
    check(np.isinf(value) == any(k == n for k, n in accepted), f"{what}: {value}")
    check((abs(swapped - value) < 1e-9) == right, f"{what}: swapped {swapped}")

rates = [float(smoothed_base_rate(people([pair]))) for pair in ((3, 3), (2, 3), (0, 3))]
print("smoothed rates of 3, 2 and 0 of 3:", *(f"{rate:.3f}" for rate in rates), "- by hand 0.875 0.625 0.125")
check(np.allclose(rates, [1, 0.625, 0.25]), f"rates {rates}")
truth, predicted = people([(80, 100), (60, 100)]), people([(100, 100), (60, 100)])
amplified = float(df_bias_amplification(truth, predicted.to_numpy(), prot_attr="group"))
right = by_hand([(100, 100), (60, 100)]) - by_hand([(80, 100), (60, 100)])
print(f"df_bias_amplification of a model that accepts all of one group: {amplified:.4f}, by hand {right:.4f}")
check(np.isinf(amplified) and right < 5, f"amplification {amplified}")
EOF
venv/bin/python check.py
