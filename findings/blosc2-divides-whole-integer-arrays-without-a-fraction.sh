#!/usr/bin/env bash
# Blosc2: a / b of two integer arrays is 3.0 for 7 / 2 if all of it is asked for, and 3.5 if a slice of the same expression is.
#
# Expected: blosc2.divide is x1 / x2, its text refers to numpy.divide, and a / b says that its dtype is float64. So 7 / 2 is 3.5.
#   blosc2.remainder is "equivalent to the Python modulus operator", where -1 % 3 is 2.
# Happens: When the result is taken as a whole, by [:] or compute(), or by sum and mean, both operands are divided as integers and the
#   quotients are then stored as doubles: 3.0, 33.0, 0.0. So it is for 50 of the 64 pairs of integer types, with arrays in memory, on
#   disk, and in expressions given as text. A slice, [1:3], of the same expression has the fractions. So have a / 2, 1 / a, and a NumPy
#   array as one of the operands. The remainder of the whole has the sign of the left operand, and the one of a slice is right.
#   There is no warning.
# Seen: blosc2 4.14.1 with numpy 2.4.6. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Counts divided by counts are shares and rates: a / (a + b) of two integer arrays is 0 everywhere, and the mean of a ratio is too low.
#   Who looks at the first rows sees the right numbers, and what is saved has others. Indexes that wrap around
#   by % become negative, which is a valid index from the end.
# Cause: The engine that computes whole blocks uses / and % of C. The one for slices and mixed operands is another.
# Remedy: Multiply by 1.0 first, as in (a * 1.0) / b.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check blosc2==4.14.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import itertools
import sys
import warnings
import blosc2
import numpy as np
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("blosc2", "numpy")))

def same(got, wanted):
    return np.allclose(np.asarray(got), wanted)

x, y = np.array([7, 100, 3, 9]), np.array([2, 3, 4, 5])
a, b = blosc2.asarray(x), blosc2.asarray(y)
cut = x // y
print("a / b:", *(a / b)[:], "and its slice [1:3]:", *(a / b)[1:3])
check(np.dtype(str((a / b)[:].dtype)) == np.float64, "the dtype")
whole = {
    "a / b": (a / b)[:],
    "compute": (a / b).compute()[:],
    "divide": blosc2.divide(a, b)[:],
    "as text": blosc2.lazyexpr("a / b", {"a": a, "b": b})[:],
    "on disk": (blosc2.asarray(x, urlpath="a.b2nd", mode="w") / blosc2.asarray(y, urlpath="b.b2nd", mode="w"))[:],
}
for name, got in whole.items():
    check(same(got, cut), f"{name}: {got}")
check(same((a / b)[1:3], (x / y)[1:3]), f"a slice: {(a / b)[1:3]}")
print("sum:", (a / b).sum(), "mean:", (a / b).mean(), "in NumPy:", (x / y).sum().round(3), (x / y).mean().round(3))
check((a / b).sum() == cut.sum() and (a / b).mean() == cut.mean(), "sum and mean")
print("a / (a + b):", *(a / (a + b))[:], "and its slice:", *(a / (a + b))[1:3].round(3))
check(same((a / (a + b))[:], 0) and same((a / (a + b))[1:3], (x / (x + y))[1:3]), "a / (a + b)")
right = {
    "a / 2": ((a / 2)[:], x / 2),
    "1 / a": ((1 / a)[:], 1 / x),
    "a / NumPy": ((a / y)[:], x / y),
    "(a * 1.0) / b": (((a * 1.0) / b)[:], x / y),
    "where": (blosc2.where(a > 5, a / b, 0.0)[:], np.where(x > 5, x / y, 0)),
}
for name, (got, wanted) in right.items():
    check(same(got, wanted), f"{name}: {got}")
print("right:", ", ".join(right))

types = [kind + size for kind in "iu" for size in "1248"]
wrong = 0
for one, two in itertools.product(types, types):
    p, q = x.astype(one), y.astype(two)
    wrong += same((blosc2.asarray(p) / blosc2.asarray(q))[:], p // q)
print(wrong, "of", len(types) ** 2, "pairs of integer types are divided so")
check(wrong == 50, f"{wrong} pairs of types")

# Two dimensions and many blocks.
rows = np.arange(1, 10 ** 6 + 1).reshape(1000, 1000)
columns = rows.T.copy()
ratio = blosc2.asarray(rows) / blosc2.asarray(columns)
check(same(ratio[:], rows // columns) and same(ratio[10:20], (rows / columns)[10:20]), "two dimensions")
print("a million: mean", ratio[:].mean().round(3), "and in NumPy", (rows / columns).mean().round(3))

x = np.arange(-6, 6)
a = blosc2.asarray(x)
print("a % 3:", *(a % 3)[:], "and its slice [3:6]:", *(a % 3)[3:6])
for name, got in {"a % 3": (a % 3)[:], "remainder": blosc2.remainder(a, 3)[:], "as text": blosc2.lazyexpr("a % 3", {"a": a})[:]}.items():
    check(same(got, np.fmod(x, 3)) and not same(got, x % 3), f"{name}: {got}")
check(same((a % 3)[3:6], (x % 3)[3:6]), f"a slice of a % 3: {(a % 3)[3:6]}")
check(same((a // 4)[:], x // 4), "a // 4")
EOF
venv/bin/python check.py
