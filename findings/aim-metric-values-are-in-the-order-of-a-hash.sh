#!/usr/bin/env bash
# Aim: metric.values lists the points of a run in a scrambled order, and its last_value() is not the last one.
#
# Expected: Eight losses that fall from 1.0 to 0.3 are read in this order, with the steps 0 to 7.
# Happens: values is keyed by a hash of the step and sorted by it. values_list() and sparse_numpy() give 1.0,
#   0.6, 0.4, 0.9, 0.7 and so on, with hashes of 19 digits in the place of steps. last_value() is 0.8.
#   metric.data and metric.dataframe() of the same metric are in order.
# Seen: aim 3.29.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Scripts read the final loss or plot a curve this way. The numbers are real ones of the run, so
#   nothing looks broken.
# Source: The documentation of Aim shows values.sparse_numpy() as the way to get steps and values
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check aim==3.29.1 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import os
import sys
import time
from importlib.metadata import version
from aim import Repo, Run

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("aim", version("aim"))
losses = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
repo = Repo.from_path(os.getcwd(), init=True)
run = Run(repo=repo, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)
for step, loss in enumerate(losses):
    run.track(loss, name="loss", step=step)
for _ in range(100):
    metric = next(iter(run.metrics()), None)
    if metric is not None and len(metric.values.values_list()) == len(losses):
        break
    time.sleep(0.1)
steps, values = metric.values.sparse_numpy()
print("tracked:               ", losses)
print("values.sparse_numpy(): ", values.tolist(), "at steps such as", int(steps[0]))
print("values.last_value():   ", metric.values.last_value())
print("metric.dataframe():    ", metric.dataframe()["value"].tolist())
check(sorted(values.tolist(), reverse=True) == losses, "all values are there")
check(values.tolist() != losses and metric.values.values_list() == values.tolist(), "in another order")
check(metric.values.last_value() != losses[-1] and abs(int(steps[0])) > 10**15, "the last value and the steps are not those of the run")
check(metric.dataframe()["value"].tolist() == losses, "the data frame is in order")
run.close()
EOF
venv/bin/python check.py
