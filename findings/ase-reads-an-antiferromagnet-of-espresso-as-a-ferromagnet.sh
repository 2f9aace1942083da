#!/usr/bin/env bash
# ASE: nickel oxide with opposite spins, written as an input of Quantum ESPRESSO, is read again with all spins equal.
#
# Expected: Quantum ESPRESSO gives a magnetization to each species, so an element with two magnetic moments is two species, as Ni
#   and Ni1. ASE writes it so, and the documentation says it. Reading the file gives each atom the moment of its species.
# Happens: The reader keeps one moment for each chemical element, that of its last species. So all atoms of nickel get the moment of
#   Ni1: an antiferromagnet becomes a ferromagnet with spins down, and an impurity without a moment takes it from all others. Files
#   that name their species Ni1 and Ni2, or Fe_up and Fe_dn, as people write them, are read the same way.
# Seen: ase 3.29.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The sign of the spins decides the energy, the gap and the relaxed lattice. Data sets for magnetic potentials are read
#   from such inputs, and a run that goes on from one, or its conversion to VASP or CASTEP, is of another material. Positions, cell
#   and elements are right, and the moments have the right size. Other formats of ASE keep the moments of all atoms.
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
from ase.build import bulk
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def again(atoms, format, **options):
    ase.io.write("file", atoms, format=format, **options)
    found = ase.io.read("file", format=format)
    check(found.get_chemical_symbols() == atoms.get_chemical_symbols(), f"elements by {format}")
    check(np.allclose(found.positions, atoms.positions) and np.allclose(found.cell, atoms.cell), f"positions by {format}")
    return found.get_initial_magnetic_moments().tolist()

def by_espresso(atoms):
    return again(atoms, "espresso-in", pseudopotentials={s: s + ".upf" for s in set(atoms.get_chemical_symbols())},
                 input_data={"system": {"nspin": 2, "ecutwfc": 40}})

print("ase", importlib.metadata.version("ase"))
ferromagnet = bulk("Fe", cubic=True)
ferromagnet.set_initial_magnetic_moments([0.5, 0.5])
check(by_espresso(ferromagnet) == [0.5, 0.5], "a ferromagnet is wrong")

oxide = bulk("NiO", "rocksalt", a=4.17) * (2, 1, 1)
oxide.set_initial_magnetic_moments([0.5, 0, -0.5, 0])
spins = oxide.get_initial_magnetic_moments().tolist()
print("nickel oxide", *oxide.get_chemical_symbols(), "with the moments", *spins)
for format in ("extxyz", "json", "abinit-in"):
    check(again(oxide, format) == spins, f"{format} changes the moments")
found = by_espresso(oxide)
print("  from its file:", *found)
check(found == [-0.5, 0, -0.5, 0], f"nickel oxide: {found}")
text = Path("file").read_text().split()
values = {text[i]: float(text[i + 2]) for i, word in enumerate(text) if word.startswith("starting_magnetization")}
print("  in the file:", *(f"{key} = {value}" for key, value in values.items()))
check(sorted(values.values()) == [-0.5, 0, 0.5] and "Ni1" in text, f"the file has {values}")

iron = bulk("Fe", cubic=True) * (2, 1, 1)
iron.set_initial_magnetic_moments([0.5, 0.5, 0.5, 0])
found = by_espresso(iron)
print("iron with the moments 0.5 0.5 0.5 0.0, from its file:", *found)
check(found == [0, 0, 0, 0], f"iron: {found}")

Path("by-hand.pwi").write_text("""\
&SYSTEM
  ibrav = 0
  nat = 2
  ntyp = 2
  nspin = 2
  ecutwfc = 40
  starting_magnetization(1) = 0.6
  starting_magnetization(2) = -0.6
/
ATOMIC_SPECIES
Fe1 55.845 Fe.upf
Fe2 55.845 Fe.upf
K_POINTS gamma
CELL_PARAMETERS angstrom
2.87 0 0
0 2.87 0
0 0 2.87
ATOMIC_POSITIONS angstrom
Fe1 0 0 0
Fe2 1.435 1.435 1.435
""")
found = ase.io.read("by-hand.pwi", format="espresso-in").get_initial_magnetic_moments().tolist()
print("Fe1 0.6 and Fe2 -0.6, written by hand:", *found)
check(found == [-0.6, -0.6], f"by hand: {found}")
EOF
venv/bin/python check.py
