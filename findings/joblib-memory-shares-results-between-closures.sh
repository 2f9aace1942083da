#!/usr/bin/env bash
# joblib.Memory gives a closure the result that another closure with the same text computed.
#
# Expected: Two functions that capture different values have different cached results.
# Happens: A result is keyed by module, name, text of the function and arguments. Captured values are in none of
#   them. The second closure returns the first one's number without running.
# Seen: joblib 1.6.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Feature builders and scorers are often made by a factory: make(alpha) returns a cached function. A
#   sweep over alpha then reports one result for all values.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check joblib==1.6.0

cat > check.py <<'EOF'
import sys
import joblib

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("joblib", joblib.__version__)
memory = joblib.Memory("cache", verbose=0)
ran = []

def make_scaler(factor):
    @memory.cache
    def scale(x):
        ran.append(factor)
        return x * factor
    return scale

results = {factor: make_scaler(factor)(3) for factor in (2, 10, 100)}
print("results:", results, "ran for factors:", ran)
check(results == {2: 6, 10: 6, 100: 6}, "every closure returns the first one's result")
check(ran == [2], "only the first one ran")
EOF
venv/bin/python check.py
