#!/usr/bin/env bash
# sklearn-pmml-model: an SVC of two classes from a PMML file says the other class for all rows, and one of three differs by process.
#
# Expected: A classifier that nyoka writes as PMML and sklearn-pmml-model reads says what it said before. sklearn-pmml-model lists
#   all three kinds as supported. The files are right: the rules of PMML, applied by hand in this script, give the classes of the
#   SVC for all rows, and learning rate and prior of the boosting are in its file.
# Happens: An SVC of two classes: every row gets the other class. An SVC of three classes with text labels: by the hash seed of the
#   process no row or a third of the rows get another class, while numbers as labels are right. An MLPClassifier of two classes:
#   all rows get the second class, while predict_proba is right. A GradientBoostingClassifier: learning rate and prior are left
#   out, so that a probability of 0.63 is 1.00 and some labels differ. No error is raised.
# Seen: sklearn-pmml-model 1.0.8, nyoka 5.5.0, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: PMML is how models go from one team or tool to another. An accuracy of 0.90 becomes 0.10, or two workers that
#   read the same file disagree.
# Cause: In PMML a value below the threshold means targetCategory and one above it alternateTargetCategory. svm/_base.py asks only
#   whether one of the two is the class, and goes through a set of the other classes, whose order is that of their hashes. The
#   network gets a LabelBinarizer for -1 and 1, which cuts probabilities at 0. The boosting looks for learning rate and prior
#   in Targets, not in the transformation of the output, where nyoka writes them.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check sklearn-pmml-model==1.0.8 nyoka==5.5.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6

cat > common.py <<'EOF'
import sys
import warnings
import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
warnings.filterwarnings("ignore", "X has feature names")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def data(load):
    """Four columns with short names, scaled, and the labels as text."""
    raw = load(as_frame=True)
    table = raw.data.iloc[:, :4].set_axis(list("abcd"), axis=1)
    return (table - table.mean()) / table.std(), np.asarray(raw.target_names).astype(str)[raw.target], raw.target.to_numpy()
EOF

cat > write.py <<'EOF'
import importlib.metadata
from common import *
from lxml import etree
from nyoka import skl_to_pmml
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn_pmml_model.auto_detect import auto_detect_estimator

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("sklearn-pmml-model", "nyoka", "scikit-learn")))

def written(name, model, X, y):
    pipeline = Pipeline([("model", model)]).fit(X, y)
    skl_to_pmml(pipeline, list(X.columns), "label", name + ".pmml")
    return pipeline

def by_the_rules(name, X):
    """The classes of an SVC by the rules of PMML: below the threshold, which is 0, a machine votes for its target."""
    root = etree.parse(name + ".pmml").getroot()
    for element in root.iter():
        element.tag = etree.QName(element).localname
    gamma = float(root.find(".//RadialBasisKernelType").get("gamma"))
    vectors = {}
    for instance in root.iter("VectorInstance"):
        where = [int(i) - 1 for i in instance.findtext(".//Indices").split()]
        vectors[instance.get("id")] = np.zeros(X.shape[1])
        vectors[instance.get("id")][where] = [float(v) for v in instance.findtext(".//REAL-Entries").split()]
    votes = [{} for _ in X]
    for machine in root.iter("SupportVectorMachine"):
        sums = np.full(len(X), float(machine.find("Coefficients").get("absoluteValue")))
        for vector, alpha in zip(machine.iter("SupportVector"), machine.iter("Coefficient")):
            sums += float(alpha.get("value")) * np.exp(-gamma * ((X - vectors[vector.get("vectorId")]) ** 2).sum(1))
        for row, value in zip(votes, sums):
            label = machine.get("targetCategory" if value < 0 else "alternateTargetCategory")
            row[label] = row.get(label, 0) + 1
    return np.array([max(sorted(row), key=row.get) for row in votes])

X, text, numbers = data(load_breast_cancer)
first = written("two", SVC(), X, text)
check((by_the_rules("two", X.to_numpy()) == first.predict(X)).all(), "the file of the SVC of two classes")
read = auto_detect_estimator(pmml="two.pmml")
before, after = first.predict(X), read.predict(X)
print(f"SVC of two classes: accuracy {(before == text).mean():.2f}, from the file {(after == text).mean():.2f}, other labels {(before != after).sum()} of {len(X)}")
check((before != after).all(), f"SVC of two classes: {(before != after).sum()} labels differ")

network = written("network", MLPClassifier((5,), max_iter=300, random_state=0), X, text)
read = auto_detect_estimator(pmml="network.pmml")
before, after = network.predict(X), read.predict(X)
off = np.abs(network.predict_proba(X) - read.predict_proba(X)).max()
print(f"MLPClassifier of two classes: {sum(before == 'malignant')} malignant, from the file {sum(after == 'malignant')}, probabilities differ by {off:.0e}")
check(off < 1e-9, f"probabilities of the network are off by {off}")
check(set(before) == {"benign", "malignant"} and set(after) == {"malignant"}, f"labels of the network: {set(after)}")

boosted = written("boosted", GradientBoostingClassifier(n_estimators=5, random_state=0), X, text)
model = boosted.named_steps["model"]
prior = np.log(model.init_.class_prior_[1] / model.init_.class_prior_[0])
constants = [float(c.text) for c in etree.parse("boosted.pmml").getroot().iter("{*}Constant")]
check(np.allclose(constants, [0.1, prior]), f"learning rate and prior in the file: {constants}")
read = auto_detect_estimator(pmml="boosted.pmml")
before, after = boosted.predict_proba(X)[:, 1], read.predict_proba(X)[:, 1]
differ = (boosted.predict(X) != read.predict(X)).sum()
print(f"GradientBoostingClassifier: largest probability {before.max():.2f}, from the file {after.max():.2f}, other labels {differ}")
check(np.allclose(after, expit((boosted.decision_function(X) - prior) / 0.1)), "boosting without learning rate and prior")
check(differ > 0, "boosting gives the same labels")

X, text, numbers = data(load_iris)
for name, labels in [("text", text), ("numbers", numbers)]:
    pipeline = written(name, SVC(), X, labels)
    check((by_the_rules(name, X.to_numpy()) == pipeline.predict(X).astype(str)).all(), f"the file of the SVC with {name}")
    np.save(name + ".npy", pipeline.predict(X))
EOF
venv/bin/python write.py

cat > read.py <<'EOF'
from common import *
from sklearn_pmml_model.auto_detect import auto_detect_estimator
X = data(load_iris)[0]
print(*((auto_detect_estimator(pmml=name + ".pmml").predict(X) != np.load(name + ".npy")).sum() for name in ("text", "numbers")))
EOF
for seed in 0 1 2 3 4 5 6 7; do
    PYTHONHASHSEED=$seed venv/bin/python read.py >> counts
done

cat > compare.py <<'EOF'
from common import *
text, numbers = np.loadtxt("counts", int).T.tolist()
print("SVC of three classes, other labels of 150 by hash seed: with text", text, "with numbers", numbers)
check(numbers == [0] * 8, f"other labels with numbers: {numbers}")
check(min(text) == 0 and max(text) >= 50, f"other labels with text: {text}")
EOF
venv/bin/python compare.py
