#!/usr/bin/env bash
# JAX turns a NumPy array of 64-bit integers into 32-bit ones and keeps the low bits, without a warning.
#
# Expected: Values that do not fit raise an error or a warning. JAX documents that it uses 32 bits by default.
# Happens: jnp.asarray, jit and device_put give 5 for 2^40 + 5. Warnings are on and none is shown. Sums overflow
#   too: arange(70000).sum() is negative.
# Seen: JAX 0.10.2 on the CPU, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Hashed features, user ids, nanosecond times and token offsets exceed 32 bits. Ids of different users
#   fall together.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
import jax
import jax.numpy as jnp
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("jax", jax.__version__)
ids = np.array([5, 2**32 + 5, 2**40 + 5])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    results = {
        "jnp.asarray": jnp.asarray(ids),
        "jax.device_put": jax.device_put(ids),
        "jax.jit": jax.jit(lambda x: x)(ids),
    }
    total = int(jnp.arange(70_000).sum())
print("NumPy:", ids, ids.dtype)
for name, got in results.items():
    print(f"{name}:", got, got.dtype)
    check(got.dtype == jnp.int32 and got.tolist() == [5, 5, 5], f"{name} makes three ids one")
print("sum of 0..69999:", total, "right:", sum(range(70_000)))
check(total == sum(range(70_000)) - 2**32, "the sum wraps around")
about = [str(w.message) for w in caught]
print("warnings:", about)
check(not about, "no warning is shown")
EOF
venv/bin/python check.py
