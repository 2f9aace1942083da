#!/usr/bin/env bash
# zEpid: the bounds of a risk difference do not use the risk of the unexposed, so the true effect can lie outside them.
#
# Expected: RiskDifference returns the Fréchet bounds, within which the true causal risk difference must live without assumptions on
#   confounding. The documentation gives their formula, with the risk of the unexposed. Missing data are ignored, as it says too, so a
#   table with gaps gives the same numbers as the table without the rows that have gaps.
# Happens: The bounds are always R - 1 and R, where R is the risk of the exposed. A drug that harms, and that mostly mild cases get, has a
#   true effect of 0.12 and bounds of -0.90 and 0.10 in place of -0.85 and 0.15. The bounds are the same if 1 or 99 percent of
#   the unexposed die. In IncidenceRateRatio, IncidenceRateDifference and their rates, someone whose outcome is missing adds time but no
#   event. If every second outcome of the exposed is lost, the ratio is 0.06 in place of 0.13.
# Seen: zepid 0.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The bounds stand beside the estimate to show what the data alone can say. Here they exclude effects that the data allow, and allow
#   effects that they exclude. The number of missing outcomes is printed below the rates, as if they were left out.
# Cause: RiskDifference.fit puts 1 minus the risk of the exposed where the formula has the risk of the unexposed. The classes of rates
#   sum the time over all rows of a group, and count events over those with an outcome. dropna of the columns before helps for rates.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check zepid==0.9.1 pandas==2.3.3 numpy==2.4.6 setuptools==80.9.0

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
# zEpid imports modules that announce their end.
warnings.simplefilter("ignore")
from zepid import IncidenceRateDifference, IncidenceRateRatio, RiskDifference, RiskRatio

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def near(a, b, margin=1e-9):
    return bool(np.allclose(a, b, rtol=0, atol=margin))

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("zepid", "pandas", "numpy")))

def patients(*groups):
    """Each group: how many, exposed or not, dead if exposed, dead if not exposed."""
    table = pd.DataFrame([row for many, *row in groups for _ in range(many)], columns=["drug", "if_drug", "if_not"])
    table["dead"] = np.where(table["drug"] == 1, table["if_drug"], table["if_not"])
    return table

def by_hand(table):
    """The formula of the documentation."""
    p = (table["drug"] == 1).mean()
    r1, r0 = (table.loc[table["drug"] == drug, "dead"].mean() for drug in (1, 0))
    return r1 * p - r0 * (1 - p) - p, r1 * p + (1 - p) - r0 * (1 - p)

def bounds(table):
    difference = RiskDifference()
    difference.fit(table, exposure="drug", outcome="dead")
    row = difference.results.loc["1"]
    check(near(row["RiskDifference"], table.loc[table["drug"] == 1, "dead"].mean() - table.loc[table["drug"] == 0, "dead"].mean()), "the estimate")
    return row["LowerBound"], row["UpperBound"]

# Mild cases get the drug. It kills 50 of them, none of whom would have died. It would kill 70 more of the others, and save none.
confounded = patients((50, 1, 1, 0), (450, 1, 0, 0), (400, 0, 1, 1), (70, 0, 1, 0), (30, 0, 0, 0))
truth = (confounded["if_drug"] - confounded["if_not"]).mean()
cases = {
    "mild cases get the drug": (confounded, (-0.90, 0.10)),
    "99 percent of the others die": (patients((50, 1, 1, 0), (450, 1, 0, 0), (495, 0, 1, 1), (5, 0, 0, 0)), (-0.90, 0.10)),
    "1 percent of the others die": (patients((50, 1, 1, 0), (450, 1, 0, 0), (5, 0, 1, 1), (495, 0, 0, 0)), (-0.90, 0.10)),
    "one in ten is exposed": (patients((10, 1, 1, 0), (90, 1, 0, 0), (180, 0, 0, 1), (720, 0, 0, 0)), (-0.90, 0.10)),
    "both risks add up to one": (patients((100, 1, 1, 0), (400, 1, 0, 0), (400, 0, 1, 1), (100, 0, 0, 0)), (-0.80, 0.20)),
}
print(f"true effect of the first case {truth:.2f}")
check(near(truth, 0.12), f"truth {truth}")
for what, (table, wanted) in cases.items():
    low, high = bounds(table)
    right = by_hand(table)
    effect = (table["if_drug"] - table["if_not"]).mean()
    print(f"{what}: {low:.2f} to {high:.2f}, by the formula {right[0]:.2f} to {right[1]:.2f}")
    check(near((low, high), wanted), f"{what}: {low}, {high}")
    check(right[0] - 1e-9 <= effect <= right[1] + 1e-9, f"the formula, {what}: {right}")
    # Only here does 1 minus the risk of the exposed equal the risk of the others.
    check(near((low, high), right) == (what == "both risks add up to one"), f"{what}: as by the formula")
check(near(by_hand(confounded), (-0.85, 0.15)), f"by hand: {by_hand(confounded)}")
check(truth > bounds(confounded)[1] + 0.01, "the truth is within the bounds")

# Every second outcome of the exposed is lost, of those who died and of those who lived.
whole = confounded.assign(dead=confounded["dead"].astype(float), years=2.0)
lost = whole.copy()
lost.loc[lost.index[lost["drug"] == 1][::2], "dead"] = np.nan
check(int(lost["dead"].isna().sum()) == 250, "250 outcomes are lost")

def rates(table):
    ratio, difference = IncidenceRateRatio(), IncidenceRateDifference()
    for rate in (ratio, difference):
        rate.fit(table, exposure="drug", outcome="dead", time="years")
    risk = RiskRatio()
    risk.fit(table, exposure="drug", outcome="dead")
    return (ratio.results.loc["1", "IncRate"], ratio.results.loc["1", "IncRateRatio"],
            difference.results.loc["1", "IncRateDiff"], risk.results.loc["1", "RiskRatio"])

seen = {"all outcomes": rates(whole), "with gaps": rates(lost), "rows with gaps left out": rates(lost.dropna())}
for what, (rate, ratio, difference, risk) in seen.items():
    print(f"{what}: rate of the exposed {rate:.3f}, rate ratio {ratio:.3f}, rate difference {difference:.3f}, risk ratio {risk:.3f}")
check(near(seen["all outcomes"], seen["rows with gaps left out"]), f"without the rows: {seen}")
check(near(seen["all outcomes"], (0.05, 0.125, -0.35, 0.125)), f"all outcomes: {seen}")
check(near(np.array(seen["with gaps"][:2]) * 2, seen["all outcomes"][:2]), f"with gaps: {seen}")
check(near(seen["with gaps"][3], seen["all outcomes"][3]), f"risk ratio with gaps: {seen}")
PY
venv/bin/python check.py
