#!/usr/bin/env bash
# scikit-mobility: the normalized entropy of a place that eight people visit equally often is 0.69, and equal trips have a tenth in common.
#
# Expected: uncorrelated_location_entropy is a sum of p log2 p, and with normalize=True it is divided by log2 of the number of visitors, as
#   the documentation says, so it is 3 bits and 1 for eight people who come equally often. random_location_entropy is 3 bits for them.
#   The common part of commuters by distance of a set of trips with itself is 1, as its counterpart without distance is.
# Happens: The entropy of the place is in nats, 2.08, and the normalized one is nats divided by bits, so no place has more than 0.69. For
#   people, uncorrelated_entropy is in bits and reaches 1. common_part_of_commuters_distance of a set of trips with itself is 0.10 if the
#   mean trip is 10 km, and 0.98 or 0.01 for the same trips in units of 10 km or of 100 m.
# Seen: scikit-mobility 1.2.2, numpy 1.26.4, shapely 2.0.7, pandas 2.2.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Entropies of places and of people are compared and are features of one model. A threshold of 0.7 for places that all use finds
#   none. The common part by distance is how models of commuting are compared, and it says that the data do not agree with themselves.
# Cause: _uncorrelated_location_entropy_individual calls scipy.stats.entropy without base=2. The other function counts trips in bins of 2
#   and divides by sum(values1), which is the length of all trips and not their number, and its bins end below the longest trips.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scikit-mobility==1.2.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3 geopandas==1.0.1 shapely==2.0.7 fiona==1.10.1 h3==3.7.7

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
# Announced changes of other packages.
warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
import skmob
from skmob.measures.collective import random_location_entropy, uncorrelated_location_entropy
from skmob.measures.evaluation import common_part_of_commuters, common_part_of_commuters_distance
from skmob.measures.individual import uncorrelated_entropy

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-mobility", "numpy", "pandas")))
PLACES = [(45.0 + i / 100, 9.0) for i in range(8)]

def visits(table):
    """One row of counts for each person, one column for each place."""
    rows = [(*PLACES[place], person) for person, counts in enumerate(table) for place, count in enumerate(counts) for _ in range(count)]
    frame = pd.DataFrame(rows, columns=["lat", "lng", "uid"])
    frame["datetime"] = pd.Timestamp("2026-06-01") + pd.to_timedelta(np.arange(len(frame)), unit="h")
    return skmob.TrajDataFrame(frame)

def bits(counts):
    p = np.array([count for count in counts if count]) / sum(counts)
    return float(-(p * np.log2(p)).sum())

def near(a, b):
    return bool(np.allclose(a, b, atol=1e-6))

rng = np.random.default_rng(0)
for what, table in [("all come equally often", np.full((8, 8), 2)), ("some come more often", rng.integers(1, 9, size=(8, 8)))]:
    data = visits(table)
    quiet = {"show_progress": False}
    place = uncorrelated_location_entropy(data, **quiet).iloc[:, -1].to_numpy()
    place_norm = uncorrelated_location_entropy(data, normalize=True, **quiet).iloc[:, -1].to_numpy()
    person = uncorrelated_entropy(data, **quiet).iloc[:, -1].to_numpy()
    person_norm = uncorrelated_entropy(data, normalize=True, **quiet).iloc[:, -1].to_numpy()
    random = random_location_entropy(data, **quiet).iloc[:, -1].to_numpy()
    place_bits, person_bits = [bits(column) for column in table.T], [bits(row) for row in table]
    print(f"{what}: first place {place[0]:.3f} and normalized {place_norm[0]:.3f}, by hand {place_bits[0]:.3f} and {place_bits[0] / 3:.3f};",
          f"first person {person[0]:.3f} and {person_norm[0]:.3f}, by hand {person_bits[0]:.3f} and {person_bits[0] / 3:.3f}")
    check(near(random, 3), f"{what}, random entropy: {random}")
    check(near(person, person_bits) and near(person_norm, np.divide(person_bits, 3)), f"{what}, people: {person} {person_norm}")
    check(near(place, np.multiply(place_bits, np.log(2))), f"{what}, places: {place}")
    check(near(place_norm, np.multiply(place_bits, np.log(2) / 3)) and place_norm.max() < 0.694, f"{what}, normalized: {place_norm}")

def by_hand(a, b, width=2):
    """Trips in common by bins of distance, relative to the number of trips."""
    count = int(max(a.max(), b.max()) // width) + 1
    a, b = (np.bincount((values // width).astype(int), minlength=count) for values in (a, b))
    return np.minimum(a, b).sum() / a.sum()

trips = rng.exponential(10, size=1000)
model = rng.exponential(10, size=1000)
for what, a, b in [("the same trips", trips, trips), ("trips of a model", trips, model)]:
    for unit, factor in [("km", 1), ("10 km", 0.1), ("100 m", 10)]:
        value = common_part_of_commuters_distance(a * factor, b * factor)
        print(f"{what} in units of {unit}: common part {value:.3f}, by hand {by_hand(a * factor, b * factor, 2):.3f}")
        # Multiplied by the mean trip it is right but for the last bin.
        check(abs(value * (a * factor).mean() - by_hand(a * factor, b * factor)) < 0.05, f"{what}, {unit}: {value}")
        if a is b:
            check(by_hand(a * factor, b * factor) == 1 and common_part_of_commuters(a, b) == 1, "by hand")
            check(abs(value - {"km": 0.0985, "10 km": 0.985, "100 m": 0.00985}[unit]) < 0.01 * value, f"{what}, {unit}: {value}")
PY
venv/bin/python check.py
