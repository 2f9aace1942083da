#!/usr/bin/env bash
# pandas.read_json turns numbers into dates when the column is called train_time or loss_at.
#
# Expected: A table of numbers that to_json wrote is read back as numbers.
# Happens: Columns whose names end in _time or _at, or begin with timestamp, are guessed to be dates if the
#   numbers are large enough. A training time of 41,000,000 milliseconds comes back as 20 April 1971. Short runs
#   stay numbers, so it begins when training gets longer.
# Seen: pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A metrics file works for months. Then a longer run turns its column into dates, and comparisons with
#   older runs fail or mean nothing.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import io
import sys
import pandas as pd

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pandas", pd.__version__)

def round_trip(frame):
    return pd.read_json(io.StringIO(frame.to_json()))

long = pd.DataFrame({"train_time": [41_000_000, 39_000_000], "best_loss_at": [1e9, 2e9], "duration": [41_000_000, 39_000_000]})
short = long // 100
back = round_trip(long)
print("written:\n", long, "\nread:\n", back, "\n", back.dtypes.to_dict())
check(back["train_time"].dtype.kind == "M", "train_time became dates")
check(str(back["train_time"][0].date()) == "1971-04-20", "41,000,000 is a day in 1971")
check(back["best_loss_at"].dtype.kind == "M", "best_loss_at became dates")
check(back["duration"].tolist() == [41_000_000, 39_000_000], "duration stays numbers")
print("shorter runs:", round_trip(short).dtypes.to_dict())
check(round_trip(short)["train_time"].tolist() == [410_000, 390_000], "the same column of a shorter run stays numbers")
EOF
venv/bin/python check.py
