#!/usr/bin/env bash
# safetensors.numpy saves a transposed or strided NumPy array with its numbers in the wrong places.
#
# Expected: save and load give the same array, or save refuses the array.
# Happens: The bytes are taken in memory order while the shape is written as if they were in row order. No
#   error, no warning. The file is valid and loads.
# Seen: safetensors 0.8.0 with NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Weights that come out of `.T`, of a slice with a step, or of PCA in scikit-learn are in that order.
#   The model file of a stage is silently another model.
# Source: github.com/safetensors/safetensors/issues/825, which says that version 0.7.0 was right
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import numpy as np
from safetensors.numpy import load, load_file, save, save_file

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("safetensors", version("safetensors"), "numpy", np.__version__)
weights = np.arange(6, dtype=np.float32).reshape(3, 2).T
save_file({"w": weights}, "model.safetensors")
back = load_file("model.safetensors")["w"]
print("saved:\n", weights, "\nloaded:\n", back)
check(back.shape == weights.shape, "the shape survives")
check(not np.array_equal(back, weights), "a transposed array comes back scrambled")
check(np.array_equal(back.ravel(), weights.ravel(order="K")), "what comes back is the memory order")

every_second = np.arange(10)[::2]
back = load(save({"i": every_second}))["i"]
print("saved:", every_second, "loaded:", back)
check(back.tolist() == [0, 1, 2, 3, 4], "a slice with a step comes back as the first elements")

copy = load(save({"w": np.ascontiguousarray(weights)}))["w"]
check(np.array_equal(copy, weights), "a contiguous copy is right")
print("np.ascontiguousarray before saving is right")
EOF
venv/bin/python check.py
