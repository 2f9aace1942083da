#!/usr/bin/env bash
# doit says that a task is up to date after its command was edited.
#
# Expected: A task is the command and its files. When the command changes, the task runs again, as with other
#   build tools that keep a database.
# Happens: Only dependencies are compared. With another learning rate in the command, and even with the target
#   overwritten by hand, doit prints "-- train" and leaves the old result in place.
# Seen: doit 0.37.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A hyperparameter in a command line is the most usual edit of a pipeline. The result on the disk
#   belongs to the old one.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check doit==0.37.0

cat > check.py <<'EOF'
import pathlib
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

from importlib.metadata import version
print("doit", version("doit"))
pathlib.Path("data.txt").write_text("rows\n")
model = pathlib.Path("model.txt")

def doit(rate):
    pathlib.Path("dodo.py").write_text(
        "def task_train():\n"
        f"    return {{'file_dep': ['data.txt'], 'targets': ['model.txt'], 'actions': ['echo rate={rate} > model.txt']}}\n")
    said = subprocess.check_output([sys.executable, "-m", "doit"], text=True).strip()
    print(f"command with rate={rate}: doit says {said!r}, model.txt holds {model.read_text().strip()!r}")
    return said, model.read_text().strip()

check(doit("0.1") == (".  train", "rate=0.1"), "the first run executes")
check(doit("0.5") == ("-- train", "rate=0.1"), "the edited command is not run")
model.write_text("edited by hand\n")
check(doit("0.5") == ("-- train", "edited by hand"), "an edited target is taken as up to date")
pathlib.Path("data.txt").write_text("other rows\n")
check(doit("0.5") == (".  train", "rate=0.5"), "a changed dependency makes it run")
EOF
venv/bin/python check.py
