#!/usr/bin/env bash
# Orbax: after one checkpoint whose metric is NaN, CheckpointManager deletes the best checkpoint and keeps
# worse ones.
#
# Expected: With best_fn and max_to_keep=2 the two best checkpoints stay. A NaN is worse than any number.
# Happens: The metrics are sorted with NaN among them, which leaves them in no order. Of the accuracies 0.5,
#   0.9, NaN, 0.6, 0.7 the last two stay, and best_step() names the one with 0.7. The checkpoint with 0.9 is
#   gone from the disk.
# Seen: orbax-checkpoint 0.12.8, jax 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A validation that is NaN once, by a batch that overflows, is what one keeps checkpoints for.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check orbax-checkpoint==0.12.8 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import logging
import math
import os
import sys
from importlib.metadata import version
logging.disable(logging.WARNING)
import jax.numpy as jnp
import orbax.checkpoint as ocp

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("orbax-checkpoint", "jax")))

def kept(name, accuracies):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda m: m["accuracy"], best_mode="max")
    with ocp.CheckpointManager(os.path.abspath(name), options=options) as manager:
        for step, accuracy in enumerate(accuracies):
            manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(2, step)}), metrics={"accuracy": accuracy})
        manager.wait_until_finished()
        return manager.all_steps(), manager.best_step(), sorted(int(d) for d in os.listdir(name) if d.isdigit())

for name, accuracies in {"clean": [0.5, 0.9, 0.4, 0.6, 0.7], "nan": [0.5, 0.9, math.nan, 0.6, 0.7]}.items():
    steps, best, folders = kept(name, accuracies)
    print(f"accuracies {accuracies}: kept {[accuracies[s] for s in steps]}, best_step says {accuracies[best]}")
    check(steps == folders, "the others are deleted")
    if name == "clean":
        check(steps == [1, 4] and best == 1, "without NaN the two best stay")
    else:
        check(steps == [3, 4] and best == 4, "with NaN the best is deleted")
EOF
venv/bin/python check.py
