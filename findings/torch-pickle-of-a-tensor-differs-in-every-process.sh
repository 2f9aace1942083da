#!/usr/bin/env bash
# The pickle of a tensor of PyTorch has other bytes in every process, and so has joblib.hash of anything that holds one.
#
# Expected: The same tensor pickles to the same bytes, as a NumPy array does; joblib.hash of equal values is equal.
# Happens: pickle asks a tensor's storage for torch.save in its old format, which names a storage by the address where it
#   lies in memory. torch.save itself numbers storages, and writes the same bytes every time.
# Seen: torch 2.9.1 with joblib 1.6.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A function that joblib.Memory caches runs again in every process, once an argument is or holds a tensor. A
#   checkpoint, or an output, that was pickled cannot be compared by its bytes, and a cache that goes by content takes each
#   for a new one.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check torch==2.9.1 joblib==1.6.0 numpy==2.4.6

cat > write.py <<'EOF'
import io
import pickle
import sys
import joblib
import numpy as np
import torch

value = torch.arange(3)
file = io.BytesIO()
torch.save(value, file)
kinds = {
    "pickle of an array": pickle.dumps(np.arange(3)),
    "torch.save of a tensor": file.getvalue(),
    "pickle of a tensor": pickle.dumps(value),
    "joblib.hash of an array": joblib.hash(np.arange(3)).encode(),
    "joblib.hash of a tensor": joblib.hash(value).encode(),
}
with open(sys.argv[1], "wb") as out:
    pickle.dump(kinds, out)
EOF

cat > check.py <<'EOF'
import pickle
import sys
import joblib
import torch

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("torch", torch.__version__, "joblib", joblib.__version__)
processes = [pickle.load(open(f"{number}.bin", "rb")) for number in range(6)]
for kind in processes[0]:
    differing = len({process[kind] for process in processes})
    print(f"{kind}: {differing} different in {len(processes)} processes")
    if "a tensor" in kind and not kind.startswith("torch.save"):
        check(differing > 1, f"the {kind} is the same in {len(processes)} processes")
    else:
        check(differing == 1, f"the {kind} differs, too")
equal = [pickle.loads(process["pickle of a tensor"]) for process in processes]
check(all(torch.equal(equal[0], other) for other in equal), "the tensors are not equal")
EOF

for number in 0 1 2 3 4 5; do
    venv/bin/python write.py "$number.bin"
done
venv/bin/python check.py
