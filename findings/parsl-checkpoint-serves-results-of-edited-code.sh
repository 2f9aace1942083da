#!/usr/bin/env bash
# Parsl: a checkpoint returns the result of the old code after the function was edited.
#
# Expected: A changed function is a new one. The user guide of Parsl 1.1 says that any change to the code of
#   an app, even to its docstring, invalidates stored results.
# Happens: Results are found by the name and the module of the function and by its arguments. The second run
#   returns 2 although the edited function gives 101. A new name or a new argument makes it run.
# Seen: parsl 2026.10.26, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: One reason to run a program again is that its code was wrong. The run is fast, looks complete, and
#   holds the old numbers.
# Source: github.com/Parsl/parsl/blob/1.1.0/docs/userguide/checkpoints.rst
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check parsl==2026.10.26

cat > check.py <<'EOF'
import pathlib
import subprocess
import sys
from importlib.metadata import version

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("parsl", version("parsl"))
PROGRAM = """
import parsl
from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import ThreadPoolExecutor
from parsl.utils import get_all_checkpoints

@parsl.python_app(cache=True)
def score(x):
    return x + 1

with parsl.load(Config(executors=[ThreadPoolExecutor()],
                       memoizer=BasicMemoizer(checkpoint_files=get_all_checkpoints(), checkpoint_mode="task_exit"))):
    print(score(1).result())
"""

def run(program):
    pathlib.Path("program.py").write_text(program)
    return subprocess.check_output([sys.executable, "program.py"], text=True).strip()

edited = PROGRAM.replace("x + 1", "x + 100")
results = {
    "first run, x + 1": run(PROGRAM),
    "second run, x + 100": run(edited),
    "x + 100 with another name": run(edited.replace("score", "rate")),
    "x + 100 with another argument": run(edited.replace("score(1)", "score(2)")),
}
for name, result in results.items():
    print(f"{name}: {result}")
check(list(results.values()) == ["2", "2", "101", "102"], "the edited function is not run")
EOF
venv/bin/python check.py
