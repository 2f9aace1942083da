#!/usr/bin/env bash
# YDF: from_sklearn turns a classifier with the classes 0 to 10 into one that says 10 for 2, 2 for 3, and so on to 9 for 10.
#
# Expected: ydf.from_sklearn returns, in the words of its documentation, a model that emulates the one of scikit-learn. It lists
#   the classes that it takes, trees and forests of classification among them, and refuses all others. No exception is named.
# Happens: The labels become texts and are put into the order of texts, while the leaves keep the order of the numbers. So with
#   integer labels of different lengths predict_class and label_classes name other classes: of 0 to 10 only 0 and 1 stay. Texts are
#   right, and so are numbers of one length. In addition, each tree votes for one class, where scikit-learn averages probabilities:
#   with a limited depth the probabilities are others, and labels too. Missing values go to the left at all splits, where
#   scikit-learn has learned a side.
# Seen: ydf 0.16.1, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026. Trees that are grown to the end and
#   regressors without missing values are right. Its own tests of classifiers have four classes and pure leaves.
# Matters: YDF is how a forest gets into C++, JavaScript and TensorFlow. Codes of products, diagnoses and land cover are integers of
#   different lengths. A test with ten classes passes, and so does one of a regressor.
# Cause: str(label) for each of classes_, and a learner that sorts them; its default winner_take_all; missing=False at each split.
# Remedy: Train with the labels as texts. For probabilities and missing values there is none in the interface.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ydf==0.16.1 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
warnings.simplefilter("error")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import ydf
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("ydf", "scikit-learn")))
rng = np.random.default_rng(0)
X = rng.normal(size=(1100, 4)).astype(np.float32)  # 32 bits: forests of both compare these
noisy = X[:, 0] + rng.normal(size=1100) / 2

def converted(model, rows, target):
    return model.fit(rows, target), ydf.from_sklearn(model)

print("labels of trees that are grown to the end")
place = np.argsort(np.argsort(noisy)) // 100  # 0 to 10, a hundred rows each
for what, names, right in [
    ("0 to 9", np.arange(10)[np.minimum(place, 9)], True),
    ("0 to 10", place, False),
    ("texts of 0 to 10", place.astype(str), True),
    ("1, 2 and 10", np.array([1, 2, 10])[place // 4], False),
    ("10, 20 and 30", np.array([10, 20, 30])[place // 4], True),
]:
    for kind in (DecisionTreeClassifier, RandomForestClassifier):
        model, other = converted(kind(random_state=0), X, names)
        check((model.predict(X) == names).mean() > 0.99, "the model does not know its training data")
        said = other.predict_class({"features": X})
        agree = said == model.predict(X).astype(str)
        # The columns of probabilities are those of scikit-learn, and label_classes names others.
        named = list(other.label_classes()) == [str(name) for name in model.classes_]
        print(f"  {what}, {kind.__name__}: {agree.mean():.0%} of labels agree")
        check(named == right and (agree.mean() > 0.99) == right, f"{what}: {agree.mean():.1%} agree")
        if what == "0 to 10":
            print("   ", *other.label_classes())
            wrong = {(int(a), int(b)) for a, b in zip(model.predict(X[~agree]), said[~agree])}
            check({(2, 10), (10, 9), (3, 2)} <= wrong and {a for a, b in wrong} >= set(range(2, 11)), f"wrong ones are {sorted(wrong)}")
            check(np.abs(other.predict({"features": X}) - model.predict_proba(X)).max() < 1e-5, "probabilities by position")

print("probabilities with a depth of 4")
three = place // 4
for kind in (RandomForestClassifier, ExtraTreesClassifier):
    model, other = converted(kind(20, max_depth=4, random_state=0), X, three)
    found, wanted = other.predict({"features": X}), model.predict_proba(X)
    votes = np.mean([np.eye(3)[tree.predict(X).astype(int)] for tree in model.estimators_], axis=0)
    other_label = (found.argmax(1) != wanted.argmax(1)).mean()
    print(f"  {kind.__name__}: wrong by up to {np.abs(found - wanted).max():.2f}, and {other_label:.1%} of labels are others")
    check(np.abs(found - votes).max() < 1e-5, "probabilities are not the shares of votes")
    check(np.abs(found - wanted).max() > 0.15 and other_label > 0, f"{kind.__name__}: {other_label:.1%} of labels")

print("missing values")
holes = X.copy()
holes[rng.random(X.shape) < 0.3] = np.nan
target = np.nan_to_num(holes[:, 0], nan=3)  # missing is like large
for kind in (DecisionTreeRegressor, RandomForestRegressor):
    for what, rows, wanted, right in [("none", X, noisy, True), ("30 %", holes, target, False)]:
        model, other = converted(kind(max_depth=6, random_state=0), rows, wanted)
        off = np.abs(other.predict({"features": rows}) - model.predict(rows))
        missing = np.isnan(rows).any(axis=1)
        print(f"  {what} missing, {kind.__name__}: {(off > 0.01).mean():.0%} of rows are wrong, by up to {off.max():.2g}")
        check(off.max() < 1e-4 if right else (off > 0.01).mean() > 0.2, f"{what} missing: off by {off.max()}")
        check(off[~missing].max() < 1e-4, "rows without a missing value are wrong")
PY
venv/bin/python check.py
