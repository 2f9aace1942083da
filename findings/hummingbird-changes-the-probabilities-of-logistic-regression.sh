#!/usr/bin/env bash
# Hummingbird: a converted LogisticRegression of three classes returns other probabilities, and boosted counts come out as logarithms.
#
# Expected: The converted model returns what the model of scikit-learn returns, or convert raises MissingConverter, as it does for
#   many models that Hummingbird does not know.
# Happens: Four kinds of models are converted to others without a word. LogisticRegression and LogisticRegressionCV of three or more
#   classes get a sigmoid for each class, scaled to a sum of 1, in place of the softmax. The most likely class stays the same, and
#   its probability does not: of 150 flowers 128 have one above 0.8, and after the conversion none has.
#   HistGradientBoostingRegressor with the loss poisson or gamma returns the logarithm of its prediction. Trees, forests and
#   histogram boosting that learned where rows with missing values go send them all to the same side. StackingClassifier returns
#   the numbers 0, 1 and 2 for the classes 3, 7 and 11. A LogisticRegression of two classes is right, and so are the same trees
#   without missing values.
# Seen: hummingbird-ml 0.4.12, scikit-learn 1.9.1, torch 2.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A test of the conversion that compares classes or the accuracy passes, and in production everything is below the
#   threshold, or goes to a person for review. pip installs these two versions together.
# The cause for logistic regression: The converter takes the softmax if the model has a parameter multi_class, which scikit-learn
#   has since removed.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check hummingbird-ml==0.4.12 scikit-learn==1.9.1 torch==2.9.1 numpy==2.3.5 setuptools==80.9.0

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
warnings.simplefilter("ignore")
from hummingbird.ml import convert
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def converted(model, X):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result = convert(model, "torch", X)
    # PyTorch says that making a tensor of a list of arrays is slow, and nobody says more.
    about = [text for text in (str(w.message) for w in heard if issubclass(w.category, UserWarning)) if "extremely slow" not in text]
    check(not about, f"convert warns: {about}")
    return result

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("hummingbird-ml", "scikit-learn", "torch", "numpy")))

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
two = LogisticRegression().fit(X[y < 2], y[y < 2])
check(np.allclose(two.predict_proba(X), converted(two, X).predict_proba(X), atol=1e-4), "two classes differ")
for model in (LogisticRegression(max_iter=1000), LogisticRegressionCV(max_iter=1000, use_legacy_attributes=False)):
    name = type(model).__name__
    model.fit(X, y)
    other = converted(model, X)
    right, wrong = model.predict_proba(X), other.predict_proba(X)
    scores = 1 / (1 + np.exp(-model.decision_function(X)))
    check(np.allclose(wrong, scores / scores.sum(1, keepdims=True), atol=1e-4), f"{name} is no scaled sigmoid")
    check((model.predict(X) == other.predict(X)).all(), f"{name}: the classes differ")
    certain = [(p.max(1) > 0.8).sum() for p in (right, wrong)]
    print(f"{name}, three classes: largest difference of a probability {np.abs(right - wrong).max():.2f}, log loss {log_loss(y, right):.3f} and {log_loss(y, wrong):.3f}, of 150 flowers above 0.8: {certain[0]} and {certain[1]}")
    check(np.abs(right - wrong).max() > 0.25 and certain[0] > 2 * certain[1], f"{name}: {certain}")

rng = np.random.default_rng(0)
rates = np.exp(2 + X[:, 0] - X[:, 0].mean())
for loss, target in [("squared_error", rates), ("poisson", rng.poisson(rates)), ("gamma", rates)]:
    model = HistGradientBoostingRegressor(loss=loss, max_iter=30).fit(X, target)
    right, wrong = model.predict(X), converted(model, X).predict(X).ravel()
    print(f"HistGradientBoostingRegressor, {loss}: mean of predictions {right.mean():.2f}, converted {wrong.mean():.2f}")
    check(np.allclose(right, wrong if loss == "squared_error" else np.exp(wrong), rtol=1e-3), f"loss {loss}")

X, y = load_breast_cancer(return_X_y=True)
X = X.astype(np.float32)
holes = X.copy()
# A measurement is missing for benign cases more often.
holes[rng.random(X.shape) < np.where(y == 1, 0.4, 0.05)[:, None]] = np.nan
for model in (DecisionTreeClassifier(random_state=0), RandomForestClassifier(random_state=0), HistGradientBoostingClassifier(random_state=0)):
    name = type(model).__name__
    model.fit(X, y)
    check((model.predict(X) == converted(model, X).predict(X)).all(), f"{name} without missing values")
    model.fit(holes, y)
    right, wrong = (model.predict(holes) == y).mean(), (converted(model, holes).predict(holes) == y).mean()
    print(f"{name} with missing values: accuracy {right:.2f}, converted {wrong:.2f}")
    check(right > 0.99 and wrong < 0.9, f"{name} with missing values: {right} and {wrong}")

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
y = np.array([3, 7, 11])[y]
model = StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=2, random_state=0))]).fit(X, y)
wrong = np.unique(converted(model, X).predict(X)).tolist()
print("StackingClassifier: classes", np.unique(model.predict(X)).tolist(), "converted", wrong)
check(wrong == [0, 1, 2], f"classes of the stack: {wrong}")
EOF
venv/bin/python check.py
