#!/usr/bin/env bash
# DVC reads params.yaml as YAML 1.2 and the script reads it as YAML 1.1, so DVC misses that the seed went from
# 8 to 10.
#
# Expected: One file has one meaning. A change of the number that the script reads makes the stage run again.
# Happens: seed: 010 is 10 for DVC and 8 for PyYAML. The lock file says 10 while the script ran with 8. When
#   010 is edited to 10 the script would read 10, but DVC sees no change and keeps the old output. flag: no is
#   the text no for DVC and False for the script, and 1e-3 is a number for DVC and text for the script.
# Seen: dvc 3.67.1, PyYAML 6.0.4, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Almost every Python stage reads its parameters with PyYAML. The recorded parameters are not those
#   of the run, and a stale result passes as up to date.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check dvc==3.67.1 PyYAML==6.0.4

cat > check.py <<'EOF'
import os
import pathlib
import subprocess
import sys
import time
from importlib.metadata import version
os.environ.update(DVC_NO_ANALYTICS="1", PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
for place in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
    os.environ[f"DVC_{place}_DIR"] = os.path.abspath(".places/" + place)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("dvc", version("dvc"))

def dvc(*args):
    done = subprocess.run([sys.executable, "-m", "dvc", *args], capture_output=True, text=True)
    check(done.returncode == 0, f"dvc {' '.join(args)} succeeds: {done.stderr}")
    return done.stdout

write = lambda path, text: pathlib.Path(path).write_text(text)
read = lambda path: pathlib.Path(path).read_text()
dvc("init", "--no-scm", "--quiet")

write("params.yaml", "seed: 010\nflag: no\nlr: 1e-3\n")
write("train.py", "import yaml\nopen('model', 'w').write(repr(yaml.safe_load(open('params.yaml'))))\n")
write("dvc.yaml", """
stages:
  train:
    cmd: python train.py && echo ${seed} ${flag} ${lr} > command
    params: [seed, flag, lr]
    outs: [model, command]
""")
dvc("repro", "--quiet")
print("in params.yaml:      ", read("params.yaml").split("\n")[:3])
print("read by the script:  ", read("model"))
print("given to the command:", read("command").strip())
lock = read("dvc.lock")
print("in dvc.lock:         ", [line.strip() for line in lock.split("params.yaml:\n")[1].split("\n")[:3]])
check(read("model") == "{'seed': 8, 'flag': False, 'lr': '1e-3'}", "PyYAML reads YAML 1.1")
check(read("command") == "10 no 0.001\n" and "seed: 10" in lock and "lr: 0.001" in lock, "DVC reads YAML 1.2")

write("params.yaml", read("params.yaml").replace("010", "10"))
fresh = subprocess.check_output([sys.executable, "-c", "import yaml; print(yaml.safe_load(open('params.yaml'))['seed'])"], text=True)
status = dvc("status")
dvc("repro", "--quiet")
print(f"after the edit to 10 the script would read {fresh.strip()}; dvc status: {status.strip()}")
check(fresh == "10\n" and "up to date" in status and "'seed': 8" in read("model"), "the old model stays")
EOF
venv/bin/python check.py
