#!/usr/bin/env bash
# River: a scikit-learn classifier that is wrapped with the classes low, medium and high gives the probability of high to low.
#
# Expected: compat.convert_sklearn_to_river(estimator, classes) makes a scikit-learn classifier a model of River. The documentation
#   says nothing of the order of classes, and its example has False and True. predict_proba_one returns a probability for each label,
#   and the most probable label is the one that predict_one says.
# Happens: scikit-learn sorts the classes, and the wrapper names its columns in the order that was given. With any other order than the
#   sorted one the probabilities belong to other classes, in predict_proba_one and in the columns of predict_proba_many. predict_one
#   and predict_many are right. So are all metrics of labels, while LogLoss, ROCAUC and thresholds are wrong: for [True, False] a
#   perfect ranking has an area of 0.
# Seen: river 0.26.1 with scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026. The wrapper of the other direction,
#   convert_river_to_sklearn, keeps the order that is given, in classes_ and probabilities.
# Matters: Classes are named in their natural order, as low, medium, high, or with the interesting one first. Accuracy is as good as
#   ever, and the alarm that goes by the probability of high rings for medium.
# Cause: river/compat/sklearn_to_river.py zips self.classes with predict_proba, instead of classes_ of the estimator.
# Remedy: Pass sorted(classes).
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check river==0.26.1 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
warnings.simplefilter("error")
from river import compat, evaluate, metrics
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("river", "scikit-learn")))
rng = np.random.default_rng(0)
level = rng.normal(size=1000)
rows = [{"level": float(x)} for x in level]

def label_of(x, names):
    """The first name for low levels and the last for high ones, with some noise."""
    return names[int(np.searchsorted(np.linspace(-0.7, 0.7, len(names) + 1)[1:-1], x + rng.normal() / 10))]

def run(estimator, names, classes):
    """Learns one by one. Returns the share of right labels, and of rows where the most probable label is the one predicted."""
    model = compat.convert_sklearn_to_river(estimator, classes=classes)
    right = same = 0
    for i, row in enumerate(rows):
        label = label_of(row["level"], names)
        if i >= 100:
            said, probability = model.predict_one(row), model.predict_proba_one(row)
            check(set(probability) == set(names) and abs(sum(probability.values()) - 1) < 1e-6, f"probabilities: {probability}")
            right += said == label
            same += max(probability, key=probability.get) == said
        model.learn_one(row, label)
    return model, right / (len(rows) - 100), same / (len(rows) - 100)

for names in (["ham", "spam"], [False, True], ["low", "medium", "high"]):
    for classes in (sorted(names), names if names != sorted(names) else names[::-1]):
        for estimator in (SGDClassifier(loss="log_loss", random_state=0), GaussianNB()):
            model, right, same = run(estimator, names, classes)
            kind = type(estimator).__name__
            print(f"{classes}, {kind}: {right:.0%} of labels are right, {same:.0%} are the most probable")
            check(right > 0.75, f"{classes}: only {right:.1%} right")
            check(same > 0.99 if classes == sorted(names) else same < 0.4, f"{classes}: {same:.1%} are the most probable")

# The last model is one with the natural order of low, medium and high.
for x in (-2.0, 2.0):
    said, probability = model.predict_one({"level": x}), model.predict_proba_one({"level": x})
    print(f"level {x}: {said},", {name: round(p, 2) for name, p in probability.items()})
    check(said == ("low" if x < 0 else "high") and probability[said] < 0.01, f"{said}, {probability}")
X = pd.DataFrame({"level": level[:50]})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scikit-learn says that it was fitted without names of columns
    many, said = model.predict_proba_many(X), model.predict_many(X)
check((many.idxmax(axis=1) == said).mean() < 0.5 and list(many.columns) == ["low", "medium", "high"], f"predict_proba_many:\n{many}")

def area(classes):
    model = compat.convert_sklearn_to_river(SGDClassifier(loss="log_loss", random_state=0), classes=classes)
    return evaluate.progressive_val_score([(row, row["level"] > 0) for row in rows], model, metrics.ROCAUC()).get()

areas = area([False, True]), area([True, False])
print("area under the curve: {:.3f} for [False, True], {:.3f} for [True, False]".format(*areas))
check(areas[0] > 0.97 and areas[1] < 0.03, f"areas {areas}")
PY
venv/bin/python check.py
