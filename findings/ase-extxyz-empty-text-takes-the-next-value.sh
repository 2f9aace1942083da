#!/usr/bin/env bash
# ASE: an empty text in an extended XYZ file takes the next entry with it, so energies vanish and slabs become bulk.
#
# Expected: Atoms that are written to an extended XYZ file and read again have the same info entries and the same
#   periodic boundaries.
# Happens: An empty text is written as "note= " and the reader takes the next entry for its value. With an empty note
#   before it, ref_energy is gone and the note is "ref_energy=-31.2". With an empty note at the end, the boundaries
#   are gone and all three directions become periodic. Other texts change their type: the name "007" becomes the
#   number 7, "1 2 3" an array and None becomes True. There is no warning.
# Seen: ASE 3.29.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Extended XYZ is the format of training data for machine-learned potentials. A comment that is empty in some
#   frames removes the label of those frames, or turns a surface into a crystal.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps ase==3.29.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import sys
import warnings
import ase
import ase.io
import numpy as np
from ase import Atoms
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("ase", ase.__version__)

def again(**info):
    slab = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]], cell=[4, 4, 20], pbc=[True, True, False])
    slab.info.update(info)
    ase.io.write("frame.xyz", slab, format="extxyz")
    read = ase.io.read("frame.xyz")
    with open("frame.xyz") as file:
        header = file.read().splitlines()[1]
    print("\nwritten:", info, [bool(p) for p in slab.pbc])
    print("file:   ", header.split("Properties=")[1])
    print("read:   ", read.info, [bool(p) for p in read.pbc])
    return read

read = again(note="relaxed", ref_energy=-31.2)
check(read.info == {"note": "relaxed", "ref_energy": -31.2}, "a text is kept")
check(list(read.pbc) == [True, True, False], "so are the boundaries")

read = again(note="", ref_energy=-31.2)
check(read.info == {"note": "ref_energy=-31.2"}, "the energy is in the note")

read = again(ref_energy=-31.2, note="")
check(read.info == {"ref_energy": -31.2, "note": "pbc=T T F"}, "the boundaries are in the note")
check(list(read.pbc) == [True, True, True], "the slab is periodic in all directions")

read = again(name="007", sites="1 2 3", relaxed=None)
check(read.info["name"] == 7 and not isinstance(read.info["name"], str), "the name is a number")
check(isinstance(read.info["sites"], np.ndarray), "the text is an array")
check(read.info["relaxed"] is True, "None is True")
EOF
venv/bin/python check.py
