#!/usr/bin/env bash
# cloudpickle gives other bytes in every process for one and the same class or function of a script.
#
# Expected: The pickle of unchanged code is unchanged, so its hash can key a cache.
# Happens: A class that is defined in the script gets a random identifier in its pickle. A function that refers
#   to such a class has it too. A function without one is stable.
# Seen: cloudpickle 3.1.3, Python 3.11 on Debian 12, x86-64, in November 2026, with PYTHONHASHSEED fixed.
# Matters: Schedulers and caches that hash the cloudpickle of a task never hit again after a restart, and the
#   cause is one class anywhere in reach.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check cloudpickle==3.1.3

cat > check.py <<'EOF'
import os
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

SCRIPT = """
import hashlib, cloudpickle

class Config:
    lr = 0.1

def plain(x):
    return x + 1

def uses_class(x):
    return x * Config.lr

print(*(hashlib.sha256(cloudpickle.dumps(o)).hexdigest()[:16] for o in (plain, Config, uses_class)))
"""
from importlib.metadata import version
print("cloudpickle", version("cloudpickle"))
runs = []
for _ in range(4):
    out = subprocess.check_output([sys.executable, "-c", SCRIPT], text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    runs.append(out.split())
for name, digests in zip(("plain function", "class", "function with class"), zip(*runs)):
    print(f"{name}:", *digests)
plain, klass, user = zip(*runs)
check(len(set(plain)) == 1, "a plain function is stable")
check(len(set(klass)) == 4, "a class is never the same")
check(len(set(user)) == 4, "a function that uses the class is never the same")
EOF
venv/bin/python check.py
