#!/usr/bin/env bash
# DiskCache does not find an entry whose key is a tuple that equals the one it was stored under.
#
# Expected: Equal keys are one key, as in a dict.
# Happens: Keys that are not plain numbers or text are compared by their pickled bytes. Pickle writes a text
#   that occurs twice in a tuple once, but only if both are the same object. So the key is found or not by how
#   the text came about. memoize runs the function again.
# Seen: diskcache 5.6.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Names from a file or from joined parts are new objects. A finished experiment is run again, and the
#   cache holds two results for one key.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check diskcache==5.6.3

cat > check.py <<'EOF'
import sys
import diskcache

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("diskcache", diskcache.__version__)
cache = diskcache.Cache("cache")
name = "resnet"
same = "".join(["res", "net"])
first, second = (name, name), (name, same)
check(first == second and hash(first) == hash(second) and name is not same, "the keys are equal")
cache[first] = 0.91
print("stored under", first, "found under", second, "->", second in cache)
check(first in cache and second not in cache, "the equal key is not found")
cache[second] = 0.17
print("entries for the one key:", sorted(cache[key] for key in cache))
check(len(cache) == 2, "there are two entries")

runs = []

@cache.memoize()
def train(student, teacher):
    runs.append((student, teacher))
    return len(runs)

print("train:", train(name, name), train(name, name), train(name, same))
check(runs == [(name, name)] * 2, "memoize runs it again")
cache.clear()
cache["resnet-resnet"] = 1
check("-".join(second) in cache, "text keys are compared as text")
EOF
venv/bin/python check.py
