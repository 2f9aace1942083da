#!/usr/bin/env bash
# micromlgen: a logistic regression of two classes that is written as C++ says the other class for every row, and forests lose their votes.
#
# Expected: The C++ code says the class that scikit-learn or XGBoost says. port takes all three kinds of models and names them as supported.
# Happens: A LogisticRegression of two classes says benign for each malignant tumour and malignant for each benign one, for all 569
#   rows. In a RandomForestClassifier of 256 or more trees a class that gets 256 votes has none, so the clearest rows get the other
#   class: 147 of 569 rows differ with 256 trees, and none with 255. An XGBClassifier of three classes takes the other branch for
#   each value that equals a threshold. For whole numbers, such as counts, thresholds are whole numbers too, so a third of 900 rows
#   gets another class. A logistic regression of three classes and a single tree are right. Nothing is printed.
# Seen: micromlgen 1.1.28, scikit-learn 1.9.1, xgboost-cpu 3.2.0, GCC 12.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The code runs on microcontrollers, where nobody compares it with Python. The usual example, the irises, has three classes,
#   where all is right. An accuracy of 0.91 becomes one of 0.09, and a forest gets worse by more trees.
# Cause: A binary LogisticRegression has one row of weights, which belongs to the second class. The template adds it to votes[0] and
#   leaves votes[1] at 0. Votes of a forest are in a uint8_t. XGBoost goes left if x < threshold, the template if x <= threshold.
# Remedy: Compile the code on the desktop and compare it with the model. At most 255 trees, and counts plus 0.5 for XGBoost.
#
# Needs a C++ compiler.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check micromlgen==1.1.28 scikit-learn==1.9.1 xgboost-cpu==3.2.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import subprocess
import sys
import warnings
import micromlgen
import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("micromlgen", "scikit-learn", "xgboost-cpu")))
MAIN = """
#include <cmath>
#include <cstdint>
#include <cstdio>
#include "model.h"
int main() {
    Eloquent::ML::Port::Model model;
    float x[FEATURES];
    for (int i = 0; scanf("%f", x + i % FEATURES) == 1; i++)
        if (i % FEATURES == FEATURES - 1)
            printf("%d\\n", model.predict(x));
}
"""

def ported(model, rows):
    """What the C++ code says."""
    with open("model.h", "w") as file:
        file.write(micromlgen.port(model, classname="Model"))
    with open("main.cpp", "w") as file:
        file.write(MAIN.replace("FEATURES", str(rows.shape[1])))
    subprocess.run(["c++", "-w", "-O1", "-o", "main", "main.cpp"], check=True)
    text = " ".join(repr(float(value)) for value in rows.ravel())
    said = subprocess.run(["./main"], input=text, capture_output=True, text=True, check=True).stdout.split()
    check(len(said) == len(rows), f"{len(said)} answers for {len(rows)} rows")
    return np.array(said, dtype=int)

def compare(what, model, rows, truth, given=None):
    ours, theirs = model.predict(rows), ported(model, rows if given is None else given)
    differ = int((ours != theirs).sum())
    print(f"{what}: the accuracy is {(ours == truth).mean():.3f} in Python and {(theirs == truth).mean():.3f} in C++, "
          f"{differ} of {len(rows)} rows differ")
    return differ

X, y = load_breast_cancer(return_X_y=True)
X = X[:, :5].astype(np.float32)
iris, kind = load_iris(return_X_y=True)
iris = iris.astype(np.float32)

check(compare("logistic regression, irises", LogisticRegression(max_iter=10000).fit(iris, kind), iris, kind) == 0, "three classes")
check(compare("logistic regression, tumours", LogisticRegression(max_iter=10000).fit(X, y), X, y) == len(y) == 569, "two classes")

check(compare("a tree, tumours", DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y), X, y) == 0, "one tree")
for trees, wanted in ((100, 0), (255, 0), (256, 147), (300, 45)):
    forest = RandomForestClassifier(trees, random_state=0).fit(X, y)
    differ = compare(f"a forest of {trees} trees, tumours", forest, X, y)
    check(differ == 0 if wanted == 0 else abs(differ - wanted) < 20, f"{trees} trees: {differ} rows differ")

rng = np.random.default_rng(0)
counts = rng.integers(0, 6, (900, 3)).astype(np.float32)
level = (counts[:, 0] >= 3).astype(int) + (counts[:, 1] >= 2)
# A fixed base_score, so that no intercept is fitted, which the C++ code would not have.
boosted = XGBClassifier(n_estimators=20, base_score=0.5).fit(counts, level)
differ = compare("XGBoost, counts", boosted, counts, level)
check(differ > 200, f"XGBoost with counts: {differ} rows differ")
check(compare("XGBoost, the C++ code gets the counts plus 0.5", boosted, counts, level, given=counts + 0.5) == 0, "counts plus 0.5")
measured = rng.normal(size=(900, 3)).astype(np.float32)
group = (measured[:, 0] > 0).astype(int) + (measured[:, 1] > 0)
boosted = XGBClassifier(n_estimators=20, base_score=0.5).fit(measured, group)
new = rng.normal(size=(900, 3)).astype(np.float32)
differ = compare("XGBoost, new measured values", boosted, new, (new[:, 0] > 0).astype(int) + (new[:, 1] > 0))
check(differ == 0, f"XGBoost with measured values: {differ} rows differ")
EOF
venv/bin/python check.py
