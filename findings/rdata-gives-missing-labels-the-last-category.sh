#!/usr/bin/env bash
# rdata: a missing label of a categorical column comes back from an .rds or .rda file as the last category, and ordered categories as unordered.
#
# Expected: A data frame that is written by write_rds or write_rda and read again has the labels that it had. Missing values of text, numbers,
#   nullable integers and nullable booleans come back as missing. R knows missing values in factors, and its files hold them as NA.
# Happens: A missing label is written as the code 0, which no factor of R has. The reader of rdata takes element 0 - 1 of the list of
#   levels, which is the last one. Of six rows with three labels three rows without a label become "dog". No label is missing any more.
#   Ordered categories are written as plain ones, and read so. There is no warning.
# Seen: rdata 1.1.0 with pandas 3.1.1. pyreadr 0.5.8 reads the same file with three missing labels, and a file that pyreadr wrote
#   is read by rdata with its missing labels. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Categorical columns with gaps are labels of a data set that is labelled in part, or answers of a survey. The unlabelled rows
#   all go to one class, and a model learns from them. The levels are sorted, so that this class is the last one of the alphabet.
#   rdata is the reader of scikit-fda, and needs no R and no compiler.
# Cause: The writer adds one to the codes of pandas, where missing is -1, and does not look for it. The reader takes 0 for a level.
# Remedy: Write the column as text, or with pyreadr.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check rdata==1.1.0 pyreadr==0.5.8 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import pandas as pd
import pyreadr
import rdata
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("rdata", "pyreadr", "pandas")))
labels = ["cat", None, "dog", None, "bird", None]
table = pd.DataFrame({
    "label": pd.Categorical(labels),
    "grade": pd.Categorical(["low", "high", "low", "high", "low", "low"], categories=["low", "high"], ordered=True),
    "text": pd.array(labels, dtype="string"),
    "score": [1.5, None, 2.5, None, 3.5, None],
    "count": pd.array([1, None, 2, None, 3, None], dtype="Int64"),
    "flag": pd.array([True, None, False, None, True, None], dtype="boolean"),
})

def plain(column):
    return [None if pd.isna(value) else value for value in column]

WRONG = ["cat", "dog", "dog", "dog", "bird", "dog"]

def look(name, again, wanted):
    print(f"{name}: labels {plain(again.label)}, grades ordered: {again.grade.cat.ordered if 'grade' in again else None}")
    check(plain(again.label) == wanted, f"{name}: {plain(again.label)}")
    for column in again.columns.difference(["label", "grade"]):
        check(plain(again[column]) == plain(table[column]), f"{name}, {column}: {plain(again[column])}")

for file_format in ("xdr", "ascii"):
    rdata.write_rds("table.rds", table, file_format=file_format)
    again = rdata.read_rds("table.rds")
    look(f"rdata, .rds, {file_format}", again, WRONG)
    check(table.grade.cat.ordered and not again.grade.cat.ordered, "the order of the grades")
    check(list(again.grade) == list(table.grade), f"the grades: {list(again.grade)}")
rdata.write_rda("table.rda", {"table": table})
look("rdata, .rda", rdata.read_rda("table.rda")["table"], WRONG)
check(table.label.isna().sum() == 3, "the table was changed")

# What is in the file.
rdata.write_rds("label.rds", table[["label"]])
factor = rdata.parser.parse_file("label.rds").object.value[0]
print("codes in the file:", *factor.value)
check(list(factor.value) == [2, 0, 3, 0, 1, 0], f"the codes: {factor.value}")

# The other library, as reader and as writer.
look("written by rdata, read by pyreadr", pyreadr.read_r("label.rds")[None], labels)
pyreadr.write_rds("pyreadr.rds", table[["label", "text", "score"]])
look("written by pyreadr, read by rdata", rdata.read_rds("pyreadr.rds"), labels)
EOF
venv/bin/python check.py
