#!/usr/bin/env bash
# fastparquet: rows that are appended with other categories change the labels of the rows that were there.
#
# Expected: A column of categories comes back with the labels that were written.
# Happens: Each row group of a Parquet file has its own dictionary of labels, and fastparquet takes the last one for the
#   whole column. After cat and dog were written, and dog and emu appended, every cat reads as dog and every dog
#   as emu. A file of pyarrow with two such row groups is read the same way. pyarrow reads both files right.
# Seen: fastparquet 2026.9.0, pyarrow 26.0.1, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Data sets grow by a batch a day, and not every batch has every class. The numbers of rows and of classes are
#   right, and the classes are permuted. The project has an open report on it.
# Source: read_col in fastparquet/core.py sets the categories of the column again at each dictionary page
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check fastparquet==2026.9.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
import fastparquet
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
warnings.simplefilter("error", UserWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("fastparquet", "pyarrow", "pandas")))
monday = pd.DataFrame({"label": pd.Categorical(["cat", "dog", "cat", "dog"])})
tuesday = pd.DataFrame({"label": pd.Categorical(["dog", "emu", "emu"])})
written = monday.label.tolist() + tuesday.label.tolist()
wrong = ["dog", "emu", "dog", "emu", "dog", "emu", "emu"]
print("written:                           ", written)

fastparquet.write("appended.parquet", monday)
first = fastparquet.ParquetFile("appended.parquet").to_pandas().label.tolist()
check(first == monday.label.tolist(), "the first batch is read right")
fastparquet.write("appended.parquet", tuesday, append=True)
pq.write_table(pa.concat_tables([pa.Table.from_pandas(monday), pa.Table.from_pandas(tuesday)]), "arrow.parquet", row_group_size=4)

for name, writer in (("appended.parquet", "fastparquet"), ("arrow.parquet", "pyarrow")):
    by_arrow = pq.read_table(name).to_pandas().label.tolist()
    by_fastparquet = fastparquet.ParquetFile(name).to_pandas().label.tolist()
    print(f"by {writer:<11}, read by fastparquet:", by_fastparquet)
    print(f"by {writer:<11}, read by pyarrow:    ", by_arrow)
    check(by_arrow == written, "pyarrow reads what was written")
    check(by_fastparquet == wrong, "fastparquet reads other labels")
EOF
venv/bin/python check.py
