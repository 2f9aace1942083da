#!/usr/bin/env bash
# segregation: its clustering indices do not see whether a group lives in one quarter or is scattered, or take scattered for clustered.
#
# Expected: RelativeClustering, AbsoluteClustering and SpatialProximity follow Massey and Denton, as the documentation says. They
#   tell whether the districts of a group lie side by side. One quarter is more clustered than the same districts far apart, and a
#   city in two halves more than a chessboard, in whatever unit the distances are.
# Happens: RelativeClustering of nine districts is 1.575 in one quarter, in the four corners and spread evenly. With distances in km
#   it is 0.62, -0.04 and -0.03 by hand. AbsoluteClustering gives two halves 0.25 and a chessboard 0.32, by hand 0.46 and -0.02, and nine
#   districts that are spread more than nine in one quarter. SpatialProximity has the same wrong order. SpatialDissim and
#   BoundarySpatialDissim of the same library order the cities as one expects.
# Seen: segregation 2.5.4, geopandas 1.2.0, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Clustering is one of the five dimensions of segregation, and these are its standard measures. The numbers have the usual
#   range, so a ghetto and a mixed city get one value, and a city that becomes less clustered gets a larger one.
# Cause: _relative_clustering multiplies x by x elementwise, so the sum has the squares of the districts and no pairs of two. All
#   three use 1 - exp(-d) as the proximity of two districts, which grows with d, the distance as a share of all distances of a district.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check segregation==2.5.4 geopandas==1.2.0 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
# Announced changes of pandas and speed hints.
warnings.simplefilter("ignore")
import geopandas
import numpy as np
from segregation.singlegroup import AbsoluteClustering, BoundarySpatialDissim, RelativeClustering, SpatialDissim, SpatialProximity
from shapely.geometry import box

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("segregation", "geopandas", "numpy")))
SIDE = 10
KM = 1000
cells = [(i % SIDE, i // SIDE) for i in range(SIDE**2)]

def city(here):
    """Squares of 1 km with 100 people each; 90 of them are of the group where here says so, and 10 elsewhere."""
    return geopandas.GeoDataFrame(
        {"group": [90 if here(x, y) else 10 for x, y in cells], "all": 100},
        geometry=[box(x * KM, y * KM, (x + 1) * KM, (y + 1) * KM) for x, y in cells], crs=32633)

CORNERS = {(0, 0), (1, 0), (0, 1), (9, 0), (8, 0), (9, 9), (9, 8), (0, 9), (0, 8)}
cities = {
    "halves": city(lambda x, y: x < 5),
    "chessboard": city(lambda x, y: (x + y) % 2),
    "quarter": city(lambda x, y: x < 3 and y < 3),
    "corners": city(lambda x, y: (x, y) in CORNERS),
    "spread": city(lambda x, y: x % 4 == 1 and y % 4 == 1),
}
for what, table in cities.items():
    check((table["group"] == 90).sum() == (50 if what in ("halves", "chessboard") else 9), f"districts of {what}")

def by_hand(table, unit=1.0, shares=False):
    """Massey and Denton: exp(-d) of the distance in units of km, and of (0.6 area)^0.5 within a district."""
    places = np.array(cells, dtype=float)
    d = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(d, 0.6**0.5)
    c = np.exp(-d / d.sum(axis=1) if shares else -d / unit)
    x, t = table["group"].to_numpy(float), table["all"].to_numpy(float)
    y, n = t - x, len(table)
    within = lambda people: people @ c @ people / people.sum() ** 2
    even = x.sum() / n**2 * c.sum()
    relative = within(x) / within(y) - 1
    absolute = (x / x.sum() @ c @ x - even) / (x / x.sum() @ c @ t - even)
    proximity = (x.sum() * within(x) + y.sum() * within(y)) / (t.sum() * within(t))
    return relative, absolute, proximity

right, seen, others = {}, {}, {}
for what, table in cities.items():
    right[what] = by_hand(table)
    seen[what] = [float(index(table, "group", "all").statistic) for index in (RelativeClustering, AbsoluteClustering, SpatialProximity)]
    others[what] = [float(index(table, "group", "all").statistic) for index in (SpatialDissim, BoundarySpatialDissim)]
    print(f"{what}: relative {seen[what][0]:.3f}, absolute {seen[what][1]:.3f}, proximity {seen[what][2]:.3f};",
          "by hand {:.3f}, {:.3f}, {:.3f};".format(*right[what]), "two others {:.3f}, {:.3f}".format(*others[what]))

RELATIVE, ABSOLUTE, PROXIMITY = range(3)
# By hand the quarter is far more clustered than the other two in all three ways, and the halves than the chessboard.
check(right["quarter"][RELATIVE] > 0.6 and max(abs(right[what][RELATIVE]) for what in ("corners", "spread")) < 0.05, f"by hand: {right}")
for index in (ABSOLUTE, PROXIMITY):
    check(right["quarter"][index] > 0.09 + right["corners"][index] > 0.1 + right["spread"][index], f"by hand, {index}: {right}")
    check(right["halves"][index] > 0.4 + right["chessboard"][index], f"by hand, {index} of the halves: {right}")
# So they are in miles, in units of 100 m and 10 km, and with the shares of distances that the library takes.
for options in ({"unit": 1.609}, {"unit": 0.1}, {"unit": 10}, {"shares": True}):
    for index in (RELATIVE, ABSOLUTE, PROXIMITY):
        order = {what: by_hand(table, **options)[index] for what, table in cities.items()}
        check(order["quarter"] > max(order["corners"], order["spread"]), f"by hand, {options}, {index}: {order}")
        check(index == RELATIVE or order["halves"] > order["chessboard"], f"by hand, {options}, {index}: {order}")
for index in (0, 1):
    check(others["halves"][index] > 0.3 + others["chessboard"][index], f"other index {index}")
    check(others["quarter"][index] > others["corners"][index] > others["spread"][index], f"other index {index}")

three = [seen[what][RELATIVE] for what in ("quarter", "corners", "spread")]
check(max(three) - min(three) < 0.001 and abs(three[0] - 1.575) < 0.001, f"relative clustering: {three}")
check(all(abs(seen[what][RELATIVE]) < 1e-9 for what in ("halves", "chessboard")), f"relative clustering of equal groups: {seen}")
for index, halves, board in ((ABSOLUTE, 0.249, 0.321), (PROXIMITY, 1.249, 1.321)):
    check(abs(seen["halves"][index] - halves) < 0.001 and abs(seen["chessboard"][index] - board) < 0.001, f"index {index}: {seen}")
    check(seen["quarter"][index] < seen["corners"][index] < seen["spread"][index], f"index {index} in the wrong order: {seen}")
PY
venv/bin/python check.py
