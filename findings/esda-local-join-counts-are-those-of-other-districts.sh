#!/usr/bin/env bash
# esda: local join counts of a table whose index is not sorted belong to other districts.
#
# Expected: Weights that are made from a table keep the order of its rows, and each local statistic has one value for each row, in this
#   order. So a cluster of nine districts is the same nine districts if the table was sorted by population before.
# Happens: Join_Counts_Local, Join_Counts_Local_BV and Join_Counts_Local_MV return their counts in the order of the sorted labels of the
#   index, while the permutations behind their p-values are in the order of the rows. Of nine districts of a cluster two are
#   significant, and seven others get a count although they are not hot at all.
#   Integer labels do it as text labels do, and so does Graph. Moran_Local, G_Local and LOSH of the same weights are right.
# Seen: esda 2.9.0, libpysal 4.14.1, geopandas 1.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A table that was sorted, joined or shuffled has such an index, and libpysal takes the index as labels. The values have the
#   right length and the right distribution, and they go back into the table as a column. The map of hot spots is wrong.
# Cause: _statistic of these classes sums over groupby("ID"), which sorts by label. reset_index(drop=True) before the weights are made helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check esda==2.9.0 libpysal==4.14.1 geopandas==1.2.0 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import geopandas
import numpy as np
import pandas as pd
from esda import G_Local, Join_Counts_Local, Join_Counts_Local_BV, Join_Counts_Local_MV, LOSH, Moran_Local
from libpysal.graph import Graph
from libpysal.weights import Queen
from shapely.geometry import box
# Speed hints and announced changes.
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("esda", "libpysal", "geopandas")))
rng = np.random.default_rng(0)
SIDE = 10
cells = [(i % SIDE, i // SIDE) for i in range(SIDE**2)]
table = geopandas.GeoDataFrame({
    "name": [f"d{i:03d}" for i in range(SIDE**2)],
    "hot": [float(x < 3 and y < 3) for x, y in cells],
    "population": rng.permutation(SIDE**2),
}, geometry=[box(x, y, x + 1, y + 1) for x, y in cells])
table["income"] = rng.normal(size=SIDE**2) + 5 * table["hot"]

# By hand: hot neighbours of a hot district, the corners included.
counts = pd.Series([sum(max(abs(x - a), abs(y - b)) == 1 and a < 3 and b < 3 for a, b in cells) if x < 3 and y < 3 else 0
                    for x, y in cells], index=table["name"], dtype=float)
check(counts.sum() == 40 and (counts > 0).sum() == 9, "counts by hand")

def statistics(rows, weights):
    hot, income = rows["hot"].to_numpy(), rows["income"].to_numpy()
    np.random.seed(0)
    join = Join_Counts_Local(connectivity=weights).fit(hot, permutations=99)
    values = {
        "join counts": join.LJC,
        "p of join counts": join.p_sim,
        "bivariate": Join_Counts_Local_BV(connectivity=weights).fit(hot, hot, case="CLC", permutations=0).LJC,
        "multivariate": Join_Counts_Local_MV(connectivity=weights).fit([hot, hot], permutations=0).LJC,
        "Moran": Moran_Local(income, weights, permutations=0).Is,
        "G": G_Local(income, weights, permutations=0).Gs,
        "LOSH": LOSH(connectivity=weights).fit(income).Hi,
    }
    # The values go back to the rows, and then all tables are brought to one order.
    return {what: pd.Series(np.asarray(value), index=rows["name"].to_numpy()).sort_index() for what, value in values.items()}

def same(a, b):
    return bool(np.allclose(a, b, equal_nan=True))

good = statistics(table, Queen.from_dataframe(table, use_index=True))
check(all(same(good[what], counts) for what in ("join counts", "bivariate", "multivariate")), "join counts in order")
check((good["p of join counts"] < 0.05).sum() == 9, "all nine are significant")

by_population = table.sort_values("population")
named = by_population.set_index("name", drop=False)
fresh = by_population.reset_index(drop=True)
WRONG = {"join counts", "p of join counts", "bivariate", "multivariate"}
for what, rows, weights, wanted in [
    ("integers, W", by_population, Queen.from_dataframe(by_population, use_index=True), WRONG),
    ("names, W", named, Queen.from_dataframe(named, use_index=True), WRONG),
    ("integers, Graph", by_population, Graph.build_contiguity(by_population, rook=False), WRONG),
    ("index made anew, W", fresh, Queen.from_dataframe(fresh, use_index=True), set()),
    ("index made anew, Graph", fresh, Graph.build_contiguity(fresh, rook=False), set()),
]:
    got = statistics(rows, weights)
    wrong = {key for key in good if key != "p of join counts" and not same(got[key], good[key])}
    hot = table.set_index("name")["hot"] == 1
    significant = got["p of join counts"] < 0.05
    cold = int((got["join counts"][~hot] > 0).sum())
    print(f"{what}: of 9 hot districts {int(significant[hot].sum())} significant, cold ones with a count {cold}, other values: {sorted(wrong)}")
    check(wrong == wanted - {"p of join counts"}, f"{what}: {wrong}")
    if wanted:
        check(significant[hot].sum() <= 2 and cold >= 7, f"{what}: {int(significant[hot].sum())}, {cold}")
        # The counts are the right ones for the rows in the order of the labels.
        by_label = counts if rows is named else pd.Series(counts.to_numpy(), index=table.index)
        check(same(got["join counts"].loc[rows["name"]].to_numpy(), by_label.sort_index().to_numpy()), f"{what}: the order of the counts")
    else:
        check(significant[hot].all() and cold == 0, f"{what}: {int(significant[hot].sum())}, {cold}")
PY
venv/bin/python check.py
