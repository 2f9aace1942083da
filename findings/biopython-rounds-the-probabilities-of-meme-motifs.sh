#!/usr/bin/env bash
# Biopython: the probabilities of a motif in MEME format are rounded to multiples of 1 / nsites, and to 0.05 if the file has no nsites.
#
# Expected: A letter-probability matrix is read as it is, and pwm returns its numbers. The format says that nsites may be left out,
#   and that it only weighs pseudocounts then.
# Happens: motifs.parse(file, "minimal") multiplies the probabilities by nsites, rounds them to whole counts and keeps these alone.
#   Without nsites it takes 20, so 0.02 becomes 0 and 0.97 becomes 1. With nsites= 7 it rounds 0.27 to 0.286 and 0.06 to 0. A base
#   of probability 0 has a score of minus infinity, so a sequence with one rare base, which scores 4.8 of at most 9.4 bits, is no
#   candidate at any threshold. Written as TRANSFAC the motif has the rounded numbers too. Nothing is said.
# Seen: Biopython 1.88 and NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Motifs that come from models of sequences, from averages or from other formats have probabilities and no sites, and
#   those of small experiments have few. Features for a model of regulation, and the labels made by scanning a genome, lose most
#   of the weaker sites. A file with nsites= 1000 is right, so it depends on where the motif was downloaded.
# Cause: _read_lpm in Bio/motifs/minimal.py rounds. Remedy: give motifs.Motif the probabilities as its counts, or raise nsites.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check biopython==1.88 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import itertools
import math
import sys
import warnings
from io import StringIO
from Bio import motifs
from Bio.Seq import Seq
warnings.simplefilter("error")

BASES = "ACGT"
MATRIX = [
    (0.97, 0.01, 0.01, 0.01),
    (0.02, 0.94, 0.02, 0.02),
    (0.02, 0.02, 0.94, 0.02),
    (0.01, 0.01, 0.01, 0.97),
    (0.48, 0.02, 0.02, 0.48),
    (0.27, 0.06, 0.40, 0.27),
]

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def read(statistics):
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", "", "Background letter frequencies",
             "A 0.25 C 0.25 G 0.25 T 0.25", "", "MOTIF M1", f"letter-probability matrix: alength= 4 w= {len(MATRIX)}{statistics}"]
    lines += [" ".join(f"{p:.6f}" for p in column) for column in MATRIX]
    return motifs.parse(StringIO("\n".join(lines) + "\n\n"), "minimal")[0]

def columns(motif):
    return [tuple(float(motif.pwm[base][i]) for base in BASES) for i in range(len(MATRIX))]

def error(motif):
    return max(abs(p - q) for a, b in zip(columns(motif), MATRIX) for p, q in zip(a, b))

def candidates(motif):
    """How many of all sequences score at least 3 bits."""
    score = {base: [float(v) for v in motif.pssm[base]] for base in BASES}
    return sum(sum(score[base][i] for i, base in enumerate(sequence)) >= 3 for sequence in itertools.product(BASES, repeat=len(MATRIX)))

print("biopython", importlib.metadata.version("biopython"))
right = motifs.Motif(alphabet=BASES, counts={base: [column[i] for column in MATRIX] for i, base in enumerate(BASES)})
check(error(right) < 1e-9, f"a motif from the probabilities is off by {error(right)}")
best, rare = Seq("ACGTAG"), Seq("ACGTCG")
expected = [sum(math.log2(MATRIX[i][BASES.index(base)] / 0.25) for i, base in enumerate(sequence)) for sequence in (best, rare)]
wanted = candidates(right)
print(f"by hand: {best} {expected[0]:.2f} bits, {rare} {expected[1]:.2f} bits, {wanted} sequences with 3 bits or more")
check(wanted == 50, f"{wanted} sequences by hand")

for statistics, zeros, found in [(" nsites= 1000 E= 0", 0, 50), ("", 14, 8), (" nsites= 20 E= 0", 14, 8), (" nsites= 7 E= 0", 15, 6)]:
    motif = read(statistics)
    what = statistics.strip() or "no nsites"
    none = sum(p == 0 for column in columns(motif) for p in column)
    scores = [float(motif.pssm.calculate(sequence)) for sequence in (best, rare)]
    print(f"{what}: largest error {error(motif):.3f}, {none} of 24 are zero, last column {[round(p, 3) for p in columns(motif)[-1]]},",
          f"{best} {scores[0]:.2f} bits, {rare} {scores[1]:.2f} bits, {candidates(motif)} sequences")
    check(none == zeros, f"{what}: {none} zeros")
    check(candidates(motif) == found, f"{what}: {candidates(motif)} sequences")
    if zeros:
        check(error(motif) > 0.02 and scores[1] == -math.inf, f"{what}: off by {error(motif)}, {scores}")
        again = motifs.parse(StringIO(motifs.write([motif], "transfac")), "transfac")[0]
        check(columns(again) == columns(motif), f"{what}: another motif in TRANSFAC format")
    else:
        check(error(motif) < 1e-3 and abs(scores[1] - expected[1]) < 0.01, f"{what}: off by {error(motif)}, {scores}")
EOF
venv/bin/python check.py
