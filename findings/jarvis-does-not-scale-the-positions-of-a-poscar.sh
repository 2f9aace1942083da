#!/usr/bin/env bash
# JARVIS-Tools: the scale of a POSCAR file is applied to its cell but not to Cartesian positions, and a negative one, the volume, is a factor.
#
# Expected: The second line of a POSCAR file is a factor for the vectors of the cell and for positions in Cartesian mode. If it is negative, its
#   amount is the volume of the cell. Diamond with the factor 3.57 has its two atoms 1.55 Angstrom apart in either mode.
# Happens: With the mode Cartesian the cell is right and the second atom is at (0.25, 0.25, 0.25) Angstrom, 0.43 from the first. The same for
#   selective dynamics. With -11.375 in the second line the cell is multiplied by -11.375: its volume is 368 in place of 11.375 cubic
#   Angstrom, and each vector points the other way. There is no error and no warning. A structure with the atoms O H H O, as
#   the format allows it and the reader keeps it, is written as O O H H, so that rows of forces belong to other atoms.
# Seen: jarvis-tools 2026.6.12. ASE 3.29.0 reads all files right and keeps the order. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: jarvis-tools prepares the structures for ALIGNN and the data sets of JARVIS-DFT. Prototypes and files that were written by hand have
#   the lattice constant in the second line. Composition, number of atoms and, for the first case, cell and density are right, so only
#   distances show it. Its own files always have the factor 1 and the mode direct, so what it writes it reads well.
# Cause: Poscar.from_string multiplies the cell by the number that it reads, whatever its sign, and does nothing else with it.
# Remedy: Read the file with ASE, and convert it by ase_to_atoms.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check jarvis-tools==2026.6.12 ase==3.29.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
from pathlib import Path
import ase.io
import numpy as np
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from jarvis.core.atoms import Atoms, ase_to_atoms
    from jarvis.io.vasp.inputs import Poscar

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("jarvis-tools", "ase")))
CELL = "0.0 0.5 0.5\n0.5 0.0 0.5\n0.5 0.5 0.0\n"

def diamond(second_line, mode, flags=("", "")):
    text = f"diamond\n{second_line}\n{CELL}C\n2\n{mode}\n0 0 0 {flags[0]}\n0.25 0.25 0.25 {flags[1]}\n"
    Path("POSCAR").write_text(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        atoms = Atoms.from_poscar("POSCAR")
        same = Poscar.from_file("POSCAR").atoms
    check(not caught, f"a warning: {caught[:1]}")
    check(np.allclose(atoms.cart_coords, same.cart_coords), "the two readers")
    return atoms, ase.io.read("POSCAR", format="vasp")

def distance(positions):
    return round(float(np.linalg.norm(positions[1] - positions[0])), 3)

a = 3.57
volume = a ** 3 / 4
dynamics = ("T T T", "F F F")
for name, arguments, cell_right, wanted in [
    ("3.57, Direct", (a, "Direct"), True, 1.546),
    ("3.57, Cartesian", (a, "Cartesian"), True, 0.433),
    ("3.57, Selective dynamics, Cartesian", (a, "Selective dynamics\nCartesian", dynamics), True, 0.433),
    ("minus the volume, Direct", (-volume, "Direct"), False, 4.925),
]:
    atoms, reference = diamond(*arguments)
    found = distance(atoms.cart_coords)
    print(f"{name}: volume {atoms.volume:.3f}, distance {found}, in ASE {reference.get_volume():.3f}, {distance(reference.positions)}")
    check(np.isclose(reference.get_volume(), volume) and distance(reference.positions) == 1.546, f"ASE, {name}")
    check(np.allclose(atoms.lattice_mat, reference.cell) == cell_right, f"{name}: the cell {atoms.lattice_mat.tolist()}")
    check(found == wanted and atoms.elements == ["C", "C"], f"{name}: distance {found}")
check(np.allclose(atoms.lattice_mat, -volume * np.array(CELL.split(), float).reshape(3, 3)), "the cell of a negative factor")
check(np.allclose(ase_to_atoms(reference).lattice_mat, reference.cell), "ase_to_atoms")

Path("POSCAR").write_text("water\n1.0\n4 0 0\n0 4 0\n0 0 4\nO H O\n1 2 1\nDirect\n0 0 0\n0.1 0.1 0.1\n0.2 0.2 0.2\n0.3 0.3 0.3\n")
atoms = Atoms.from_poscar("POSCAR")
atoms.write_poscar("written")
again = Atoms.from_poscar("written")
print("atoms read:", *atoms.elements, "at", *atoms.frac_coords[:, 0], "and written:", *again.elements, "at", *again.frac_coords[:, 0])
check(atoms.elements == ["O", "H", "H", "O"] and np.allclose(atoms.frac_coords[:, 0], [0, 0.1, 0.2, 0.3]), "reading O H O")
check(again.elements == ["O", "O", "H", "H"] and np.allclose(again.frac_coords[:, 0], [0, 0.3, 0.1, 0.2]), "writing O H O")
reference = ase.io.read("POSCAR", format="vasp")
ase.io.write("written", reference, format="vasp")
check(ase.io.read("written", format="vasp").get_chemical_symbols() == ["O", "H", "H", "O"], "ASE, O H O")
EOF
venv/bin/python check.py
