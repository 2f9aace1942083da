#!/usr/bin/env bash
# liac-arff: 0.7 in a column of type integer is read as 0, and an id of 17 digits comes back as another id.
#
# Expected: ARFF is the format of Weka, and its description says that the type integer is treated as numeric. So 0.7 is 0.7, as in
#   scipy. A long number is a Python integer here, and loads gives back what dumps wrote.
# Happens: liac-arff turns each value of such a column into a float and then into an integer. Decimals are cut off, so 0.7 is 0 and
#   -0.7 is 0. Integers from 2^53 on are rounded, so two ids can become one. dumps writes all digits, so a data set that is
#   written and read again has other ids. Values that are no numbers raise an error, but decimals do not.
# Seen: liac-arff 2.5.0, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Tools that write ARFF guess the type from the first rows, and Weka reads such files right. A feature between 0 and 1 is
#   then constant. Ids of posts, users and hashes have 18 and more digits, and a join by them finds other rows or none. The
#   same code is inside scikit-learn, for fetch_openml with parser="liac-arff".
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check liac-arff==2.5.0 scipy==1.17.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import io
import sys
import warnings
import arff
from scipy.io.arff import loadarff
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("liac-arff", "scipy")))

values = [0, 0.7, 1, -0.7, 2.9]

def text(kind, values):
    return "\n".join(["@relation r", f"@attribute x {kind}", "@data", *map(str, values), ""])

for kind, wanted in [("numeric", values), ("real", values), ("integer", [0, 0, 1, 0, 2])]:
    found = [row[0] for row in arff.loads(text(kind, values))["data"]]
    streamed = [row[0] for row in arff.load(io.StringIO(text(kind, values)), return_type=arff.DENSE_GEN)["data"]]
    weka = loadarff(io.StringIO(text(kind, values)))[0]["x"].tolist()
    print(f"type {kind}: written {values}, by scipy {weka}, by liac-arff {found}")
    check(weka == values, f"scipy, type {kind}: {weka}")
    check(found == streamed == wanted, f"liac-arff, type {kind}: {found}, {streamed}")

sparse = "@relation r\n@attribute x integer\n@attribute y integer\n@data\n{1 0.7}\n{0 1.9, 1 3}\n"
for kind, wanted in [(arff.LOD, [{1: 0}, {0: 1, 1: 3}]), (arff.COO, ([0, 1, 3], [0, 1, 1], [1, 0, 1]))]:
    found = arff.loads(sparse, return_type=kind)["data"]
    check(found == wanted, f"a sparse file: {found}")
print("sparse {1 0.7}, by liac-arff", arff.loads(sparse, return_type=arff.LOD)["data"][0])

ids = [12345678901234567, 12345678901234568, 1800000000000000001, 1800000000000000101]
data = {"relation": "r", "attributes": [("id", "INTEGER")], "data": [[i] for i in ids]}
written = arff.dumps(data)
check(all(str(i) in written for i in ids), "dumps does not write all digits")
found = [row[0] for row in arff.loads(written)["data"]]
print("ids written:", *ids)
print("ids read:   ", *found)
check(all(type(i) is int for i in found), f"types of {found}")
check(found == [12345678901234568, 12345678901234568, 1800000000000000000, 1800000000000000000], f"ids {found}")

try:
    arff.loads(text("integer", ["a"]))
    check(False, "a text in an integer column is no error")
except arff.BadNumericalValue:
    pass
EOF
venv/bin/python check.py
