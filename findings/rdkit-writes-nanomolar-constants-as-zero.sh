#!/usr/bin/env bash
# RDKit: PandasTools.WriteSDF writes constants below 0.5 micromolar, in molar, as 0.0, and SaveSMILESFromFrame makes mirror images one molecule.
#
# Expected: A table that is written to an SD file and read again has the numbers that it had. SDWriter of RDKit writes a double with 17
#   digits, 3.2000000000000001e-09, and reads it back unchanged.
# Happens: WriteSDF of a data frame writes every float with six decimals, and then takes the zeros off its end. A constant of 3.2 nM in
#   molar is 0.0, and so is one of 470 nM. 12.5 micromolar is 0.000013, and 1.2 micromolar 0.000001. Nothing in the text of the function
#   says so, and there is no warning. SaveSMILESFromFrame of the same module leaves out stereochemistry and isotopes, which the text
#   does not mention either: the two alanines are one SMILES. SmilesWriter and MolToSmiles, with which it writes, keep them by default.
# Seen: rdkit 2026.9.1 with pandas 3.1.1. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: SD files are how molecules and their measured values are exchanged. Good binders are the ones below a micromolar, so they are the ones
#   that become equal, and their pKi becomes infinite. Rates, solubilities, p-values and fractions suffer alike. The file of SMILES
#   has the same molecule twice, with two activities.
# Cause: The format '{:f}', which was to keep exponents out of the file.
# Remedy: Turn the columns into text before WriteSDF, or write with SDWriter and SetDoubleProp. Pass isomericSmiles=True.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check rdkit==2026.9.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import contextlib
import importlib.metadata
import io
import sys
import warnings
from pathlib import Path
import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem import PandasTools
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("rdkit", "pandas")))
# What RDKit itself has to say goes to sys.stderr, so that the absence of a message can be checked.
rdBase.LogToPythonStderr()
said = io.StringIO()

table = pd.DataFrame({
    "smiles": ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CCO", "[13CH3]CO", "CCN"],
    "Ki": [3.2e-9, 4.7e-7, 1.25e-5, 1.2e-6, 0.25],
})
table["Ki32"] = table.Ki.astype("float32")
table["text"] = table.Ki.map(str)
table["nanomolar"] = table.Ki * 1e9
table["ROMol"] = table.smiles.map(Chem.MolFromSmiles)
check(table.Ki.nunique() == 5, "the constants")

with contextlib.redirect_stderr(said):
    for options in ({"properties": ["Ki", "Ki32", "text", "nanomolar"]}, {"allNumeric": True, "properties": ["text"]}):
        PandasTools.WriteSDF(table, "frame.sdf", **options)
        again = PandasTools.LoadSDF("frame.sdf", removeHs=False)
        for column in ("Ki", "Ki32"):
            print(f"{column}, as given:", *table[column].map("{:.3g}".format), "and in the file:", *again[column])
            check(list(again[column]) == ["0.0", "0.0", "0.000013" if column == "Ki" else again[column][2], "0.000001", "0.25"],
                  f"WriteSDF, {column}: {list(again[column])}")
        check(np.allclose(again.text.astype(float), table.Ki, rtol=1e-12), f"as text: {list(again.text)}")
        check(np.allclose(again.nanomolar.astype(float), table.nanomolar, rtol=1e-9), f"in nanomolar: {list(again.nanomolar)}")

    # The writer below it, with the same molecules and numbers.
    writer = Chem.SDWriter("molecules.sdf")
    for mol, ki in zip(table.ROMol, table.Ki):
        mol = Chem.Mol(mol)
        mol.SetDoubleProp("Ki", ki)
        writer.write(mol)
    writer.close()
    kept = [float(value) for value in PandasTools.LoadSDF("molecules.sdf").Ki]
    print("SDWriter:", *kept)
    check(kept == list(table.Ki), f"SDWriter: {kept}")

    for options, wanted in [({}, 3), ({"isomericSmiles": True}, 5)]:
        PandasTools.SaveSMILESFromFrame(table, "frame.smi", **options)
        lines = [line.split()[0] for line in Path("frame.smi").read_text().splitlines()[1:]]
        print("SaveSMILESFromFrame", options, *lines)
        check(len(lines) == 5 and len(set(lines)) == wanted, f"SaveSMILESFromFrame, {options}: {lines}")
    writer = Chem.SmilesWriter("molecules.smi")
    for mol in table.ROMol:
        writer.write(mol)
    writer.close()
    lines = [line.split()[0] for line in Path("molecules.smi").read_text().splitlines()[1:]]
    check(len(set(lines)) == 5 and len({Chem.MolToSmiles(mol) for mol in table.ROMol}) == 5, f"SmilesWriter: {lines}")
check(not said.getvalue(), f"a message: {said.getvalue()}")
EOF
venv/bin/python check.py
