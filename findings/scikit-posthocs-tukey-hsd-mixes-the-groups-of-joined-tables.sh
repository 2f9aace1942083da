#!/usr/bin/env bash
# scikit-posthocs: Tukey's test of a table that was joined from one table for each group compares all rows with all rows, and says p = 1.
#
# Expected: posthoc_tukey_hsd compares the groups that group_col names. The labels of the rows play no part, as in posthoc_tukey and
#   posthoc_dunn of the same library. The documentation refers to scipy.stats.tukey_hsd for details.
# Happens: If the rows of each group are numbered from 0, as after pandas.concat of one table per group, each group is all rows, and
#   all p-values are 1, where 0.000000001 is right. If the groups have other lengths, they are mixed in part, and the p-values are
#   plausible. If the tables are of five sites, with the same layout, each row counts five times, so chance becomes significant.
#   With ignore_index=True or reset_index all is well, and so are other tests of the library. Nothing warns.
# Seen: scikit-posthocs 0.17.1, scipy 1.17.1 and pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Measurements of each group mostly come from a file of their own. A study then reports that no methods differ, or that methods
#   of equal quality do.
# Cause: posthoc_tukey_hsd takes x.loc[labels] for the row labels of each group, which finds the rows with this label of all groups.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scikit-posthocs==0.17.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
import scikit_posthocs
import scipy.stats
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-posthocs", "scipy", "pandas")))
rng = np.random.default_rng(0)

def show(what, p):
    print(f"{what}:", ", ".join(f"{a}-{b} {p.loc[a, b]:.2g}" for a, b in (("A", "B"), ("A", "C"), ("B", "C"))))
    return p

def equal(p, q):
    return np.allclose(p.loc[list("ABC"), list("ABC")], q.loc[list("ABC"), list("ABC")], rtol=0.01, atol=1e-9)

def run(tables, **options):
    """The p-values of scipy, and of the table that is joined with the old row numbers and with new ones."""
    samples = [[score for table in tables for score in table.score[table.method == name]] for name in "ABC"]
    wanted = show("scipy", pd.DataFrame(scipy.stats.tukey_hsd(*samples).pvalue, list("ABC"), list("ABC")))
    names = {"val_col": "score", "group_col": "method"}
    old, new = pd.concat(tables), pd.concat(tables, ignore_index=True)
    for what, found in [
        ("new row numbers", scikit_posthocs.posthoc_tukey_hsd(new, **names, **options)),
        ("after reset_index", scikit_posthocs.posthoc_tukey_hsd(old.reset_index(), **names, **options)),
        ("posthoc_tukey, old row numbers", scikit_posthocs.posthoc_tukey(old, **names)),
    ]:
        check(equal(found, wanted), f"{what}: {found}")
    for other in (scikit_posthocs.posthoc_dunn, scikit_posthocs.posthoc_conover, scikit_posthocs.posthoc_tamhane):
        check(equal(other(old, **names), other(new, **names)), f"{other.__name__} goes by the row numbers")
    found = show("posthoc_tukey_hsd, old row numbers", scikit_posthocs.posthoc_tukey_hsd(old, **names, **options))
    return wanted, found

def table(**groups):
    return pd.DataFrame([(name, score) for name, scores in groups.items() for score in scores], columns=["method", "score"])

print("a table of 15 rows for each method")
tables = [table(**{name: rng.normal(size=15) + mean}) for name, mean in (("A", 0), ("B", 1), ("C", 2))]
for sort in (True, False):
    wanted, found = run(tables, sort=sort)
    check(wanted.loc["A", "C"] < 1e-4, f"scipy: {wanted}")
    check(np.allclose(found, 1), f"joined: {found}")

print("tables of 30, 12 and 8 rows")
wanted, found = run([table(A=rng.normal(size=30) + 1), table(B=rng.normal(size=12)), table(C=rng.normal(size=8) + 1)])
check(wanted.loc["A", "B"] < 0.01 and wanted.loc["B", "C"] < 0.05, f"scipy: {wanted}")
check(found.loc["A", "B"] > 0.5 and found.loc["B", "C"] > 0.5, f"joined: {found}")

print("5 tables with 4 rows for each method, and a small difference")
tables = [table(A=rng.normal(size=4), B=rng.normal(size=4), C=rng.normal(size=4) + 0.4) for site in range(5)]
wanted, found = run(tables)
check(wanted.min().min() > 0.1, f"scipy: {wanted}")
check(found.min().min() < 0.01, f"joined: {found}")
five = pd.concat(tables * 5, ignore_index=True)
check(equal(found, scikit_posthocs.posthoc_tukey_hsd(five, val_col="score", group_col="method")), "each row does not count five times")
EOF
venv/bin/python check.py
