#!/usr/bin/env bash
# loompy: Greek letters are gone from labels that are read from a Loom file, so that alpha, beta and delta cells are one type.
#
# Expected: loompy writes labels as text in UTF-8. What loompy.create writes, loompy.connect reads.
# Happens: loompy writes the labels whole, as h5py shows, and drops all letters outside of ASCII when it reads them. "α cell",
#   "β cell" and "δ cell" all become " cell", and TGFβ becomes TGF. A mean by type is one of all three. combine reads the labels
#   and writes them, so they are gone from the new file for good. read_loom of AnnData reads through loompy.
# Seen: loompy 3.0.8, anndata 0.12.19 and h5py 3.16.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The cells of the islets of the pancreas, T cells and light chains go by Greek letters in the tables of many studies.
#   The number of cells and the counts are right. Labels that still differ in something, as "β cell, mouse 1", hide it better.
#   Genes that differ in a Greek letter only become one name.
# Cause: h5py from version 3 on returns text as bytes, and materialize_attr_values decodes bytes as ASCII with errors="ignore".
#   Before, text came as str, and bytes meant a file of an old format. A remedy is to read the labels with h5py.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check loompy==3.0.8 anndata==0.12.19 h5py==3.16.0 numpy==2.4.6 pandas==2.3.3

cat > check.py <<'EOF'
import importlib.metadata
import logging
import sys
import warnings
import anndata
import h5py
import loompy
import numpy as np
import pandas as pd
logging.disable(logging.WARNING)  # combine warns that it uses an old function of loompy itself.

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("loompy", "anndata", "h5py")))

types = ["α cell", "β cell", "δ cell", "α cell", "β cell", "ductal"]
genes = ["TGFα", "TGFβ", "INS"]
counts = np.array([[5, 0, 0, 7, 0, 1], [1, 1, 2, 1, 1, 2], [0, 90, 1, 0, 80, 0]])

def in_file(name, path):
    with h5py.File(name) as file:
        check(h5py.check_string_dtype(file[path].dtype).encoding == "utf-8", f"{path} is not UTF-8")
        return file[path].asstr()[:].tolist()

def read(name):
    with loompy.connect(name, "r") as data:
        return [str(t) for t in data.ca.CellType], [str(g) for g in data.ra.Gene]

loompy.create("one.loom", counts, {"Gene": np.array(genes)}, {"CellID": np.array(list("abcdef")), "CellType": np.array(types)})
print("in the file:", in_file("one.loom", "col_attrs/CellType"))
check(in_file("one.loom", "col_attrs/CellType") == types, "the file has other labels")
check(in_file("one.loom", "row_attrs/Gene") == genes, "the file has other genes")
found, names = read("one.loom")
print("by loompy:", found, names)
check(found == 5 * [" cell"] + ["ductal"], f"labels by loompy: {found}")
check(names == ["TGF", "TGF", "INS"], f"genes by loompy: {names}")

with loompy.connect("one.loom", "r") as data:
    means = {str(kind): float(data[2, :][data.ca.CellType == kind].mean()) for kind in np.unique(data.ca.CellType)}
print("mean of INS by type of cell:", means, "and by the right types", {kind: float(counts[2, [t == kind for t in types]].mean()) for kind in dict.fromkeys(types)})
check(means == {" cell": 34.2, "ductal": 0.0}, f"means {means}")

loompy.create("two.loom", counts, {"Gene": np.array(genes)}, {"CellID": np.array(list("ghijkl")), "CellType": np.array(types)})
loompy.combine(["one.loom", "two.loom"], "both.loom")
both = in_file("both.loom", "col_attrs/CellType")
print("in the file that combine wrote:", both)
check(both == 2 * (5 * [" cell"] + ["ductal"]), f"labels after combine: {both}")

data = anndata.AnnData(counts.T.astype(float), obs=pd.DataFrame({"CellType": types}, index=list("abcdef")), var=pd.DataFrame(index=genes))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    data.write_loom("three.loom")
    found = anndata.io.read_loom("three.loom").obs["CellType"].tolist()
print("by AnnData, from a file of its own:", [str(t) for t in found])
check(in_file("three.loom", "col_attrs/CellType") == types, "the file of AnnData has other labels")
check([str(t) for t in found] == 5 * [" cell"] + ["ductal"], f"labels by AnnData: {found}")
EOF
venv/bin/python check.py
