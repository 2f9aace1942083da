#!/usr/bin/env bash
# imodels: BoostedRulesClassifier that learns from the labels ham and spam says ham for all rows, and for 1 and 2 it says 1.
#
# Expected: The class is AdaBoost of scikit-learn with shallow trees, and takes labels as all classifiers of scikit-learn do. The same
#   data give the same model whatever the two classes are called. classes_ names them, and predict returns them.
# Happens: Only the labels 0, 1 and so on, and False and True, are learned. With texts, all probabilities are equal and the first class is
#   said for all rows. With -1 and 1, 1 and 2, or 0 and 2, all rows get one class, too, and the probabilities mean something else: for
#   1 and 2 that of 1 is the higher the more trees say 2. With 1, 2 and 3 the classes are shifted by one.
# Seen: imodels 3.0.4, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026. FIGSClassifier, RuleFitClassifier and
#   HSTreeClassifier of the same library are right with all these labels of two classes. Nothing is raised or warned of.
# Matters: predict returns labels that exist, so the model looks like one that has found nothing, and a comparison of interpretable
#   models drops it. On data with one frequent class the accuracy is even good.
# Cause: fit encodes the labels as 0, 1 and so on, fits AdaBoost to these, and sets classes_ to the labels afterwards. AdaBoost compares
#   the answers of its trees, which are still 0 and 1, with classes_.
# Remedy: Encode the labels oneself, or take AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=15).
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export MPLCONFIGDIR="$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check imodels==3.0.4 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6 six==1.17.0

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from imodels import BoostedRulesClassifier, FIGSClassifier
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("imodels", "scikit-learn")))
rng = np.random.default_rng(0)
X = rng.normal(size=(600, 3))
noisy = X[:, 0] + 0.3 * rng.normal(size=600)
two, three = (noisy > 0).astype(int), np.digitize(noisy, [-0.5, 0.5])

def ada(labels):
    return AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=15, random_state=0).fit(X, labels)

right_two, right_three = ada(two).score(X, two), ada(three).score(X, three)
check(right_two > 0.9 and right_three > 0.75, f"AdaBoost is right for {right_two:.2f} and {right_three:.2f}")
print("labels, right answers of imodels and of AdaBoost of scikit-learn, classes that imodels says:")
for names, learned in [
    ([0, 1], True), ([False, True], True), (["ham", "spam"], False), (["yes", "no"], False),
    ([1, 2], False), ([-1, 1], False), ([0, 2], False),
    ([0, 1, 2], True), (["high", "low", "mid"], False), ([1, 2, 3], False),
]:
    labels = np.array(names)[two if len(names) == 2 else three]
    model, plain = BoostedRulesClassifier(random_state=0).fit(X, labels), ada(labels)
    said, probability = model.predict(X), model.predict_proba(X)
    score = (said == labels).mean()
    print(f"  {names}: {score:.0%}, {plain.score(X, labels):.0%}, {np.unique(said).tolist()}")
    check(model.classes_.tolist() == sorted(names) and model.score(X, labels) == score, f"{names}: classes_ {model.classes_}")
    check(abs(plain.score(X, labels) - (right_two if len(names) == 2 else right_three)) < 0.02, f"{names}: scikit-learn")
    if learned:
        check((said == plain.predict(X)).all() and np.allclose(probability, plain.predict_proba(X)), f"{names}: is not that of scikit-learn")
    elif names == [1, 2, 3]:
        check(score < 0.5 and set(said) == {1, 2}, f"{names}: {score:.1%}, says {set(said)}")
    else:
        check(len(set(said)) == 1, f"{names}: says {set(said)}")
    if isinstance(names[0], str):
        check(np.allclose(probability, 1 / len(names)) and said[0] == sorted(names)[0], f"{names}: {probability[:3]}")
    if names == [1, 2]:
        check(np.corrcoef(probability[:, 0], plain.predict_proba(X)[:, 1])[0, 1] > 0.8, "the probability of 1 does not rise with that of 2")
    # The answers of its trees are numbers of classes, whatever the labels are.
    check(set(model.estimators_[0].predict(X)) <= {0.0, 1.0, 2.0}, "answers of trees")
    figs = FIGSClassifier(max_rules=5).fit(X, labels) if len(names) == 2 else None
    check(figs is None or figs.score(X, labels) > 0.9, f"{names}: FIGS")

rare = np.array(["fine", "fraud"])[(noisy > 1.8).astype(int)]
model = BoostedRulesClassifier(random_state=0).fit(X, rare)
found, found_by_ada = (model.predict(X) == "fraud").sum(), (ada(rare).predict(X) == "fraud").sum()
print(f"fraud in {(rare == 'fraud').mean():.0%} of rows: {model.score(X, rare):.0%} right, {found} found, AdaBoost finds {found_by_ada}")
check(model.score(X, rare) > 0.9 and found == 0 < found_by_ada, f"fraud: {found} and {found_by_ada} found")
PY
venv/bin/python check.py
