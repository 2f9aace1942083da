#!/usr/bin/env bash
# anndata: concat_on_disk of sparse counts cuts all files to the type of the first, so 300 becomes 255 and 0.69 becomes 0.
#
# Expected: The text of concat_on_disk says that its result should be equivalent to anndata.concat of the loaded files. concat
#   takes a type that holds the numbers of all files.
# Happens: A sparse X or layer is written in the type of the first file, and the numbers of all other files are cast to it.
#   Counts above 255 that follow a file with bytes become 255, and those above 65535 become 65535 after 16-bit counts. Fractions
#   after integer counts lose their decimals: the expression log1p(1) = 0.69 becomes an explicit 0. Doubles are rounded to 32 bits.
#   The result depends on the order of the files. There is no warning. HDF5 and Zarr stores behave alike, but Zarr wraps around
#   where HDF5 saturates: 300 is 44. Dense matrices come out right.
# Seen: anndata 0.12.19, h5py 3.16.0, zarr 3.1.6 and scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Atlases of single cells are made from files of many labs, with counts in the smallest type that holds them and with
#   concat_on_disk because they do not fit into memory. The strongest genes of some batches are flat at 255, or half of the
#   genes are zero, which looks like an effect of the batch.
# Cause: write_concat_sparse writes the first matrix and appends the others to its data array, which keeps its type. Remedy: bring
#   all files to one type first.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check anndata==0.12.19 h5py==3.16.0 zarr==3.1.6 dask==2026.8.0 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import anndata
import numpy as np
import pandas as pd
from anndata.experimental import concat_on_disk
from scipy.sparse import csr_matrix

# What anndata and zarr say of their formats is no part of this finding.
anndata.settings.zarr_write_format = 3
anndata.settings.auto_shard_zarr_v3 = False
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "Consolidated metadata")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def batch(name, numbers, kind, dense):
    x = np.array(numbers, kind)
    x = x if dense else csr_matrix(x)
    names = pd.DataFrame(index=[f"{name}{i}" for i in range(len(numbers))])
    return anndata.AnnData(x, obs=names, var=pd.DataFrame(index=["gene1", "gene2"]), layers={"copy": x.copy()})

def plain(x):
    return (x.toarray() if hasattr(x, "toarray") else np.asarray(x)).tolist()

def joined(batches, store):
    """All of X and of the layer: in memory and on disk."""
    for i, one in enumerate(batches):
        one.write_h5ad(f"{i}.h5ad") if store == "h5ad" else one.write_zarr(f"{i}.zarr")
    concat_on_disk([f"{i}.{store}" for i in range(len(batches))], f"all.{store}")
    disk = anndata.read_h5ad("all.h5ad") if store == "h5ad" else anndata.read_zarr("all.zarr")
    memory = anndata.concat(batches)
    check(list(disk.obs_names) == list(memory.obs_names), "the cells are other ones")
    for one in (disk, memory):
        check(plain(one.X) == plain(one.layers["copy"]), "X and the layer differ")
    return plain(memory.X), plain(disk.X)

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("anndata", "h5py", "zarr", "scipy")))
raw = [[1, 2], [0, 7]]
half = [[0.5, 1.75], [0.6875, 0]]
large = [[255, 256], [300, 0]]
huge = [[65535, 65536], [70000, 0]]
tenth = [[0.1, 0], [0, 2**24 + 1]]
for what, first, second, h5ad, zarr in [
    ("bytes, then counts above 255", (raw, "u1"), (large, "i4"), [[255, 255], [255, 0]], [[255, 0], [44, 0]]),
    ("16 bits, then counts above 65535", (raw, "u2"), (huge, "i4"), [[65535, 65535], [65535, 0]], [[65535, 0], [4464, 0]]),
    ("integers, then normalized", (raw, "i8"), (half, "f4"), [[0, 1], [0, 0]], [[0, 1], [0, 0]]),
    ("32 bits, then 64 bits", (raw, "f4"), (tenth, "f8"), np.array(tenth, "f4").tolist(), np.array(tenth, "f4").tolist()),
]:
    for store, wrong in [("h5ad", h5ad), ("zarr", zarr)]:
        memory, disk = joined([batch("a", *first, False), batch("b", *second, False)], store)
        print(f"{what}, {store}: concat {memory[2:]}, concat_on_disk {disk[2:]}")
        check(memory == raw + second[0], f"{what}: concat returns {memory}")
        check(disk == raw + wrong, f"{what}: concat_on_disk to {store} returns {disk}")
        memory, disk = joined([batch("b", *second, False), batch("a", *first, False)], store)
        check(memory == disk == second[0] + raw, f"{what}, in the other order: {memory} and {disk}")
        memory, disk = joined([batch("a", *first, True), batch("b", *second, True)], store)
        check(memory == disk == raw + second[0], f"{what}, dense: {memory} and {disk}")
print("in the other order, and as dense matrices, all numbers are right")
EOF
venv/bin/python check.py
