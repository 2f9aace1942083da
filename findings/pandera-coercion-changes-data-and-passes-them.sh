#!/usr/bin/env bash
# pandera: a schema with coerce=True cuts 1.9 down to 1, turns the text "False" into True, and reports the data
# as valid.
#
# Expected: Coercion converts values that mean the same, such as 1.0 or "1", and fails on others, as it does for
#   a number that does not fit an 8-bit integer.
# Happens: Decimals are cut off and any text but the empty one becomes True. validate returns the changed table
#   and raises nothing.
# Seen: pandera 0.35.0 with pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The validation stage is trusted to stop bad data. Here it makes bad data out of good ones and signs
#   them.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pandera==0.35.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import pandas as pd
import pandera.pandas as pa

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pandera", version("pandera"), "pandas", pd.__version__)

def validate(dtype, values):
    schema = pa.DataFrameSchema({"v": pa.Column(dtype, coerce=True)})
    back = schema.validate(pd.DataFrame({"v": values}))["v"].tolist()
    print(f"{dtype}: {values} passes as {back}")
    return back

check(validate(int, [1.9, -1.9, 2.0]) == [1, -1, 2], "decimals are cut off")
check(validate(bool, ["True", "False", "0", "no"]) == [True] * 4, "every text is True")
try:
    validate("int8", [300])
    check(False, "a number that does not fit is refused")
except (pa.errors.SchemaError, pa.errors.SchemaErrors):
    print("int8: [300] is refused")
EOF
venv/bin/python check.py
