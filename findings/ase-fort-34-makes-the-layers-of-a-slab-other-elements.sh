#!/usr/bin/env bash
# ASE: a platinum slab that is written as a fort.34 file of CRYSTAL is lead, thallium, mercury and gold when it is read again.
#
# Expected: The file has the atomic numbers of the atoms. CRYSTAL takes Z + 100 for element Z with another basis set, and the reader
#   of ASE takes numbers modulo 100, so a tag of 100 could mean that.
# Happens: The writer adds the tag of each atom to its atomic number. Tags are free labels of ASE, and its builders of surfaces
#   set them: 1 for the top layer, 2 for the next one, and 0 for an adsorbate. So each layer of a slab becomes another element,
#   and the adsorbate is right. Bulk crystals and molecules have no tags and are right. The calculator CRYSTAL of ASE writes
#   the same file as its input.
# Seen: ase 3.29.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Slabs are made to compute surfaces and adsorption, and such energies train potentials. The positions and the count of
#   atoms are right, and the numbers are valid elements, so the computation runs. The documentation of the calculator and of the
#   format does not speak of tags. atoms.set_tags(0) before writing helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check ase==3.29.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
from pathlib import Path
import ase.io
import numpy as np
from ase.build import add_adsorbate, bulk, fcc111, molecule
from ase.calculators.crystal import CRYSTAL
warnings.simplefilter("error")
# Of the extended XYZ format, on the names of sites that add_adsorbate leaves.
warnings.filterwarnings("ignore", message="Skipping unhashable information")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def again(atoms, format="crystal"):
    ase.io.write("file", atoms, format=format)
    found = ase.io.read("file", format=format)
    check(len(found) == len(atoms) and np.allclose(found.positions, atoms.positions), f"positions by {format}")
    return found.get_chemical_symbols()

print("ase", importlib.metadata.version("ase"))
for atoms in (bulk("Pt", cubic=True), molecule("CO")):
    check(not atoms.get_tags().any(), "bulk or molecule have tags")
    check(again(atoms) == atoms.get_chemical_symbols(), f"{atoms.symbols} is not the same")

slab = fcc111("Pt", (1, 1, 4), vacuum=8)
add_adsorbate(slab, molecule("CO"), 1.9, "ontop")
print("slab:", *slab.get_chemical_symbols(), "with the tags", *slab.get_tags())
check(slab.get_tags().tolist() == [4, 3, 2, 1, 0, 0], f"tags {slab.get_tags()}")
for format in ("extxyz", "vasp", "json", "gen"):
    check(again(slab, format) == slab.get_chemical_symbols(), f"{format} changes the elements")
found = again(slab)
print("from fort.34:", *found)
check(found == ["Pb", "Tl", "Hg", "Au", "O", "C"], f"elements from fort.34: {found}")

# The input that the calculator writes.
calculator = CRYSTAL(label=".", basis="sto-3g", command="crystal < INPUT")
calculator.atoms = slab
calculator.write_input(slab)
lines = [line.split() for line in Path("fort.34").read_text().splitlines()]
numbers = [int(line[0]) for line in lines[-len(slab):]]
print("atomic numbers in the input of the calculator:", *numbers)
check(numbers == [82, 81, 80, 79, 8, 6], f"input of the calculator: {numbers}")

slab.set_tags(0)
check(again(slab) == ["Pt"] * 4 + ["O", "C"], "without tags")
print("from fort.34 after set_tags(0):", *again(slab))
EOF
venv/bin/python check.py
