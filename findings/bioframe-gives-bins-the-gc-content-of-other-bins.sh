#!/usr/bin/env bash
# bioframe: in a table that is not grouped by chromosome the GC content of a bin is that of another bin.
#
# Expected: frac_gc returns the table of intervals with a column more, the fraction of G and C of each. The order of the rows does not
#   matter, as it does not for frac_mapped, which does the same for the fraction of known bases. digest cuts where the enzyme cuts.
# Happens: Peaks that were sorted by their score, or shuffled, get each the GC content of another peak, unless the peaks of each chromosome
#   follow each other. Of 400 peaks 399 are wrong, and a correlation of 1.0 of GC content with the score becomes 0.31 or
#   0.11. The index of the rows is kept. Fragments of digest begin and end two bases after the cut that Biopython reports and makes.
# Seen: bioframe 0.8.0, biopython 1.88, pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: GC content is the covariate by which peaks are matched and coverage is corrected, and the highest peaks come from sorting by
#   score. All values are plausible and all are there, beside other peaks. return_input=False returns the same as a series.
# Cause: frac_gc joins the values chromosome by chromosome and gives the result the index of the table. sort_bedframe before it helps.
#   digest adds 1 to positions that Biopython counts from 1, where 1 is to be subtracted.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check bioframe==0.8.0 biopython==1.88 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("error")
import bioframe
import numpy as np
import pandas as pd
from Bio.Restriction import HindIII
from Bio.Seq import Seq

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("bioframe", "biopython", "pandas")))
rng = np.random.default_rng(0)
SIZE, BIN = 20_000, 200
genome = {}
for name in ("chr1", "chr2", "chr3", "chr4"):
    # The GC content goes up and down along a chromosome. A tenth of the bases is unknown.
    gc = np.repeat(rng.uniform(0.2, 0.8, SIZE // BIN), BIN)
    bases = np.where(rng.random(SIZE) < gc, rng.choice(list("GC"), SIZE), rng.choice(list("AT"), SIZE))
    genome[name] = "".join(np.where(rng.random(SIZE) < 0.1, "N", bases))

def gc_by_hand(row):
    bases = genome[row.chrom][row.start:row.end]
    return (bases.count("G") + bases.count("C")) / (len(bases) - bases.count("N"))

def known_by_hand(row):
    bases = genome[row.chrom][row.start:row.end]
    return 1 - bases.count("N") / len(bases)

peaks = bioframe.binnify(dict.fromkeys(genome, SIZE), BIN)
peaks["score"] = [10 * gc_by_hand(row) for row in peaks.itertuples()]
check(len(peaks) == 400, "400 peaks")

def look(what, table):
    result = bioframe.frac_gc(table, genome)
    check(result.index.equals(table.index) and result["start"].equals(table["start"]), f"{what}: the rows")
    check(bioframe.frac_gc(table, genome, return_input=False).equals(result["GC"]), f"{what}: as a series")
    right = np.array([gc_by_hand(row) for row in table.itertuples()])
    known = np.array([known_by_hand(row) for row in table.itertuples()])
    check(np.allclose(bioframe.frac_mapped(table, genome)["frac_mapped"], known), f"{what}: frac_mapped")
    check(np.allclose(np.sort(result["GC"]), np.sort(right)), f"{what}: the values as a whole")
    wrong = int((np.abs(result["GC"] - right) > 1e-9).sum())
    correlation = float(np.corrcoef(result["GC"], table["score"])[0, 1])
    print(f"{what}: {wrong} of {len(table)} wrong, correlation of the score with GC content {correlation:.2f}")
    return wrong, correlation

def right(found):
    return found[0] == 0 and found[1] > 0.999

check(right(look("in order", peaks)), "in order")
check(right(look("chromosomes in another order", peaks.sort_values(["chrom", "start"], ascending=False))), "grouped")
check(right(look("shuffled within chromosomes", peaks.sample(frac=1, random_state=0).sort_values("chrom", kind="stable"))), "within")
one = peaks[peaks["chrom"] == "chr1"].sort_values("score")
check(right(look("one chromosome by score", one)), "one chromosome")
by_score = peaks.sort_values("score", ascending=False)
check(right(look("by score, then sort_bedframe", bioframe.sort_bedframe(by_score))), "sort_bedframe")
for what, table in [("by score", by_score), ("shuffled", peaks.sample(frac=1, random_state=0)), ("by start", peaks.sort_values("start"))]:
    wrong, correlation = look(what, table)
    check(wrong > 0.9 * len(table) and correlation < 0.4, f"{what}: {wrong}, {correlation}")
    # The values are those of the rows of the first chromosome that comes, then of the second.
    grouped = [gc_by_hand(row) for chrom in table["chrom"].unique() for row in table[table["chrom"] == chrom].itertuples()]
    check(np.allclose(bioframe.frac_gc(table, genome)["GC"], grouped), f"{what}: chromosome by chromosome")

# HindIII cuts after the A of AAGCTT.
text = "C" * 100 + "AAGCTT" + "G" * 50 + "AAGCTT" + "T" * 30
ends = np.cumsum([len(part) for part in HindIII.catalyse(Seq(text))]).tolist()
found = bioframe.digest({"chr1": text}, "HindIII")
print("ends of the fragments by Biopython", ends, "by bioframe", found["end"].tolist(), "which begin with",
      *(text[start:start + 6] for start in found["start"][1:]))
check(ends == [101, 157, 192], f"Biopython: {ends}")
check(found["end"].tolist() == [103, 159, 192], f"digest: {found}")
PY
venv/bin/python check.py
