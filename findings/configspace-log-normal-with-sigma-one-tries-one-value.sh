#!/usr/bin/env bash
# ConfigSpace: a normal learning rate on a log scale with sigma=1 is always the same value, and sigma=0.1 spreads as far as sigma=10.
#
# Expected: For a normal hyperparameter the documentation calls sigma the standard deviation of the normal distribution, and with
#   log=True its values are sampled on a log scale. A larger sigma spreads further, whether it is in e-folds, in decades or in
#   units of the value. Only sigma=0 is a single value.
# Happens: With log=True the logarithms of the samples have the standard deviation |log(lower + sigma)|. For a learning rate, whose lower
#   bound is small, sigma=1 gives a thousand samples that are all 0.001. 0.5 and 2 are the same, 0.1 and 10 are the same, and with
#   sigma=0.001 the samples are spread over the whole range. For hyperparameters above 1 the bound decides: units around 100 with
#   sigma=2 are spread further if the range begins at 50 than if it begins at 1. The short form Float(..., Normal(...)) and
#   NormalIntegerHyperparameter do the same. Without log=True, and for uniform hyperparameters, all is well.
# Seen: ConfigSpace 1.2.2, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: ConfigSpace describes the search of SMAC, DEHB and others, and a normal distribution tells them where the optimum is thought
#   to be. "One e-fold or one decade around 0.001" is the first thing to write, and then the learning rate is never searched, while
#   each trial shows a plausible one. A surer guess, written as 0.1 in place of 0.5, searches further away.
# Cause: UnitScaler.vectorize_size takes abs(log(lower + size)) for the size of a step. If the lower bound is near 0, sigma=10 means one
#   decade, and sigma=math.e one e-fold.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ConfigSpace==1.2.2 scipy==1.17.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import math
import sys
import warnings
import numpy as np
from ConfigSpace import ConfigurationSpace, Float, Normal, NormalFloatHyperparameter, NormalIntegerHyperparameter
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("ConfigSpace", "scipy")))

def samples(hyperparameter):
    space = ConfigurationSpace(seed=0)
    space.add(hyperparameter)
    return np.array([configuration["x"] for configuration in space.sample_configuration(1000)])

# Without log=True: 0.02, 0.1 and 0.5 spread as they say.
for sigma in (0.02, 0.1, 0.5):
    found = samples(NormalFloatHyperparameter("x", mu=5, sigma=sigma, lower=0, upper=10))
    check(abs(found.std() / sigma - 1) < 0.1, f"sigma={sigma} without log: {found.std()}")

spread = {}
for sigma in (0.1, 0.5, 0.9, 1, 1.1, 2, math.e, 10):
    found = samples(NormalFloatHyperparameter("x", mu=1e-3, sigma=sigma, lower=1e-9, upper=1e3, log=True))
    spread[sigma] = float(np.log(found).std())
    low, high = np.quantile(found, [0.05, 0.95])
    print(f"sigma={sigma:.3g}: 90 percent lie between {low:.3g} and {high:.3g}, logarithms have the standard deviation {spread[sigma]:.3g}")
    check(spread[sigma] < 1e-5 if sigma == 1 else abs(spread[sigma] / abs(math.log(sigma)) - 1) < 0.1, f"sigma={sigma}: {spread[sigma]}")
check(abs(spread[0.1] - spread[10]) < 0.01 and abs(spread[0.5] - spread[2]) < 0.01, f"spread: {spread}")

for what, hyperparameter in [
    ("NormalFloatHyperparameter, sigma=1", NormalFloatHyperparameter("x", mu=1e-3, sigma=1, lower=1e-6, upper=1, log=True)),
    ("Float with Normal(0.001, 1)", Float("x", (1e-6, 1), distribution=Normal(1e-3, 1), log=True)),
]:
    check("on log-scale" in str(hyperparameter), str(hyperparameter))
    found = samples(hyperparameter)
    print(f"{what}: {len(found)} samples between {found.min():.5g} and {found.max():.5g}")
    check(found.max() / found.min() - 1 < 1e-4, f"{what}: {found.min()} to {found.max()}")
# The smallest sigma spreads furthest.
found = samples(NormalFloatHyperparameter("x", mu=1e-3, sigma=1e-3, lower=1e-6, upper=1, log=True))
low, high = np.quantile(found, [0.05, 0.95])
print(f"NormalFloat, sigma=0.001: 90 percent lie between {low:.3g} and {high:.3g}")
check(high / low > 1e4, f"sigma=0.001: {low} to {high}")

# A range that begins later makes the samples spread further.
spread = []
for lower in (1, 10, 50):
    found = samples(NormalIntegerHyperparameter("x", mu=100, sigma=2, lower=lower, upper=10000, log=True))
    quartiles = np.quantile(found, [0.25, 0.75])
    print(f"NormalIntegerHyperparameter, mu=100, sigma=2 from {lower} on: half of the samples lie between", *quartiles)
    spread.append(float(quartiles[1]))
check(spread == sorted(spread) and spread[0] < 300 and spread[2] > 900, f"upper quartiles {spread}")
EOF
venv/bin/python check.py
