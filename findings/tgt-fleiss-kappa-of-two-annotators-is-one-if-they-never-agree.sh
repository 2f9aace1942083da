#!/usr/bin/env bash
# tgt: Fleiss' kappa of two annotators who never agree is 1.0, and that of two who agree on 73 of 100 labels is 0.39 in place of 0.60.
#
# Expected: agreement(tiers, "fleiss-kappa") is Fleiss' kappa of the labels of the tiers. For two annotators this is Scott's pi, which
#   the same function computes as "scott-pi".
# Happens: For two tiers Fleiss' kappa is computed from the table of how often label i of the one met label j of the other, as if its
#   rows were items and its columns counts of annotators. Two annotators who agree on 73 of 100 accents get 0.39 in place of 0.60,
#   and 0.36 if they change places. If the second one calls each H* an L* and each L* an H*, so that they never agree, they get
#   1.0 in place of -1.0. With three or more tiers, and for Cohen's kappa and Scott's pi, the numbers are right.
# Seen: tgt 1.5, which is TextGridTools, and scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The agreement of two annotators is what phoneticians report for their labels, and a large number says that the labels can be
#   used. A pair that swaps two labels looks perfect.
# Cause: agreement() sends two tiers to the branch for pairs, where cont_table makes a table of labels by labels, while fleiss_kappa
#   takes a table of items by labels. Give the method "scott-pi" for two tiers.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tgt==1.5 numpy==2.4.6 scikit-learn==1.9.1

cat > check.py <<'EOF'
import collections
import importlib.metadata
import random
import sys
import warnings
import tgt
from sklearn.metrics import cohen_kappa_score
from tgt.agreement import agreement
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("tgt", "scikit-learn")))

def tiers(*annotators):
    result = []
    for number, labels in enumerate(annotators):
        tier = tgt.IntervalTier(0, len(labels), f"annotator {number + 1}")
        for i, label in enumerate(labels):
            tier.add_interval(tgt.Interval(i, i + 1, label))
        result.append(tier)
    return result

def by_tgt(method, *annotators):
    """For two tiers there is a list of pairs, or one pair, by the method."""
    found = agreement(tiers(*annotators), method)
    return float((found[0] if isinstance(found[0], list) else found)[-1])

def by_formula(*annotators):
    """Fleiss' kappa: how many pairs of annotators agree on an item, against the pairs that would agree by chance."""
    n = len(annotators)
    counts = [collections.Counter(labels) for labels in zip(*annotators)]
    seen = sum(sum(k * (k - 1) for k in count.values()) / (n * (n - 1)) for count in counts) / len(counts)
    total = sum(counts, collections.Counter())
    chance = sum((k / total.total()) ** 2 for k in total.values())
    return (seen - chance) / (1 - chance)

rng = random.Random(0)
LABELS = ["H*", "L*", "L+H*"]
truth = [rng.choice(LABELS) for _ in range(100)]

def annotator(errors):
    return [rng.choice(LABELS) if rng.random() < errors else label for label in truth]

first, second, third = annotator(0.2), annotator(0.2), annotator(0.2)
agreed = sum(a == b for a, b in zip(first, second))
two = [label for label in truth if label != "L+H*"]
swapped = ["L*" if label == "H*" else "H*" for label in two]
cases = [(f"two who agree on {agreed} of 100", (first, second)), ("two who agree on all", (first, first)),
         ("two who never agree", (two, swapped)), ("three", (first, second, third)), ("four", (first, second, third, truth))]
seen = {}
for what, annotators in cases:
    found, wanted = by_tgt("fleiss-kappa", *annotators), by_formula(*annotators)
    seen[what] = found, wanted
    print(f"{what}: Fleiss' kappa by tgt {found:.3f}, by its formula {wanted:.3f}", end="")
    if len(annotators) == 2:
        scott, cohen, other = by_tgt("scott-pi", *annotators), by_tgt("cohen-kappa", *annotators), float(cohen_kappa_score(*annotators))
        print(f", Scott's pi by tgt {scott:.3f}, Cohen's kappa by tgt {cohen:.3f} and by scikit-learn {other:.3f}", end="")
        check(abs(scott - wanted) < 1e-9 and abs(cohen - other) < 1e-9, f"{what}: {scott} {cohen} {other}")
    else:
        check(abs(found - wanted) < 1e-9, f"{what}: {found}")
    print()

found, wanted = seen[f"two who agree on {agreed} of 100"]
check(agreed == 73 and abs(found - 0.391) < 5e-4 and abs(wanted - 0.595) < 5e-4, f"73 of 100: {found} {wanted}")
turned = by_tgt("fleiss-kappa", second, first)
print(f"the first two in the other order: {turned:.3f} by tgt, {by_formula(second, first):.3f} by its formula")
check(abs(turned - 0.362) < 5e-4 and by_formula(second, first) == wanted, f"other order: {turned}")
check(seen["two who agree on all"] == (1, 1), f"agree on all: {seen['two who agree on all']}")
found, wanted = seen["two who never agree"]
check(abs(found - 1) < 1e-9 and wanted < -0.99, f"never agree: {found} {wanted}")
EOF
venv/bin/python check.py
