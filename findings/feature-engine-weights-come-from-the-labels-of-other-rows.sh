#!/usr/bin/env bash
# feature-engine: WoEEncoder learns noise from a training split whose labels are not 0 and 1, and the information value of all features is near 0.
#
# Expected: WoEEncoder takes any binary target, and maps one that is not 0 and 1 to these itself. Labels "no" and "yes", or 1 and 2,
#   give the same weights of evidence as 0 and 1, for the rows of a data frame in any order.
# Happens: They do if the index of the frame is 0 to n-1. The rows of train_test_split, of a fold, of a sample or of a filter have
#   other indexes. Then the weights are near 0 and of any sign, since the label at position k is counted for the row with the
#   index k, and rows without such a label are left out. SelectByInformationValue goes the same way and drops good features.
#   WoEEncoder fails only if no index matches at all. Labels 0 and 1, False and True, are right, and so is MeanEncoder.
# Seen: feature-engine 1.9.4, scikit-learn 1.9.1, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Scorecards of loans use weights of evidence, and their targets are often "good" and "bad", or 1 and 2 as in the German
#   credit data. A check on the whole table is right, and each fold of a cross-validation in a pipeline is wrong, so a model with
#   an area under the curve of 0.8 seems to have learned nothing. In its source the mapped target is a new pandas series without
#   the index of the old one. To map the labels to 0 and 1 before, or to reset the index of X and y, helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check feature-engine==1.9.4 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
from feature_engine.encoding import MeanEncoder, WoEEncoder
from feature_engine.selection import SelectByInformationValue
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("feature-engine", "scikit-learn", "pandas")))
warnings.simplefilter("error")
# feature-engine tries to read texts as dates.
warnings.filterwarnings("ignore", message="Could not infer format")
warnings.filterwarnings("ignore", category=DeprecationWarning)

ROWS = 4000
RATES = {"rent": 0.6, "mortgage": 0.3, "own": 0.1}
rng = np.random.default_rng(0)
X = pd.DataFrame({"home": rng.choice(list(RATES), ROWS), "job": rng.choice(["a", "b"], ROWS)})
bad = pd.Series((rng.random(ROWS) < X["home"].map(RATES)).astype(int))
# A feature of 24 towns, with the same rates.
X["town"] = X["home"] + pd.Series(rng.integers(0, 8, ROWS).astype(str))
labels = {
    "0 and 1": bad,
    "False and True": bad.astype(bool),
    "1 and 2": bad + 1,
    "-1 and 1": bad * 2 - 1,
    "good and poor": bad.map({0: "good", 1: "poor"}),
}
RIGHT = ("0 and 1", "False and True")

def by_hand(X, y):
    y = y.to_numpy()
    return {v: np.log(y[X["home"] == v].sum() / y.sum() / ((1 - y)[X["home"] == v].sum() / (1 - y).sum())) for v in RATES}

def weights(X, y):
    return WoEEncoder(variables=["home"]).fit(X, y).encoder_dict_["home"]

def near(a, b):
    return all(abs(a[v] - b[v]) < 1e-9 for v in RATES)

def show(found):
    return ", ".join(f"{v} {found[v]:+.2f}" for v in RATES)

true = by_hand(X, bad)
print("all rows, by hand:", show(true))
for name, y in labels.items():
    check(near(weights(X, y), true), f"all rows, labels {name}")
print("all rows, by feature-engine: the same for all labels")

train, test = train_test_split(X.index, random_state=0)
part = X.loc[train]
true = by_hand(part, bad[train])
print("training split, by hand:", show(true))
for name, y in labels.items():
    found = weights(part, y[train])
    print(f"  labels {name}:", show(found))
    if name in RIGHT:
        check(near(found, true), f"training split, labels {name}")
    else:
        check(max(abs(w) for w in found.values()) < 0.2, f"training split, labels {name}: {found}")
        check(near(weights(part, y[train].to_numpy()), found), f"labels {name} as an array")
        check(near(weights(part.reset_index(drop=True), y[train].reset_index(drop=True)), true), f"labels {name} after reset_index")
    if name == "1 and 2":
        means = MeanEncoder(variables=["home"]).fit(part, y[train]).encoder_dict_["home"]
        check(all(abs(means[v] - y[train][part["home"] == v].mean()) < 1e-9 for v in RATES), f"MeanEncoder: {means}")

    selector = SelectByInformationValue(variables=["home", "job"]).fit(part, y[train])
    value = selector.information_values_["home"]
    print(f"    information value of home {value:.3f}, dropped {selector.features_to_drop_}")
    check(value > 0.9 if name in RIGHT else value < 0.02, f"information value {value}")
    check(selector.features_to_drop_ == (["job"] if name in RIGHT else ["home", "job"]), f"dropped {selector.features_to_drop_}")

    model = make_pipeline(WoEEncoder(variables=["town"]), LogisticRegression())
    areas = cross_val_score(model, X[["town"]], y, cv=StratifiedKFold(5, shuffle=True, random_state=0), scoring="roc_auc")
    print("    area under the curve of the folds", *areas.round(2))
    check(areas.min() > 0.7 if name in RIGHT else areas.max() < 0.65, f"labels {name}: areas {areas}")
EOF
venv/bin/python check.py
