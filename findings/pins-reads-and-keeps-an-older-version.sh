#!/usr/bin/env bash
# pins: of two versions of one second pin_read may return the older, and pruning then deletes the newer.
#
# Expected: pin_read returns the version that was written last, and pin_versions_prune(n=1) keeps it.
# Happens: A version is named by its second and by the first digits of a hash of its data, and the versions are sorted
#   by this name. Within a second the hash decides. After the epochs 0 to 4 were written, pin_read returns epoch 0, and
#   pruning deletes the others.
# Seen: pins 0.9.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A board of pins is where a deployed model comes from. A loop that pins each better model, or a correction
#   right after a write, can leave an older one in service, on every run in the same way.
# Source: sort_pin_versions in pins/boards.py and Version in pins/versions.py
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pins==0.9.2 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
import pins
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pins", version("pins"))

def write(pause):
    board = pins.board_folder(tempfile.mkdtemp(dir="."))
    time.sleep(1.05 - time.time() % 1)
    for epoch in range(5):
        board.pin_write({"epoch": epoch}, "model", type="json")
        time.sleep(pause)
    return board, board.pin_versions("model")

for _ in range(20):
    board, versions = write(0)
    if versions.created.nunique() == 1:
        break
check(versions.created.nunique() == 1 and len(versions) == 5, "five versions are of one second")
read = board.pin_read("model")
print("epochs 0 to 4 in one second, versions:", versions.version.str[-5:].tolist(), "read:", read)
check(read == {"epoch": 0}, "the oldest epoch is read")
board.pin_versions_prune("model", n=1)
left = [board.pin_read("model", version=v) for v in board.pin_versions("model").version]
print("left after pin_versions_prune(n=1):", left)
check(left == [read], "the newer epochs are deleted")

board, versions = write(1.1)
read = board.pin_read("model")
print("epochs 0 to 4 in five seconds, read:", read)
check(read == {"epoch": 4}, "with a pause the last one is read")
EOF
venv/bin/python check.py 2> messages || { cat messages; exit 1; }
