#!/usr/bin/env bash
# NannyML: with the labels 1 and 2, or -1 and 1, CBPE estimates a recall of 1 for every model and never alarms on specificity.
#
# Expected: CBPE estimates the accuracy of a classifier of two classes from its probabilities, after it has seen labels in the
#   reference data. The labels 1 and 2, or -1 and 1, give the estimates that 0 and 1 give, or an error, as texts do.
# Happens: The estimates are computed for predictions that are 0 or 1, and the calibration is fitted to the labels as they are, so
#   that probabilities go from 1 to 2 or from -1 to 1. For a model that falls from an accuracy of 0.78 to 0.59, the labels 1 and 2
#   give an accuracy of 0.71, a recall of 1 and a specificity of 0 without limits, so no alarm. Some values are no possible ones, as
#   a precision of 1.4. False and True are right. PerformanceCalculator is right for -1 and 1; for 1 and 2 its recall is that of
#   class 1, while the probability in the same table is that of class 2.
# Seen: nannyml 0.13.1, scikit-learn 1.9.1, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: CBPE runs where labels come months later, so no one can compare. Libraries and data sets use -1 and 1, and tables from R
#   or the German credit data use 1 and 2; scikit-learn models return the labels that they got. To map the columns of
#   labels and predictions to 0 and 1 before helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
# NannyML imports statsmodels without asking for it.
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check nannyml==0.13.1 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6 statsmodels==0.15.0

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import nannyml
import numpy as np
import pandas as pd
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("nannyml", "scikit-learn", "pandas")))

def predictions(sharpness, seed):
    """Probabilities that are right, and labels drawn by them."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-sharpness * rng.normal(size=10000)))
    return pd.DataFrame({"p": p, "said": (p >= 0.5).astype(int), "true": (rng.random(10000) < p).astype(int)})

METRICS = ["accuracy", "recall", "precision", "specificity", "roc_auc"]
OPTIONS = dict(y_pred_proba="p", y_pred="said", y_true="true", problem_type="classification_binary", chunk_size=1000)

def measured(cls, run, to):
    """Mean over the chunks and number of alarms, after the model has become less sharp."""
    seen, later = (frame.assign(said=to(frame["said"]), true=to(frame["true"])) for frame in (predictions(2, 0), predictions(0.5, 1)))
    found = {}
    for metric in METRICS:
        table = getattr(cls(metrics=[metric], **OPTIONS).fit(seen), run)(later).filter(period="analysis").to_df()[metric]
        check(len(table) == 10, f"{len(table)} chunks")
        found[metric] = (table["value"].mean(), int(table["alert"].sum()))
    return found

def show(name, found):
    print(f"  {name}:", ", ".join(f"{m} {value:.2f} ({alarms} alarms)" for m, (value, alarms) in found.items()))

kinds = {"0 and 1": lambda v: v, "False and True": lambda v: v.astype(bool), "1 and 2": lambda v: v + 1, "-1 and 1": lambda v: v * 2 - 1}
estimated, computed = {}, {}
for name, to in kinds.items():
    print("labels", name)
    estimated[name] = measured(nannyml.CBPE, "estimate", to)
    computed[name] = measured(nannyml.PerformanceCalculator, "calculate", to)
    show("estimated", estimated[name])
    show("computed with the labels", computed[name])

true = computed["0 and 1"]
check(0.57 < true["accuracy"][0] < 0.61 and all(alarms == 10 for _, alarms in true.values()), f"computed: {true}")
for name in ("0 and 1", "False and True"):
    check(all(abs(estimated[name][m][0] - true[m][0]) < 0.02 and estimated[name][m][1] == 10 for m in METRICS), f"labels {name}")
check(computed["False and True"] == computed["-1 and 1"] == true, "computed for -1 and 1")
# The recall of class 1 is the specificity of class 2.
check(computed["1 and 2"]["recall"] == (true["specificity"][0], 10), "computed recall for 1 and 2")
for name, accuracy, precision in [("1 and 2", 0.71, 1.4), ("-1 and 1", 0.10, 0.19)]:
    found = estimated[name]
    check(found["recall"][0] == 1 and abs(found["specificity"][0]) < 1e-9 and found["specificity"][1] == 0, f"labels {name}: {found}")
    check(abs(found["accuracy"][0] - accuracy) < 0.02 and abs(found["precision"][0] - precision) < 0.02, f"labels {name}: {found}")
    check(abs(found["roc_auc"][0] - true["roc_auc"][0]) > 0.1, f"labels {name}: {found}")

try:
    measured(nannyml.CBPE, "estimate", lambda v: v.map({0: "no", 1: "yes"}))
    check(False, "labels that are texts raise no error")
except nannyml.exceptions.CalculatorException:
    print("labels no and yes: an error")
EOF
# The library reports each call to its makers otherwise.
NML_DISABLE_USAGE_LOGGING=1 venv/bin/python check.py
