#!/usr/bin/env bash
# pysam: after a FASTA file has changed, FastaFile reads it by the old index and returns bases of another sequence.
#
# Expected: An index that is older than its file is made anew, or refused, or warned of.
# Happens: Without an index FastaFile writes one, NAME.fa.fai, with the place of each sequence in the file. When the file is
#   replaced by a longer one, the index is neither looked at for its age nor made anew. The first eight bases of the second
#   sequence come from the first one, lengths and names are the old ones, and there is no warning. samtools faidx, by the same library,
#   does the same: the index says nothing of the file that it was made of.
# Seen: pysam 0.24.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A reference genome is patched, or masked, or its contigs are put in another order, under the same name. Sequences that a
#   model is then trained on belong to other genes. Nobody made the index by hand, so nobody thinks of it.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pysam==0.24.1

cat > check.py <<'EOF'
import os
import pathlib
import sys
import warnings
import pysam
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def write(first):
    with open("genome.fa", "w") as file:
        file.write(f">one\n{first}\n>two\n{'GGCC' * 20}\n")

def read():
    with pysam.FastaFile("genome.fa") as genome:
        return genome.fetch("two", 0, 8), genome.get_reference_length("one")

print("pysam", pysam.__version__)
write("ACGT" * 20)
before = read()
print("before: two starts with", before[0], "and one has", before[1], "bases")
check(before == ("GGCCGGCC", 80) and os.path.exists("genome.fa.fai"), "a fresh file is read rightly")

write("ACGT" * 25)
later = os.stat("genome.fa.fai").st_mtime + 60
os.utime("genome.fa", (later, later))
after = read()
print("after one has grown to 100 bases: two starts with", after[0], "and one has", after[1], "bases")
check(after == ("GTACGTAC", 80), "the old index is not used")
pysam.faidx("-o", "part.fa", "genome.fa", "two:1-8", catch_stdout=False)
part = pathlib.Path("part.fa").read_text().split()
print("samtools faidx:", *part)
check(part == [">two:1-8", "GTACGTAC"], "samtools faidx makes a new index")

os.remove("genome.fa.fai")
check(read() == ("GGCCGGCC", 100), "with a new index it is read rightly")
print("without the old index: two starts with", read()[0], "and one has", read()[1], "bases")
EOF
venv/bin/python check.py
