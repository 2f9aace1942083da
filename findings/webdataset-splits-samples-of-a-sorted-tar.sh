#!/usr/bin/env bash
# WebDataset reads a tar whose files are sorted by extension as twice as many half samples, without an error.
#
# Expected: Files with one stem are one sample, wherever they stand in the tar, or an incomplete sample is an
#   error.
# Happens: Only neighbours are joined. In the order a.jpg b.jpg a.cls b.cls there are four samples, two without
#   a label and two without an image. Reading succeeds.
# Seen: webdataset 1.0.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: tar writes files in the order in which it is given them; "tar cf x.tar *.jpg *.cls" makes such a
#   file. The sample count doubles, and steps that only use images run on.
# Source: The WebDataset documentation asks for files of one sample to be adjacent
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check webdataset==1.0.2 numpy==2.4.6

cat > check.py <<'EOF'
import pathlib
import subprocess
import sys
import webdataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("webdataset", webdataset.__version__)
for stem, label in (("a", "7"), ("b", "3")):
    pathlib.Path(f"{stem}.jpg").write_bytes(b"image " + stem.encode())
    pathlib.Path(f"{stem}.cls").write_text(label)
subprocess.check_call("tar cf by-extension.tar *.jpg *.cls; tar cf by-stem.tar a.* b.*", shell=True)

def samples(tar):
    read = webdataset.WebDataset(tar, shardshuffle=False, empty_check=False)
    return [{k: v for k, v in sample.items() if not k.startswith("__") or k == "__key__"} for sample in read]

good, bad = samples("by-stem.tar"), samples("by-extension.tar")
print("by stem:     ", good)
print("by extension:", bad)
check([sorted(s) for s in good] == [["__key__", "cls", "jpg"]] * 2, "two whole samples by stem")
check([s["__key__"] for s in bad] == ["a", "b", "a", "b"], "four samples by extension")
check([sorted(s)[1:] for s in bad] == [["jpg"], ["jpg"], ["cls"], ["cls"]], "each is a half")
EOF
venv/bin/python check.py
