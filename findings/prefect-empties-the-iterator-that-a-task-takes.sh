#!/usr/bin/env bash
# Prefect: a task that takes a generator, a zip or a map gets an empty one.
#
# Expected: A task computes what its function computes. The sum of a generator over 1, 2, 3 and 4 is 10.
# Happens: It is 0. Before a task runs, Prefect turns its arguments into JSON to make a cache key, and this reads an
#   iterator to its end. The function then gets what is left of it, which is nothing. That is so for every task with
#   the settings it comes with, also where no result is stored. With cache_policy=NO_CACHE, or with a list, the sum is
#   right. The run ends as completed and there is no warning.
# Seen: prefect 3.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Records, batches and zip(labels, predictions) are often passed as iterators. Counts, sums and files that
#   the task writes are then those of no data at all.
# Source: hash_objects in prefect/utilities/hashing.py and prefect_json_object_encoder in prefect/serializers.py
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check prefect==3.9.1

cat > check.py <<'EOF'
import os
import sys
os.environ["PREFECT_HOME"] = os.path.abspath("home")
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
os.environ["DO_NOT_TRACK"] = "1"
from importlib.metadata import version
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("prefect", version("prefect"))

def total(numbers):
    return sum(numbers)

def hits(pairs):
    return sum(label == prediction for label, prediction in pairs)

def write(lines, path):
    with open(path, "w") as file:
        file.writelines(lines)
    return os.path.getsize(path)

labels, predictions = [0, 1, 1, 0], [0, 1, 1, 1]
cases = {
    "sum of a list": (total, lambda: ([1, 2, 3, 4],)),
    "sum of a generator": (total, lambda: ((n for n in [1, 2, 3, 4]),)),
    "hits in a zip of labels and predictions": (hits, lambda: (zip(labels, predictions),)),
    "bytes of a file written from a map": (write, lambda: (map("{}\n".format, labels), "labels.txt")),
}

@flow
def compare():
    found = {}
    for name, (function, arguments) in cases.items():
        found[name] = [
            function(*arguments()),
            task(function)(*arguments()),
            task(function).submit(*arguments()).result(),
            task(function, cache_policy=NO_CACHE)(*arguments()),
        ]
    return found

found = compare()
for name, (plain, called, submitted, uncached) in found.items():
    print(f"{name}: function {plain}, task {called}, submitted {submitted}, with NO_CACHE {uncached}")
check(found["sum of a list"] == [10] * 4, "a list is kept")
check(found["sum of a generator"] == [10, 0, 0, 10], "the task gets an empty generator")
check(found["hits in a zip of labels and predictions"] == [3, 0, 0, 3], "the task gets an empty zip")
check(found["bytes of a file written from a map"] == [8, 0, 0, 8], "the task writes an empty file")
EOF
venv/bin/python check.py
