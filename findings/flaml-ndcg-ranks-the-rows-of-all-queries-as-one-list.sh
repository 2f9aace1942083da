#!/usr/bin/env bash
# FLAML: its default metric for ranking sorts the rows of all queries as one list, so the right order within each query gets 0.79, not 1.
#
# Expected: For task="rank" the metric is the normalized discounted cumulative gain of a query, averaged over the queries that groups
#   names, as with metric="ndcg@10" and in LightGBM, which FLAML trains.
# Happens: With metric="auto", which is "ndcg", the groups are not used. Scores that put all rows of each query in the right order get
#   0.79 in place of 1, since rows of other queries come between them. Scores that only know which queries have many good rows, and
#   cannot order the rows of any, get 0.98, and scores that order all of them rightly 0.90. By query they have 0.87 and 1. A search
#   by AutoML minimizes this number. "ndcg@10" takes the groups, and for queries of ten rows it should be the same.
# Seen: FLAML 2.8.0, lightgbm 4.7.0, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A search for a ranker without a metric of one's own chooses the model by how rows of different queries compare, which
#   no user of a ranker ever sees. The log says that it minimizes 1-ndcg.
# Cause: sklearn_metric_loss_score has a loop over the groups in the branch of ndcg@k only, and calls ndcg_score([y_true], [y_predict]) on
#   all rows in the other.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check flaml==2.8.0 lightgbm==4.7.0 xgboost-cpu==3.2.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
warnings.simplefilter("ignore")
from flaml import AutoML
from flaml.automl.ml import sklearn_metric_loss_score
from sklearn.metrics import ndcg_score

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("flaml", "lightgbm", "scikit-learn")))
QUERIES, ROWS, TRAIN = 300, 10, 200
rng = np.random.default_rng(0)

def by_query(truth, scores):
    return float(np.mean([ndcg_score([a], [b]) for a, b in zip(truth.reshape(-1, ROWS), scores.reshape(-1, ROWS))]))

# Each query has its own level, and scores that are right within it.
truth = np.tile([0, 0, 0, 0, 0, 1, 1, 2, 3, 4], 50)
scores = truth + 100 * rng.normal(size=50).repeat(ROWS)
groups = np.arange(50).repeat(ROWS)
found = {metric: float(1 - sklearn_metric_loss_score(metric, scores, truth, groups=groups)) for metric in ("ndcg", "ndcg@10")}
print(f"all queries in the right order: by query {by_query(truth, scores):.3f},", ", ".join(f"{metric} of FLAML {value:.3f}" for metric, value in found.items()))
check(by_query(truth, scores) > 0.9999 and found["ndcg@10"] > 0.9999, f"right order: {found}")
check(abs(found["ndcg"] - float(ndcg_score([truth], [scores]))) < 1e-9 and found["ndcg"] < 0.85, f"right order: {found}")

# How good the rows of a query are depends on the query and on the row. Scores by the query cannot order its rows.
level, quality = 2 * rng.normal(size=QUERIES).repeat(ROWS), rng.normal(size=QUERIES * ROWS)
noise = rng.normal(size=(QUERIES * ROWS, 2))
y = 2 ** np.digitize(level + quality, [-1, 0.5, 1.5, 2.5])
groups = np.arange(QUERIES).repeat(ROWS)
found = {}
for what, scores in (("by the query", level + 0.01 * noise[:, 0]), ("by the row", quality)):
    found[what] = {metric: float(1 - sklearn_metric_loss_score(metric, scores, y, groups=groups)) for metric in ("ndcg", "ndcg@10")}
    print(f"scores {what}: by query {by_query(y, scores):.3f},", ", ".join(f"{metric} of FLAML {value:.3f}" for metric, value in found[what].items()))
    check(abs(found[what]["ndcg@10"] - by_query(y, scores)) < 1e-9, f"scores {what}: {found}")
    check(abs(found[what]["ndcg"] - float(ndcg_score([y], [scores]))) < 1e-9, f"scores {what}: {found}")
check(found["by the query"]["ndcg"] > found["by the row"]["ndcg"] + 0.05, f"ndcg: {found}")
check(found["by the query"]["ndcg@10"] < found["by the row"]["ndcg@10"] - 0.1, f"ndcg@10: {found}")

# A search, with the last queries for validation.
X, cut = np.column_stack([quality + noise[:, 0], noise[:, 1], level]), TRAIN * ROWS
for metric in ("auto", "ndcg", "ndcg@10"):
    automl = AutoML()
    automl.fit(X[:cut], y[:cut], task="rank", groups=np.full(TRAIN, ROWS), X_val=X[cut:], y_val=y[cut:], groups_val=np.full(QUERIES - TRAIN, ROWS),
               metric=metric, estimator_list=["lgbm"], max_iter=3, time_budget=-1, seed=0, verbose=0, retrain_full=False)
    scores, said = automl.predict(X[cut:]), float(1 - automl.best_loss)
    query, rows = by_query(y[cut:], scores), float(ndcg_score([y[cut:]], [scores]))
    print(f"search with metric={metric}: FLAML says {said:.3f} of its best model, by query {query:.3f}, of all rows as one list {rows:.3f}")
    check(abs(said - (query if metric == "ndcg@10" else rows)) < 1e-9 and abs(query - rows) > 0.01, f"{metric}: {said} {query} {rows}")
EOF
venv/bin/python check.py
