#!/usr/bin/env bash
# Prefect: a task that is cached by its inputs returns the result for a pattern with other flags, for keys of another type, or for another order of columns.
#
# Expected: With cache_policy=INPUTS a task runs again when an input differs. Its documentation says that the key is a hash of the inputs.
# Happens: The key is the hash of a JSON text of the inputs, and what JSON cannot tell apart is one input. re.compile("good") and the
#   same with re.IGNORECASE are one; so are the keys 1 and "1" of a dictionary, a tuple and a list, and a dictionary whose entries
#   are in another order, even an OrderedDict, since the text is sorted. The task returns the result of the first
#   call. Patterns of another text and arrays with other numbers are told apart: what JSON cannot hold is pickled.
# Seen: prefect 3.9.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A cleaning step that was made to ignore case seems to have no effect. A table of labels from JSON, whose keys are texts, gets
#   the result of the one with numbers. x[(0, 1)] is one number and x[[0, 1]] two rows. Features in another order get the array of
#   the first order. The run is shown as cached, as is right for a task whose inputs have not changed.
# Cause: hash_objects tries JSONSerializer with sort_keys=True first, and cloudpickle only if that fails.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check prefect==3.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import os
import sys
os.environ["PREFECT_HOME"] = os.path.abspath("home")
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
os.environ["DO_NOT_TRACK"] = "1"
import re
from collections import OrderedDict
from importlib.metadata import version
import numpy as np
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {version(name)}" for name in ("prefect", "numpy")))

def count(pattern):
    return sum(bool(pattern.search(text)) for text in ["good", "Good", "bad"])

def name_of_class_1(names):
    return names.get(1, "unknown")

def take(index):
    return np.arange(6).reshape(2, 3)[index].tolist()

def features(columns):
    return np.array([columns[name] for name in columns]).T.tolist()

def total(array):
    return int(array.sum())

# A function, and two inputs with different results.
cases = {
    "pattern with other flags": (count, re.compile("good"), re.compile("good", re.IGNORECASE)),
    "keys that are numbers or texts": (name_of_class_1, {1: "cat"}, {"1": "cat"}),
    "tuple and list as an index": (take, (0, 1), [0, 1]),
    "dictionary in another order": (features, {"age": [30, 40], "dose": [1, 2]}, {"dose": [1, 2], "age": [30, 40]}),
    "OrderedDict in another order": (features, OrderedDict(mass=[5], length=[7]), OrderedDict(length=[7], mass=[5])),
    "pattern of another text": (count, re.compile("b.d"), re.compile("o")),
    "array with another number": (total, np.zeros(5000, int), np.eye(1, 5000, 2500, dtype=int)[0]),
}

@flow
def compare():
    found = {}
    for what, (function, first, second) in cases.items():
        cached = task(function, cache_policy=INPUTS + TASK_SOURCE, persist_result=True)
        found[what] = [function(first), function(second), cached(first), cached(second)]
    return found

found = compare()
stale = []
for what, (first, second, cached_first, cached_second) in found.items():
    check(first != second and cached_first == first, f"{what}: {found[what]}")
    check(cached_second in (first, second), f"{what}: {found[what]}")
    stale += [what] * (cached_second == first)
    print(f"{what}: {first} and {second}, from the task {cached_first} and {cached_second}")
check(stale == list(cases)[:5], f"results of other inputs: {stale}")
EOF
venv/bin/python check.py
