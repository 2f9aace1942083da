#!/usr/bin/env bash
# numpy.savez writes a masked array without its mask, while numpy.save refuses the same array.
#
# Expected: Both functions write the .npy format, so both refuse a masked array, or both keep the mask.
# Happens: save raises NotImplementedError. savez writes the numbers below the mask as ordinary values and says
#   nothing.
# Seen: NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Masked cells are the invalid ones. A later stage that reads the .npz counts them: the mean below goes
#   from 2 to 334.33.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("numpy", np.__version__)
readings = np.ma.array([1.0, 999.0, 3.0, 2.0, 999.0, 2.0], mask=[0, 1, 0, 0, 1, 0])
print("mean of the masked array:", readings.mean())

try:
    np.save("readings.npy", readings)
    refused = False
except NotImplementedError as error:
    refused = True
    print("np.save:", error)
check(refused, "np.save refuses a masked array")

np.savez("readings.npz", readings=readings)
back = np.load("readings.npz")["readings"]
print("np.savez, read back:", type(back).__name__, back, "mean:", round(float(back.mean()), 2))
check(type(back) is np.ndarray, "np.savez gives back a plain array")
check(back.tolist() == [1.0, 999.0, 3.0, 2.0, 999.0, 2.0], "the masked values are ordinary values now")
EOF
venv/bin/python check.py
