#!/usr/bin/env bash
# nibabel: two regions of an annotation with the same colour become one, and the vertices of a black one have no label.
#
# Expected: write_annot takes one label for each vertex, and read_annot returns these labels.
# Happens: The file holds a colour for each vertex in the place of a label, and read_annot looks the label up by its
#   colour. Of two regions of one colour all vertices come back in one of the two. A region in black comes back as -1,
#   which means no label. The list of names still has all regions, and neither function warns.
# Seen: nibabel 5.4.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A parcellation that is made by a program gets its colours from a palette. A palette with fewer colours than
#   regions repeats, and then areas and mean values of regions are those of other regions.
# Source: read_annot and _read_annot_ctab_new_format in nibabel/freesurfer/io.py
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
import nibabel
import numpy as np
from nibabel.freesurfer import read_annot, write_annot
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("nibabel", nibabel.__version__)
names = ["motor", "visual", "auditory", "temporal"]
labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
print("written:           ", labels.tolist())

def again(*colours):
    write_annot("lh.regions.annot", labels, np.array([[*c, 0] for c in colours]), names, fill_ctab=True)
    read, table, read_names = read_annot("lh.regions.annot")
    check([n.decode() for n in read_names] == names and len(table) == 4, "all regions are in the table")
    return read.tolist()

red, green, blue, white, black = (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255), (0, 0, 0)
read = again(red, green, blue, white)
print("four colours:      ", read)
check(read == labels.tolist(), "with four colours all is kept")
read = again(red, green, red, white)
print("two regions in red:", read)
check(read in ([0, 0, 1, 1, 0, 0, 3, 3], [2, 2, 1, 1, 2, 2, 3, 3]), "the two regions are one")
read = again(black, green, blue, white)
print("one in black:      ", read)
check(read == [-1, -1, 1, 1, 2, 2, 3, 3], "a black region has no label")
EOF
venv/bin/python check.py
