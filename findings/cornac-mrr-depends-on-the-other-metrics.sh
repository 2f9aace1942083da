#!/usr/bin/env bash
# Cornac: the MRR and the NDCG of a model change if Recall@10 is computed beside them.
#
# Expected: A metric of a model on a test set is one number, whichever other metrics are in the list. MRR is the mean of one over the rank
#   of the first relevant item, over all items, and NDCG() with its default k=-1 takes the whole ranking too.
# Happens: Alone they are right. In one list with Recall(k=10) only the first 10 places are sorted, and the items behind them are in the
#   order in which a partition left them. The MRR of a recommender falls from 0.0368 to 0.0360 and its NDCG from 0.2092 to 0.2066. 115 of
#   200 users have another MRR: one whose first relevant item is at place 20 gets that of place 252. NCRR changes as well, MAP and
#   AUC do not. Nothing is logged.
# Seen: cornac 3.0.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: MRR, NDCG and Recall@k in one list is the usual way to evaluate, also in an Experiment. The same model has another MRR
#   in a table with another column. For users whose relevant items lie deep in the list it is noise.
# Cause: ranking_eval asks the model for a ranking with k = max(k of all metrics). A metric over all places has k = -1, which is less
#   than any other. rank uses argpartition if k is not -1, so the places behind k are not sorted.
# Remedy: Compute metrics over the whole ranking in a call of their own, or give every metric a k.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check cornac==3.0.1 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import numpy as np
from cornac.eval_methods import BaseMethod
from cornac.eval_methods.base_method import ranking_eval
from cornac.metrics import AUC, MAP, MRR, NCRR, NDCG, Recall
from cornac.models import MF

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("cornac", "numpy")))
USERS, ITEMS = 200, 400
rng = np.random.default_rng(0)
taste, kind = rng.normal(size=(USERS, 4)), rng.normal(size=(ITEMS, 4))
affinity = taste @ kind.T + 2 * rng.normal(size=(USERS, ITEMS))
train, test = [], []
for user in range(USERS):
    liked = np.argsort(-affinity[user])[:40]
    held = set(rng.choice(liked, 3, replace=False).tolist())
    train += [(f"u{user}", f"i{i}", float(rng.integers(3, 6))) for i in liked.tolist() if i not in held]
    test += [(f"u{user}", f"i{i}", 5.0) for i in sorted(held)]
known = {item for _, item, _ in train}
test = [row for row in test if row[1] in known]
method = BaseMethod.from_splits(train_data=train, test_data=test, rating_threshold=1.0, exclude_unknowns=True, seed=0)
model = MF(k=8, max_iter=30, seed=0, num_threads=1, verbose=False).fit(method.train_set)

def evaluate(metrics):
    """The value of each metric, and the MRR of each user."""
    values, of_users = ranking_eval(model, metrics, method.train_set, method.test_set)
    return {metric.name: float(value) for metric, value in zip(metrics, values)}, of_users[0]

alone, of_users = evaluate([MRR(), NDCG(), NCRR(), MAP(), AUC()])

# By hand, from the scores of the model.
reciprocal, gain = {}, []
for user in sorted(set(method.test_set.uir_tuple[0].tolist())):
    scores = model.score(user)
    seen = set(method.train_set.csr_matrix.getrow(user).indices.tolist())
    right = set(method.test_set.csr_matrix.getrow(user).indices.tolist())
    candidates = [item for item in range(method.train_set.num_items) if item not in seen]
    ranks = sorted(1 + sum(scores[other] > scores[item] for other in candidates) for item in right)
    check(all(sum(scores[other] == scores[item] for other in candidates) == 1 for item in right), "two items have one score")
    reciprocal[user] = 1 / ranks[0]
    gain.append(sum(1 / np.log2(r + 1) for r in ranks) / sum(1 / np.log2(r + 2) for r in range(len(ranks))))
mrr, ndcg = float(np.mean(list(reciprocal.values()))), float(np.mean(gain))
print(f"by hand: MRR {mrr:.4f}, NDCG {ndcg:.4f}")
check(abs(alone["MRR"] - mrr) < 1e-9 and abs(alone["NDCG@-1"] - ndcg) < 1e-9, f"alone: {alone}")

for k in (1, 10, 50):
    beside, users = evaluate([MRR(), NDCG(), NCRR(), MAP(), AUC(), Recall(k=k)])
    differ = {user for user in users if abs(users[user] - reciprocal[user]) > 1e-12}
    ranks = {user: round(1 / reciprocal[user]) for user in users}
    print(f"with Recall@{k}: MRR {beside['MRR']:.4f}, NDCG {beside['NDCG@-1']:.4f}, NCRR {beside['NCRR@-1']:.4f} for {alone['NCRR@-1']:.4f}, "
          f"{len(differ)} of {len(users)} users have another MRR")
    check(abs(beside["MRR"] - mrr) > 1e-4 and abs(beside["NDCG@-1"] - ndcg) > 1e-3, f"with Recall@{k} MRR and NDCG: {beside}")
    check(beside["MAP"] == alone["MAP"] and beside["AUC"] == alone["AUC"], "MAP or AUC")
    check(all(ranks[user] > k for user in differ) and len(differ) > 0.2 * len(users), f"{len(differ)} users with Recall@{k}")
    if k == 10:
        user = max(differ, key=lambda user: 1 / users[user] - ranks[user])
        print(f"  a user whose first relevant item is at place {ranks[user]}: MRR says {round(1 / users[user])}")
        check(1 / users[user] > 3 * ranks[user], f"{1 / users[user]} for {ranks[user]}")

# The remedy: every metric has a k, or a call of its own.
first, _ = evaluate([MRR(), NDCG(k=10)])
second, _ = evaluate([MRR(), NDCG(k=10), Recall(k=20)])
check(first["NDCG@10"] == second["NDCG@10"], "a metric with a k")
EOF
venv/bin/python check.py
