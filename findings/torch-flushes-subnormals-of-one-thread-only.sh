#!/usr/bin/env bash
# PyTorch: after set_flush_denormal(True), half of a tensor is flushed: threads that have begun before the call do not flush.
#
# Expected: After set_flush_denormal(True) no operation gives a subnormal number, or the call returns False.
# Happens: The call sets a flag of the calling thread. Threads that begin later inherit it; those that PyTorch began for an earlier
#   operation do not. Of 200,000 equal first moments of Adam on two threads, 100,000 become 0 and 100,000 stay at 5.6e-45 for
#   good: a tenth of that rounds to nothing, so it never falls further. Called before any work, it flushes all of them.
# Seen: torch 2.9.1, Python 3.11 on Debian 12, x86-64, in November 2026. Without flushing, a step of Adam on such moments
#   took 6 times as long as one on ordinary numbers, and 17 times with fused=True (torch 2.15, an Intel Xeon with AVX-512).
# Matters: Units that a ReLU has killed have no gradient, and after some 900 steps their moments are subnormal. Training then
#   becomes slower from epoch to epoch, and the call that should mend it, made after the data was read, mends it for one thread of many.
#   Equal elements of one tensor have different values, by the thread that happened to own them.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check torch==2.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import torch

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def moments_of_dead_units():
    """The different first moments, by their bits, and how many have each."""
    weights = torch.nn.Parameter(torch.ones(200_000))
    adam = torch.optim.Adam([weights])
    weights.grad = torch.ones_like(weights)
    adam.step()
    weights.grad = torch.zeros_like(weights)
    for _ in range(1200):
        adam.step()
    bits, counts = np.unique(adam.state[weights]["exp_avg"].numpy().view(np.int32), return_counts=True)
    return dict(zip(bits.tolist(), counts.tolist()))

torch.set_num_threads(2)
when = sys.argv[1]
if when == "after work":
    torch.ones(1_000_000).exp()
if when != "never":
    check(torch.set_flush_denormal(True), "flushing is not supported")
moments = moments_of_dead_units()
print(f"torch {torch.__version__}, set_flush_denormal {when}:", *(f"{n} moments of {b} * 2^-149" for b, n in moments.items()))
wanted = {"never": {4: 200_000}, "before work": {0: 200_000}, "after work": {0: 100_000, 4: 100_000}}[when]
check(moments == wanted, f"wanted {wanted}")
EOF

for when in never "before work" "after work"; do
    venv/bin/python check.py "$when"
done
