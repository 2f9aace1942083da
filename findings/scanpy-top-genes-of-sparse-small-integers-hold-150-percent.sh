#!/usr/bin/env bash
# scanpy: of sparse counts in 8 or 16 bits the 20 top genes hold 158 or -60 percent of a cell, and the top 50 genes hold less.
#
# Expected: pct_counts_in_top_20_genes of calculate_qc_metrics is a percentage of the counts of a cell, and the same for dense and
#   sparse counts and for each type that holds the counts. A share of more genes is no smaller.
# Happens: For sparse counts the function sums the counts of the cell, and those of the top genes, in the type of the matrix. Both
#   wrap around, from 256 counts per cell on for uint8, from 32,768 for int16, from 65,536 for uint16. The shares come out above
#   100 percent or negative. total_counts and pct_counts_mt of the same call are right, and so are the shares of dense counts.
#   No entry of the matrix is too large for its type, and there is no warning.
# Seen: scanpy 1.11.5 and anndata 0.12.19, Python 3.11 on Debian 12, x86-64, in November 2026. scanpy 1.12.4, which needs a newer
#   Python, returns the same shares.
# Matters: Most counts are below 256, so large atlases are kept in 8 or 16 bits, and an .h5ad file keeps the type. The share of the
#   top 20 genes is one of the usual criteria for bad cells. A filter by it drops all cells, or keeps those in which a few genes
#   hold most of the counts. Cells with few counts are right, so a small test passes. The function for sparse rows makes its sums
#   with dtype=data.dtype. adata.X = adata.X.astype("float32") before the call helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scanpy==1.11.5 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 numba==0.68.1

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import anndata
import numpy as np
import scipy.sparse
import scanpy
warnings.simplefilter("error", RuntimeWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("scanpy", "anndata")))
rng = np.random.default_rng(0)
CELLS, GENES = 200, 400
# The last 50 cells are bad: half of their counts lie in ten genes.
expected = np.tile(rng.gamma(1, 1, GENES), (CELLS, 1))
expected[150:, :10] = expected[150:, 10:].sum(1, keepdims=True) / 10

def metrics(counts, form, dtype):
    check(counts.max() <= np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else True, "a count does not fit into the type")
    data = anndata.AnnData(form(counts.astype(dtype)))
    data.obs_names, data.var_names = [str(i) for i in range(CELLS)], [str(i) for i in range(GENES)]
    data.write("cells.h5ad")
    data = anndata.read_h5ad("cells.h5ad")
    check(data.X.dtype == dtype, "the file changes the type")
    data.var["mt"] = np.arange(GENES) < 10
    scanpy.pp.calculate_qc_metrics(data, percent_top=[20, 50], qc_vars=["mt"], inplace=True)
    return data.obs

def share(counts, top):
    return 100 * np.sort(counts, axis=1)[:, -top:].sum(1) / counts.sum(1)

small = "uint8", "int16", "uint16"
for total, wrong in [(200, []), (4000, ["uint8"]), (50000, ["int16"]), (200000, ["int16", "uint16"])]:
    counts = np.round(expected / expected.sum(1, keepdims=True) * total).astype(np.int64)
    print(f"about {total} counts per cell, the largest is {counts.max()}: cells with a wrong share of the top 20, its range, cells whose top 50 hold less")
    for form in (np.array, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix):
        for dtype in ("uint8", "int16", "uint16", "int32", "int64", "float32"):
            if dtype in small and counts.max() > np.iinfo(dtype).max:
                continue
            obs = metrics(counts, form, dtype)
            check(np.allclose(obs["total_counts"], counts.sum(1)), f"{dtype}: total_counts")
            check(np.allclose(obs["pct_counts_mt"], 100 * counts[:, :10].sum(1) / counts.sum(1)), f"{dtype}: pct_counts_mt")
            top20, top50 = obs["pct_counts_in_top_20_genes"].to_numpy(), obs["pct_counts_in_top_50_genes"].to_numpy()
            bad = ~np.isclose(top20, share(counts, 20), rtol=1e-4)
            if form is np.array or dtype not in wrong:
                check(not bad.any() and np.allclose(top50, share(counts, 50), rtol=1e-4), f"{form.__name__} of {dtype}, {total} counts: {top20}")
                continue
            print(f"  {form.__name__} of {dtype}: {bad.sum()} of {CELLS}, {top20.min():.1f} to {top20.max():.1f} in place of "
                  f"{share(counts, 20).min():.1f} to {share(counts, 20).max():.1f}, {(top50 < top20).sum()}")
            check(bad.all(), f"{form.__name__} of {dtype}, {total} counts: {bad.sum()} wrong shares")
            kept = np.flatnonzero(top20 < 40)
            right = np.flatnonzero(share(counts, 20) < 40)
            check(list(right) == list(range(150)), "the filter by right shares")
            check(top20.min() > 100 or top20.max() < 0, f"{form.__name__} of {dtype}, {total} counts: {top20}")
            check((len(kept) == 0) if dtype != "int16" else (len(kept) == CELLS), f"{dtype}: the filter keeps {len(kept)} cells")
            print(f"    a filter below 40 percent keeps {np.sum(kept < 150)} of 150 good cells and {np.sum(kept >= 150)} of 50 bad ones")
PY
venv/bin/python check.py
