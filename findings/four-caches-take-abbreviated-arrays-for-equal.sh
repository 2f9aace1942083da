#!/usr/bin/env bash
# Flask-Caching, dogpile.cache, aiocache and cashews return the result for another array, since the key is its text.
#
# Expected: A cached function returns the result for the array that it is called with, or refuses arrays.
# Happens: All four caches make the key from the text of the arguments. NumPy abbreviates the text of an array of more
#   than 1000 numbers to the first and last three of each axis, and rounds each number to eight decimals. So a picture
#   of 32 by 32 pixels gets the result for another one with the same corners, and two short vectors that differ in
#   the ninth decimal are one key. Two data frames of pandas that differ in the middle are one, too. Nothing warns.
# Seen: Flask-Caching 2.5.1, dogpile.cache 1.5.0, aiocache 0.12.3, cashews 7.6.0, NumPy 2.4.6, pandas 3.1.1,
#   Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: These are the caches of web services. A service that caches its model's predictions answers one request with
#   the prediction for another.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check Flask-Caching==2.5.1 Flask==3.1.3 dogpile.cache==1.5.0 aiocache==0.12.3 cashews==7.6.0 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import asyncio
import sys
import warnings
from importlib.metadata import version
import aiocache
import numpy as np
import pandas as pd
from cashews import cache as cashews
from dogpile.cache import make_region
from flask import Flask
from flask_caching import Cache
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

for name in ("Flask-Caching", "dogpile.cache", "aiocache", "cashews", "numpy", "pandas"):
    print(name, version(name))

def total(data):
    return float(np.asarray(data).sum())

async def later(data):
    return total(data)

def with_flask(first, second):
    app = Flask("service")
    cached = Cache(app, config={"CACHE_TYPE": "SimpleCache"}).memoize()(total)
    with app.app_context():
        return cached(first), cached(second)

def with_dogpile(first, second):
    cached = make_region().configure("dogpile.cache.memory").cache_on_arguments()(total)
    return cached(first), cached(second)

def both(cached):
    async def calls(first, second):
        return await cached(first), await cached(second)
    return lambda first, second: asyncio.run(calls(first, second))

def with_aiocache(first, second):
    return both(aiocache.cached(namespace=str(next(count)))(later))(first, second)

def with_cashews(first, second):
    cashews.setup("mem://")
    return both(cashews(ttl="1h", prefix=str(next(count)))(later))(first, second)

count = iter(range(1000))
picture, lit = np.zeros((32, 32)), np.zeros((32, 32))
lit[8:24, 8:24] = 1
small, small_lit = np.zeros((31, 32)), np.zeros((31, 32))
small_lit[8:24, 8:24] = 1
frame, other = pd.DataFrame({"x": np.zeros(100)}), pd.DataFrame({"x": np.zeros(100)})
other.loc[50, "x"] = 7
cases = {
    "31 by 32 pixels, dark and lit": (small, small_lit, False),
    "32 by 32 pixels, dark and lit": (picture, lit, True),
    "two numbers, 9th decimal differs": (np.array([0.5, 0.123456781]), np.array([0.5, 0.123456784]), True),
    "data frames of 100 rows": (frame, other, True),
}
for what, (first, second, collide) in cases.items():
    right = total(first), total(second)
    check(right[0] != right[1], "the sums differ")
    print(f"\n{what}: right are {right}")
    for cache in (with_flask, with_dogpile, with_aiocache, with_cashews):
        results = cache(first, second)
        print(f"  {cache.__name__.replace('_', ' ')}: {results}")
        wanted = (right[0], right[0]) if collide else right
        check(results == wanted, f"{cache.__name__} returns {wanted} for {what}")
EOF
venv/bin/python check.py
