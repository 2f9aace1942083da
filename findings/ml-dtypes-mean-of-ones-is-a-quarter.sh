#!/usr/bin/env bash
# ml_dtypes: the mean of a thousand ones in bfloat16 is 0.256, and no sum of ones exceeds 256.
#
# Expected: NumPy adds up short floats in longer ones, as it does for float16: the mean of a thousand ones is 1.
# Happens: sum, mean, var and cumsum of a bfloat16 array keep their running sum in bfloat16, which has 8 binary digits. From 256
#   on, adding 1 changes nothing. In float8_e4m3fn a sum stops at 16. No warning. dtype=np.float32 makes it right, and so does
#   a dot product with ones.
# Seen: ml_dtypes 0.6.0 with numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: JAX, Flax, Orbax and ONNX hand out bfloat16 weights as such arrays. Means of activations and
#   deviations of weights shrink with the size of the array, to small numbers that look plausible.
# Source: github.com/jax-ml/ml_dtypes/issues/63, closed
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ml_dtypes==0.6.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
import ml_dtypes
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("ml_dtypes", "numpy")))
warnings.simplefilter("error")
ones = np.ones(1000, ml_dtypes.bfloat16)
short = np.ones(1000, np.float16)
print("a thousand ones, float16: sum", short.sum(), "mean", short.mean())
print("a thousand ones, bfloat16: sum", ones.sum(), "mean", ones.mean(), "last of cumsum", ones.cumsum()[-1])
check(short.sum() == 1000 and short.mean() == 1, "float16 is right")
check(ones.sum() == 256 and abs(float(ones.mean()) - 0.256) < 1e-3 and ones.cumsum()[-1] == 256, "bfloat16 stops at 256")
check(ones.mean(dtype=np.float32) == 1 and ones @ ones == 1000, "a float32 sum and a dot product are right")
tiny = np.ones(1000, ml_dtypes.float8_e4m3fn)
print("a thousand ones, float8_e4m3fn: sum", tiny.sum())
check(tiny.sum() == 16, "float8 stops at 16")

weights = np.random.default_rng(0).normal(1, 0.5, (65536, 2)).astype(ml_dtypes.bfloat16)
print("mean of 65536 weights around 1, two columns:", weights.mean(0), "right:", weights.mean(0, dtype=np.float32).round(3))
print("their standard deviation:", weights.std(), "right:", weights.std(dtype=np.float32).round(3))
check((weights.mean(0).astype(float) < 0.1).all() and (abs(weights.mean(0, dtype=np.float32) - 1) < 0.05).all(), "means shrink")
check(float(weights.std()) < 0.3 and abs(weights.std(dtype=np.float32) - 0.5) < 0.05, "the deviation is off")
EOF
venv/bin/python check.py
