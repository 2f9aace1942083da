#!/usr/bin/env bash
# DendroPy: the net number of differences between two samples of one population is -39 in place of 0, and that within them twice too large.
#
# Expected: In PopulationPairSummaryStatistics the average number of differences within populations lies between those of the two
#   populations, and the net number of differences is the number between them less this average, as Nei defined it. It is near 0 if
#   both are samples of one population, and 20 if 20 of 1000 sites differ in all pairs from the two.
# Happens: For two samples of one population, with 37.6 and 39.6 differences within them and 38.4 between them, the average within is
#   77.1 and the net number is -38.7. For populations that 20 fixed sites separate it is about -19 in place of 20. The number between
#   populations, that over all sequences and the functions for one population are right.
# Seen: DendroPy 5.1.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The net number measures how long two populations are apart, and these statistics are what approximate Bayesian computation
#   compares with simulations of other programs. Pairs that are apart rank by how little variation they have within.
# Cause: PopulationPairSummaryStatistics.calc adds up the averages of the two populations and does not halve the sum. For populations of
#   one size, between - within / 2 is the net number.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check DendroPy==5.1.3 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import itertools
import sys
import numpy as np
import dendropy
from dendropy.calculate import popgenstat

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("dendropy", "numpy")))
rng = np.random.default_rng(0)
SITES, EACH = 1000, 10
ancestor = rng.integers(0, 4, SITES)

def sample():
    sequence = ancestor.copy()
    hit = rng.random(SITES) < 0.02
    sequence[hit] = (sequence[hit] + rng.integers(1, 4, hit.sum())) % 4
    return sequence

one_population = np.array([sample() for _ in range(2 * EACH)])

def by_hand(first, second):
    """Mean differences within the first, within the second, and between them."""
    within = [np.mean([(a != b).sum() for a, b in itertools.combinations(group, 2)]) for group in (first, second)]
    return *within, np.mean([(a != b).sum() for a in first for b in second])

def matrix(rows):
    return dendropy.DnaCharacterMatrix.from_dict({f"s{i}": "".join("ACGT"[base] for base in row) for i, row in enumerate(rows)})

def near(a, b):
    return bool(np.isclose(a, b))

for what, fixed, wanted in [("two samples of one population", 0, (-0.2, -38.8)), ("20 fixed sites apart", 20, (19.9, -18.7)), ("60 fixed sites apart", 60, (59.9, 21.3))]:
    rows = one_population.copy()
    # These sites are free of variation within, and differ between the two.
    quiet = np.flatnonzero((rows == rows[0]).all(axis=0))[:fixed]
    rows[EACH:, quiet] = (rows[EACH:, quiet] + 1) % 4
    x, y, between = by_hand(rows[:EACH], rows[EACH:])
    data = matrix(rows)
    sequences = data.sequences()
    pair = popgenstat.PopulationPairSummaryStatistics(sequences[:EACH], sequences[EACH:])
    within, net = pair.average_number_of_pairwise_differences_within, pair.average_number_of_pairwise_differences_net
    print(f"{what}: within {x:.1f} and {y:.1f}, between {between:.1f}; net by hand {between - (x + y) / 2:.1f}; DendroPy: within {within:.1f}, net {net:.1f}")

    # What is right.
    check(near(pair.average_number_of_pairwise_differences_between, between), f"{what}, between: {pair.average_number_of_pairwise_differences_between}")
    for group, value in ((rows[:EACH], x), (rows[EACH:], y)):
        check(near(popgenstat.average_number_of_pairwise_differences(matrix(group)), value), f"{what}, one population")
    total = (EACH * (EACH - 1) / 2 * (x + y) + EACH**2 * between) / (EACH * (2 * EACH - 1))
    check(near(pair.average_number_of_pairwise_differences, total), f"{what}, all: {pair.average_number_of_pairwise_differences}")

    # What is not.
    check(near(within, x + y) and within > 1.9 * max(x, y), f"{what}, within: {within}")
    check(near(net, between - x - y), f"{what}, net: {net}")
    check(abs(between - (x + y) / 2 - wanted[0]) < 0.2 and abs(net - wanted[1]) < 0.2, f"{what}: {between - (x + y) / 2}, {net}")
    check(near(between - within / 2, between - (x + y) / 2), f"{what}, half")
PY
venv/bin/python check.py
