#!/usr/bin/env bash
# TensorBoard: its EventAccumulator drops points of a long run at random, the best one included, while tbparse
# reads all.
#
# Expected: Reading an event file gives all points that were written. Sampling is for the screen.
# Happens: EventAccumulator keeps 10,000 points of a tag by default. Of 12,000 it drops 2,000 at random places.
#   The one step with accuracy 0.99 is gone and the maximum is 0.5. tbparse, which uses the same reader with
#   other settings, has all 12,000.
# Seen: tensorboard 2.21.0, tensorboardX 2.6.5, tbparse 0.0.9, Python 3.11 on Debian 12, x86-64, in November
#   2026.
# Matters: Scripts use EventAccumulator to pull "best accuracy" out of runs. Long runs are reported worse than
#   they were. Two scripts disagree on one file.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tensorboard==2.21.0 tensorboardX==2.6.5 tbparse==0.0.9 pandas==3.1.1 numpy==2.4.6 setuptools==80.9.0

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
warnings.simplefilter("ignore")
from tbparse import SummaryReader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("tensorboard", "tensorboardX", "tbparse")))
BEST = 300
with SummaryWriter("run") as writer:
    for step in range(12_000):
        writer.add_scalar("accuracy", 0.99 if step == BEST else 0.5, step)

accumulator = EventAccumulator("run")
accumulator.Reload()
sampled = accumulator.Scalars("accuracy")
complete = EventAccumulator("run", size_guidance={"scalars": 0})
complete.Reload()
whole = complete.Scalars("accuracy")
parsed = SummaryReader("run").scalars
print("EventAccumulator:         ", len(sampled), "points, best", round(max(e.value for e in sampled), 2))
print("EventAccumulator, size 0: ", len(whole), "points, best", round(max(e.value for e in whole), 2))
print("tbparse:                  ", len(parsed), "points, best", round(float(parsed.value.max()), 2))
check(len(sampled) == 10_000, "10,000 points are kept")
check(BEST not in {e.step for e in sampled} and max(e.value for e in sampled) == 0.5, "the best one is not among them")
check(len(whole) == len(parsed) == 12_000 and parsed.value.max() > 0.98, "the file has them all")
EOF
venv/bin/python check.py
