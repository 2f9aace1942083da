#!/usr/bin/env bash
# imbalanced-learn: SMOTE cuts the decimals off synthetic rows when the table is of integers, so rare flags
# vanish.
#
# Expected: Integer columns are interpolated without bias, or refused, since the average of two integers is
#   seldom one.
# Happens: The rows are interpolated as floats and cast back to the type of the input, which cuts off the
#   decimals. A 0/1 column that is 1 in 45% of the minority class is 1 in 16% of the synthetic rows. With the
#   same numbers as floats the mean is right. No warning.
# Seen: imbalanced-learn 0.14.2 with scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The classes are balanced, and a feature that carries the signal is now biased in the training data
#   only.
# Source: github.com/scikit-learn-contrib/imbalanced-learn/pull/450 made the result keep the type of the input
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import imblearn
import numpy as np
import sklearn
from imblearn.over_sampling import SMOTE

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("imbalanced-learn", imblearn.__version__, "scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
y = np.array([0] * 200 + [1] * 20)
X = np.column_stack([rng.integers(0, 100, 220), rng.integers(0, 2, 220)])
minority = X[y == 1][:, 1].mean()
whole, _ = SMOTE(random_state=0).fit_resample(X, y)
floats, _ = SMOTE(random_state=0).fit_resample(X.astype(float), y)
print("mean of the flag in the minority class:", minority)
print("in synthetic rows, integer input:", round(whole[220:, 1].mean(), 3), whole.dtype)
print("in synthetic rows, float input:  ", round(floats[220:, 1].mean(), 3), floats.dtype)
check(whole.dtype == X.dtype, "the result is of integers")
check(np.array_equal(whole, np.trunc(floats)), "integer rows are the float rows without decimals")
check(whole[220:, 1].mean() < 0.5 * minority, "the flag is much rarer")
check(abs(floats[220:, 1].mean() - minority) < 0.05, "floats keep the mean")
EOF
venv/bin/python check.py
