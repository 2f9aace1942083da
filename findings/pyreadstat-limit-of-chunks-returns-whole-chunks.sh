#!/usr/bin/env bash
# pyreadstat: read_file_in_chunks with limit=700 returns 1000 rows, so that a part for training holds rows of the part for testing.
#
# Expected: limit is the number of rows after which reading stops, counted from offset, as the documentation says. row_limit of
#   read_sav and of read_file_multiprocessing means the same and holds.
# Happens: The last chunk is not cut. The number of rows is rounded up to a whole number of chunks. A chunk is 100,000 rows if nothing
#   else is said, so of a smaller file a limit of 700 returns all that follows offset. With chunksize=300 it returns 900 rows. It is
#   the same for SPSS, Stata and SAS transport files and with multiprocess=True. Nothing is printed.
# Seen: pyreadstat 1.3.7, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: offset and limit divide a survey into parts, for training and testing or for several jobs. The parts overlap: all rows for
#   testing are in the part for training, and sums over the jobs count respondents twice.
# Cause: read_file_in_chunks asks for chunksize rows each time and compares the offset with the end only after a chunk. If limit is a
#   multiple of chunksize all is well.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyreadstat==1.3.7 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import pandas as pd
import pyreadstat
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pyreadstat", "pandas")))
ROWS = 1000
survey = pd.DataFrame({"person": range(ROWS), "answer": [k % 5 for k in range(ROWS)]})
pyreadstat.write_sav(survey, "survey.sav")
pyreadstat.write_dta(survey, "survey.dta")
pyreadstat.write_xport(survey, "survey.xpt")

def persons(frames):
    return [int(person) for frame in frames for person in frame["person"]]

def chunks(read, file, **options):
    return persons(frame for frame, _ in pyreadstat.read_file_in_chunks(read, file, **options))

def part(offset, limit):
    return list(range(offset, min(offset + limit, ROWS)))

# The options of other functions that mean the same.
for offset, limit in [(0, 700), (200, 500), (700, 300)]:
    one, _ = pyreadstat.read_sav("survey.sav", row_offset=offset, row_limit=limit)
    many, _ = pyreadstat.read_file_multiprocessing(pyreadstat.read_sav, "survey.sav", num_processes=2, row_offset=offset, row_limit=limit)
    check(persons([one]) == part(offset, limit), f"read_sav from {offset}, {limit} rows: {len(one)}")
    check(persons([many]) == part(offset, limit), f"read_file_multiprocessing from {offset}, {limit} rows: {len(many)}")
print("row_limit of read_sav and read_file_multiprocessing: 700 rows are 700")

for read, file in [(pyreadstat.read_sav, "survey.sav"), (pyreadstat.read_dta, "survey.dta"), (pyreadstat.read_xport, "survey.xpt")]:
    for size, wanted in [(350, 700), (300, 900), (450, 900), (None, 1000)]:
        got = chunks(read, file, offset=0, limit=700, **({"chunksize": size} if size else {}))
        print(f"{file}, limit=700, chunksize={size or 'as it is'}: {len(got)} rows")
        check(got == part(0, wanted), f"{file}, chunksize={size}: {len(got)} rows")
got = chunks(pyreadstat.read_sav, "survey.sav", offset=200, limit=500, chunksize=300, multiprocess=True, num_processes=2)
print(f"survey.sav, offset=200, limit=500, chunksize=300, multiprocess=True: {len(got)} rows")
check(got == part(200, 600), f"multiprocess: {len(got)} rows")

def overlap(**options):
    train = chunks(pyreadstat.read_sav, "survey.sav", offset=0, limit=700, **options)
    test = chunks(pyreadstat.read_sav, "survey.sav", offset=700, limit=300, **options)
    shared = set(train) & set(test)
    print(f"700 for training and 300 for testing, {options or 'no chunksize'}: {len(train)} and {len(test)}, {len(shared)} in both")
    return len(train), len(test), len(shared)

check(overlap(chunksize=100) == (700, 300, 0), "chunks of 100")
check(overlap(chunksize=400) == (800, 300, 100), "chunks of 400")
check(overlap() == (1000, 300, 300), "chunks as they are")

# Four jobs of 250 rows.
jobs = [chunks(pyreadstat.read_sav, "survey.sav", offset=k * 250, limit=250) for k in range(4)]
print("four jobs of 250 rows get", *(len(job) for job in jobs), "rows")
check([len(job) for job in jobs] == [1000, 750, 500, 250], f"jobs: {[len(job) for job in jobs]}")
PY
venv/bin/python check.py
