#!/usr/bin/env bash
# pytask skips a task as unchanged although the value of its argument has changed.
#
# Expected: A task that was given 1 and is now given 50 runs again.
# Happens: Arguments that are not files are not compared. If the value comes from another module, such as a
#   config.py, editing it changes nothing that pytask looks at. The same holds for a helper function. The
#   product keeps the old result and the report says success.
# Seen: pytask 0.6.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Settings in one module that all tasks import are the layout that the field uses. A study with new
#   settings reports the old results.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pytask==0.6.0

cat > check.py <<'EOF'
import os
import pathlib
import subprocess
import sys
from importlib.metadata import version

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pytask", version("pytask"))
tool = os.path.join(os.path.dirname(sys.executable), "pytask")
os.makedirs("project")
os.chdir("project")
write = lambda path, text: pathlib.Path(path).write_text(text)
write("config.py", "SEED = 1\n")
write("helper.py", "def f(x):\n    return x + 1\n")
write("task_train.py", """
from pathlib import Path
from config import SEED
from helper import f

def task_train(seed: int = SEED, produces=Path("model")):
    produces.write_text(str(f(seed)))
""")

def build():
    done = subprocess.run([tool], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=".", PYTHONDONTWRITEBYTECODE="1"))
    check(done.returncode == 0, f"pytask succeeds: {done.stdout}{done.stderr}")
    said = "skipped" if "Skipped because unchanged" in done.stdout else "run"
    return said, pathlib.Path("model").read_text()

steps = [("first", None, None), ("SEED = 50", "config.py", "SEED = 50\n"), ("f adds 1000", "helper.py", "def f(x):\n    return x + 1000\n")]
seen = []
for name, path, text in steps:
    if path:
        write(path, text)
    seen.append(build())
    print(f"{name}: {seen[-1][0]}, model {seen[-1][1]}")
check(seen == [("run", "2"), ("skipped", "2"), ("skipped", "2")], "it is skipped")
write("task_train.py", pathlib.Path("task_train.py").read_text() + "\n")
seen.append(build())
print("an empty line in the task's own file:", seen[-1][0], "model", seen[-1][1])
check(seen[-1] == ("run", "1050"), "an empty line makes it run")
EOF
venv/bin/python check.py
