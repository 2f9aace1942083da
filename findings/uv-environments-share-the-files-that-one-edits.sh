#!/usr/bin/env bash
# uv: editing a file of an installed package in one environment changes it in all others, and in those made
# later.
#
# Expected: Environments are separate. A fix that is tried in one stays there, and a new environment holds
#   what the package index holds.
# Happens: uv links the files of its cache into each environment. An edit that keeps the file, as an editor or
#   a patch script makes, reaches the cache. A second environment runs the edited code at once, and a third
#   that is made afterwards gets it too. uv pip check finds nothing, though the hash in RECORD does not fit.
#   pip copies.
# Seen: uv 0.13.9 with six 1.17.0 as the package, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A line that was added to look into a training changes all other projects of the user, and versions
#   and lock files are as they were.
# Source: github.com/astral-sh/uv/issues/10896
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check uv==0.13.9

cat > check.py <<'EOF'
import base64
import csv
import hashlib
import os
import pathlib
import subprocess
import sys
from importlib.metadata import version

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("uv", version("uv"))
os.environ.update(UV_CACHE_DIR=os.path.abspath("cache"), UV_LINK_MODE="hardlink", UV_NO_CONFIG="1")
uv = [sys.executable, "-m", "uv", "--quiet"]

def environment(name):
    subprocess.run([*uv, "venv", "--python", sys.executable, name], check=True)
    subprocess.run([*uv, "pip", "install", "--python", name, "six==1.17.0"], check=True)
    return next(pathlib.Path(name).glob("lib/*/site-packages"))

said = lambda name: subprocess.check_output([f"{name}/bin/python", "-c", "import six; print(six.__author__)"], text=True).strip()
first, second = environment("first"), environment("second")
before = said("second")
text = (first / "six.py").read_text()
with open(first / "six.py", "r+") as file:
    file.write(text.replace(before, "edited in the first".ljust(len(before))[:len(before)]))
third = environment("third")
for name in ("first", "second", "third"):
    print(f"{name}: {said(name)}")
check(said("first") == said("second") == said("third") != before, "the edit is everywhere")
checked = subprocess.run([*uv, "pip", "check", "--python", "third"])
with open(third / "six-1.17.0.dist-info/RECORD") as file:
    recorded = next(row[1] for row in csv.reader(file) if row[0] == "six.py")
actual = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256((third / "six.py").read_bytes()).digest()).decode().rstrip("=")
print("uv pip check of the third:", "fine" if checked.returncode == 0 else "complains", "- hash as recorded:", recorded == actual)
check(checked.returncode == 0 and recorded != actual, "uv does not see it")
os.environ["UV_LINK_MODE"] = "copy"
environment("fourth")
print("fourth, with link mode copy:", said("fourth"))
check(said("fourth") == said("first"), "the cache itself is changed")
EOF
venv/bin/python check.py
