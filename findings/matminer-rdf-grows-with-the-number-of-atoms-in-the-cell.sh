#!/usr/bin/env bash
# matminer: the radial distribution function of a crystal is multiplied by the number of atoms in its cell, so a supercell is another material.
#
# Expected: The radial distribution function is the density of atoms around an atom over the mean density. It tends to 1 at large
#   distances and does not depend on the cell that describes the crystal: primitive, conventional or a supercell.
# Happens: RadialDistributionFunction tends to the number of atoms in the cell. For rock salt it is 2 for the primitive cell, 8 for the
#   conventional one and 64 for a supercell of it, and the first peak grows from 26 to 844. By these features the primitive cell of rock
#   salt is closer to the one of silicon than to the conventional cell of rock salt. There is no warning. Divided by the number of
#   atoms the features are the same for all cells. PartialRadialDistributionFunction of the same library is right.
# Seen: matminer 0.10.1, pymatgen 2026.10.24, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Databases hold primitive cells and files hold conventional ones, and defects and alloys need supercells. A model learns the size
#   of the cell from 200 columns, predicts other properties for the same crystal in another cell, and duplicates are not found.
# Cause: RadialDistributionFunction.featurize collects the neighbours of all atoms of the cell and divides by the volume of the shell and
#   by the density, but not by the number of atoms.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check matminer==0.10.1 pymatgen==2026.10.24 pymatgen-core==2026.10.16 numpy==2.4.6 pandas==2.3.3

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Libraries that matminer imports announce changes.
warnings.simplefilter("ignore")
import numpy as np
from matminer.featurizers.structure import PartialRadialDistributionFunction, RadialDistributionFunction
from pymatgen.core import Lattice, Structure

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("matminer", "pymatgen")))
salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]]).get_primitive_structure()
cells = {"primitive": salt.get_primitive_structure(), "conventional": salt, "supercell": salt * (2, 2, 2)}
check([len(cell) for cell in cells.values()] == [2, 8, 64] and len(silicon) == 2, "numbers of atoms")

CUTOFF, WIDTH = 20.0, 0.1
feature = RadialDistributionFunction(cutoff=CUTOFF, bin_size=WIDTH)
start = feature.bin_distances
far = start > 12
# The six nearest neighbours, at half of the lattice constant, and the volume of their shell.
first = int(2.82 / WIDTH)
check(feature.feature_labels()[first].startswith("rdf [2.80000 - 2.90000]"), feature.feature_labels()[first])
volume = 4 / 3 * np.pi * ((start[first] + WIDTH) ** 3 - start[first] ** 3)
peak = 6 / volume / (salt.num_sites / salt.volume)

def mean(rdf, part):
    """The mean over space, that is with the volumes of the shells."""
    return np.average(rdf[part], weights=(start[part] + WIDTH) ** 3 - start[part] ** 3)

rdf = {name: np.asarray(feature.featurize(cell)) for name, cell in cells.items()}
for name, cell in cells.items():
    print(f"{name}, {len(cell)} atoms: peak of the nearest neighbours {rdf[name][first]:.1f}, by hand {peak:.1f}; mean beyond 12 angstrom {mean(rdf[name], far):.2f}")
    check(abs(mean(rdf[name], far) / len(cell) - 1) < 0.02, f"{name}: tends to {mean(rdf[name], far)}")
    check(abs(rdf[name][first] / peak / len(cell) - 1) < 1e-6, f"{name}: peak {rdf[name][first]}, by hand {peak}")

# Distances at which the atoms lie in a bin are the same, but some lie on the border of two bins.
middle = np.isclose(rdf["primitive"] / 2, rdf["conventional"] / 8) & np.isclose(rdf["primitive"] / 2, rdf["supercell"] / 64)
print(f"divided by the number of atoms, {middle.sum()} of {len(middle)} features are the same for the three cells")
check(middle.mean() > 0.9, f"{middle.sum()} features are the same")

def apart(a, b):
    return float(np.linalg.norm(a - b))

other = np.asarray(feature.featurize(silicon))
wrong = apart(rdf["primitive"], other), apart(rdf["primitive"], rdf["conventional"])
right = apart(rdf["primitive"] / 2, other / 2), apart(rdf["primitive"] / 2, rdf["conventional"] / 8)
print(f"distance of primitive rock salt to silicon {wrong[0]:.1f}, to conventional rock salt {wrong[1]:.1f}")
print(f"the same, divided by the number of atoms: {right[0]:.1f} and {right[1]:.1f}")
check(wrong[0] < wrong[1] and right[0] > 5 * right[1], f"distances {wrong}, divided {right}")

partial = PartialRadialDistributionFunction(cutoff=CUTOFF, bin_size=WIDTH).fit([salt])
found = {name: np.asarray(partial.featurize(cell)) for name, cell in cells.items()}
print("PartialRadialDistributionFunction, largest value:", ", ".join(f"{name} {values.max():.3f}" for name, values in found.items()))
check(all(abs(values.max() / found["primitive"].max() - 1) < 1e-6 for values in found.values()), "partial functions")
EOF
venv/bin/python check.py
