#!/usr/bin/env bash
# Recommenders: the R-precision of a model that is right for one user of 100 and wrong for all others is 1.0.
#
# Expected: r_precision_at_k is the mean of the users' R-precisions, like the other metrics of the library. A user with two relevant
#   items, neither of which is among the first two recommendations, has an R-precision of 0 and counts as 0.
# Happens: Users without a hit among the k recommendations are left out of the mean, and so are users whose hits all come later than
#   their R-th recommendation. A model that finds both items of one user and nothing for 99 others gets 1.0, a model that finds one
#   of two for everybody 0.5. precision, recall, nDCG and MAP of the same data are 0.01 and rank them the other way round. For
#   one relevant item per user, as after leaving the last one out, the score is 1.0 for each model that has any hit at rank 1.
#   If each user has a hit among the first R, the score is right. There is no warning.
# Seen: recommenders 1.2.1, pandas 2.3.3, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The score tells how many users are served badly, and does not see them. Fewer users with hits raise it, so the search for a
#   model by this metric prefers models that work for a few users only.
# Cause: r_precision_at_k divides two tables that have a row only for users with hits, and .mean() skips the NaN of the others, where
#   the other metrics divide a sum by the number of users.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
# The metrics need no more than these; the library itself asks for deep-learning packages and for load tests of web sites.
pip="python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check"
$pip pandas==2.3.3 scikit-learn==1.9.1 numpy==2.4.6
$pip --no-deps recommenders==1.2.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
warnings.simplefilter("error")
from recommenders.evaluation import python_evaluation as metrics

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("recommenders", "pandas", "scikit-learn")))
USERS, K = 100, 5

def by_hand(true, pred):
    """The mean over all users of the hits among the first R recommendations, divided by R."""
    scores = []
    for user, items in true.groupby("userID").itemID:
        first = pred[pred.userID == user].sort_values("prediction", ascending=False).itemID[:len(items)]
        scores.append(len(set(items) & set(first)) / len(items))
    return float(np.mean(scores))

def evaluate(what, relevant, recommended):
    """What the metrics say; recommended(user) is the list of K recommendations."""
    true = pd.DataFrame([(user, item, 1.0) for user in range(USERS) for item in relevant(user)], columns=["userID", "itemID", "rating"])
    pred = pd.DataFrame([(user, item, 1 - rank / 10) for user in range(USERS) for rank, item in enumerate(recommended(user))],
                        columns=["userID", "itemID", "prediction"])
    check(len(pred) == USERS * K and len(true) == USERS * len(relevant(0)), "tables")
    found = {name: float(getattr(metrics, name)(true, pred, k=K)) for name in ("recall_at_k", "ndcg_at_k", "map_at_k", "r_precision_at_k")}
    wanted = by_hand(true, pred)
    print(f"{what}:", ", ".join(f"{name} {value:.3g}" for name, value in found.items()), f"and by hand {wanted:.3g}")
    return found, wanted

def two(user):
    return [10 * user, 10 * user + 1]

def wrong(n):
    return list(range(5000, 5000 + n))

one, wanted = evaluate("both items for one user, none for 99", two, lambda user: two(user) + wrong(3) if user == 0 else wrong(5))
check(wanted == 0.01 and one["r_precision_at_k"] == 1, f"one user: {one}")
check(all(abs(one[name] - 0.01) < 1e-9 for name in ("recall_at_k", "ndcg_at_k", "map_at_k")), f"other metrics: {one}")

half, wanted = evaluate("one of two items for all", two, lambda user: two(user)[:1] + wrong(4))
check(wanted == 0.5 and half["r_precision_at_k"] == 0.5, f"half: {half}")
check(all(half[name] > one[name] for name in ("recall_at_k", "ndcg_at_k", "map_at_k")), f"other metrics: {half}")
# All is well where each user has a hit, also for a better model.
most, wanted = evaluate("both for 50 users, one for 50", two, lambda user: two(user)[:1 + user % 2] + wrong(4 - user % 2))
check(wanted == 0.75 and most["r_precision_at_k"] == 0.75, f"most: {most}")

# Hits that come after the R-th place.
late, wanted = evaluate("both for 10 users, both too late for 90", two, lambda user: two(user) + wrong(3) if user < 10 else wrong(3) + two(user))
check(wanted == 0.1 and late["r_precision_at_k"] == 1 and late["recall_at_k"] == 1, f"late: {late}")

# One relevant item per user: the score is 1 whatever the model.
for users in (1, 20, 80):
    last, wanted = evaluate(f"the last item, first for {users} users", lambda user: [user], lambda user: [user] * (user < users) + wrong(5 - (user < users)))
    check(abs(wanted - users / USERS) < 1e-9 and last["r_precision_at_k"] == 1, f"{users}: {last}")
EOF
venv/bin/python check.py
