#!/usr/bin/env bash
# Snakemake: a run that has nothing to do removes the lock of another run, so that two runs write the same
# output.
#
# Expected: The lock of a working folder lasts until the run that took it has ended.
# Happens: While one run works, a second one for the same output is refused, as it should be. A third one for
#   a file that is there already says that nothing is to be done, and deletes all locks of the folder when it
#   ends. After that a run for the same output starts, and both write it at the same time.
# Seen: snakemake 9.27.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A run for another target beside a long training is enough. Two trainings then write one model file.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check snakemake==9.27.1

cat > check.py <<'EOF'
import os
import pathlib
import subprocess
import sys
import time
from importlib.metadata import version
os.environ["XDG_CACHE_HOME"] = os.path.abspath("cache")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("snakemake", version("snakemake"))
pathlib.Path("Snakefile").write_text("""
rule model:
    output: "model"
    shell: "echo $$ >> started; for i in $(seq 600); do test -e go && break; sleep 0.2; done; touch {output}"
rule data:
    output: "data"
    shell: "touch {output}"
""")
command = lambda target: [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "--", target]
run = lambda target: subprocess.run(command(target), capture_output=True, text=True)
locks = lambda: sorted(os.listdir(".snakemake/locks")) if os.path.isdir(".snakemake/locks") else []
started = lambda: len(pathlib.Path("started").read_text().split()) if os.path.exists("started") else 0

def wait(condition):
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.2)
    return False

check(run("data").returncode == 0, "the data are made")
runs = [subprocess.Popen(command("model"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
try:
    check(wait(lambda: started() == 1), "the training runs")
    print("locks while the training runs:", locks())
    refused = run("model")
    print("a second run for the model:", "refused" if refused.returncode and "locked" in refused.stderr + refused.stdout else refused.stderr)
    check(refused.returncode != 0 and locks() and started() == 1, "it is refused")
    idle = run("data")
    print("a run for the data that are there: exit code", idle.returncode, "- locks after it:", locks())
    check(idle.returncode == 0 and locks() == [] and runs[0].poll() is None, "the lock is gone while the training runs")
    runs.append(subprocess.Popen(command("model"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    check(wait(lambda: started() == 2), "a second training starts")
    print("trainings that write the model at the same time:", started())
finally:
    pathlib.Path("go").touch()
    for process in runs:
        process.wait(120)
EOF
venv/bin/python check.py
