#!/usr/bin/env bash
# pyteomics and pyOpenMS: a label that ProForma places at the N-terminus is on every residue in pyteomics, and on none in pyOpenMS.
#
# Expected: In ProForma a rule such as <[+229.162932]@K,N-term> gives the modification to all lysines and to the N-terminus. So the
#   peptide with this rule is the one with the modification written out, [+229.162932]-PEPTIDEK[+229.162932], and weighs 1385.78.
# Happens: pyteomics adds the label to each of the eight residues: the mass is 2760.76, all fragments but the first are too heavy, and
#   proteoforms() writes eight labels. A rule for N-term:A is applied to every A, and C-term and C-term:G alike. pyOpenMS leaves the
#   label of the terminus out: the mass is 1156.62, with canCalculateMass() true and no issues. Neither warns. Modifications that are
#   written out, and a rule for a residue such as @C, are right in both.
# Seen: pyteomics 5.0.1, pyOpenMS 3.6.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Isobaric labels as TMT sit on lysine and the N-terminus of every peptide, and this is the rule for them. Precursors and
#   fragments are then searched at masses that no peptide has, and libraries and training data get wrong labels.
# Cause: ModificationTarget.is_valid of pyteomics ends with "self.aa == aa or self.aa is None", also for a target that names a terminus, if
#   the residue is no terminus.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyteomics==5.0.1 pyopenms==3.6.0 numpy==2.3.5

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("error")
from pyopenms import Peptidoform
from pyteomics import mass
from pyteomics.proforma import ProForma

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pyteomics", "pyopenms")))

def near(a, b):
    return abs(a - b) < 1e-3

TMT, ACETYL, AMIDE, CARBAMIDOMETHYL = 229.162932, 42.010565, -0.984016, 57.021464

def show(text, plain, right, in_pyteomics, in_pyopenms):
    """The number of modifications times their mass: right, and in both libraries."""
    base = mass.calculate_mass(sequence=plain)
    first = ProForma.parse(text).mass
    peptide = Peptidoform.fromString(text)
    check(peptide.canCalculateMass() and peptide.getMassCalculationIssues() == [], f"{text}: issues of pyOpenMS")
    second = peptide.getMonoWeight()
    print(f"{text}: right {base + right:.3f}, pyteomics {first:.3f}, pyOpenMS {second:.3f}")
    check(near(first, base + in_pyteomics), f"{text}: pyteomics {first}")
    check(near(second, base + in_pyopenms), f"{text}: pyOpenMS {second}")

# Written out, and by the residue.
show("PEPTIDEK", "PEPTIDEK", 0, 0, 0)
show("[+229.162932]-PEPTIDEK[+229.162932]", "PEPTIDEK", 2 * TMT, 2 * TMT, 2 * TMT)
show("<[+229.162932]@K>[+229.162932]-PEPTIDEK", "PEPTIDEK", 2 * TMT, 2 * TMT, 2 * TMT)
show("<[+57.021464]@C>ACCK", "ACCK", 2 * CARBAMIDOMETHYL, 2 * CARBAMIDOMETHYL, 2 * CARBAMIDOMETHYL)
# By the terminus.
show("<[+229.162932]@K,N-term>PEPTIDEK", "PEPTIDEK", 2 * TMT, 8 * TMT, TMT)
show("<[+229.162932]@N-term>PEPTIDER", "PEPTIDER", TMT, 8 * TMT, 0)
show("<[+42.010565]@N-term:A>AGAK", "AGAK", ACETYL, 2 * ACETYL, 0)
show("<[-0.984016]@C-term>GGAG", "GGAG", AMIDE, 4 * AMIDE, 0)
show("<[-0.984016]@C-term:G>GGAG", "GGAG", AMIDE, 3 * AMIDE, 0)

rule, explicit = ProForma.parse("<[+229.162932]@K,N-term>PEPTIDEK"), ProForma.parse("[+229.162932]-PEPTIDEK[+229.162932]")
for ion in "by":
    right, found = explicit.fragments(ion, charge=1), rule.fragments(ion, charge=1)
    print(f"{ion} ions written out", right.round(2), "by the rule", found.round(2))
    check(all(near(f - r, i * TMT) for i, (r, f) in enumerate(zip(right, found))), f"{ion} ions: {found}")
written = [str(form) for form in rule.proteoforms()]
print("proteoforms:", *written)
check(len(written) == 1 and written[0].count("[+229.1629]") == 8, f"proteoforms: {written}")
EOF
venv/bin/python check.py
