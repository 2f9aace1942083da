#!/usr/bin/env bash
# safetensors: a file with two or more metadata entries has other bytes in every process.
#
# Expected: The format is made to be simple and stable. The same tensors and the same metadata give the same
#   file, as they do without metadata.
# Happens: The entries of the metadata are written in the order of a hash map with a random seed. Eight runs
#   give several different files of one size. The tensors are sorted, so without metadata all runs agree.
# Seen: safetensors 0.8.0, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Caches, lock files and registries that go by the hash of the file see a new model after each run.
#   Libraries add entries such as a format by themselves.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6

cat > check.py <<'EOF'
import subprocess
import sys
from importlib.metadata import version

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("safetensors", version("safetensors"), "numpy", version("numpy"))
SAVE = """
import hashlib, json, sys
import numpy as np
from safetensors.numpy import save
metadata = {key: "x" for key in sys.argv[1:]}
print(hashlib.sha256(save({"w": np.arange(4.0), "b": np.ones(2)}, metadata or None)).hexdigest()[:12])
"""
files = lambda *keys: {subprocess.check_output([sys.executable, "-c", SAVE, *keys], text=True).strip() for _ in range(8)}
for keys in ((), ("format",), ("format", "epoch", "commit", "seed")):
    hashes = files(*keys)
    print(f"{len(keys)} entries: {len(hashes)} different files in 8 runs:", *sorted(hashes))
    check((len(hashes) == 1) == (len(keys) < 2), "only several entries change the file")
EOF
venv/bin/python check.py
