#!/usr/bin/env bash
# Keras: to_categorical gives the label -1 to the last class, while one_hot of the same library gives it to
# none.
#
# Expected: -1, the usual mark of "no label", is an error or a row of zeros.
# Happens: to_categorical uses the label as a NumPy index, and -1 is the last column. keras.ops.one_hot gives
#   zeros. A label that is too large is an error in the one and a row of zeros in the other.
# Seen: Keras 3.15.1 on JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Noise points of DBSCAN and unlabeled rows of semi-supervised sets are -1. They all become examples of
#   one real class.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import os
import sys
os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("keras", keras.__version__)
labels = np.array([0, 1, 2, -1])
categorical = np.asarray(keras.utils.to_categorical(labels, num_classes=3))
one_hot = np.asarray(keras.ops.one_hot(labels, 3))
print("labels:", labels, "\nto_categorical:\n", categorical, "\none_hot:\n", one_hot)
check(categorical[3].tolist() == [0, 0, 1], "to_categorical: -1 is the last class")
check(one_hot[3].tolist() == [0, 0, 0], "one_hot: -1 is no class")
check(np.array_equal(categorical[:3], one_hot[:3]), "they agree on the others")
try:
    keras.utils.to_categorical([3], num_classes=3)
    check(False, "to_categorical refuses a label that is too large")
except IndexError as error:
    print("to_categorical of 3:", error)
check(np.asarray(keras.ops.one_hot(np.array([3]), 3)).tolist() == [[0, 0, 0]], "one_hot gives zeros")
EOF
venv/bin/python check.py
