#!/usr/bin/env bash
# astropy: a machine-readable table of the AAS journals has sources just south of the equator north of it, and numbers cut to two digits.
#
# Expected: A table that is written with format="ascii.mrt" and read again has the same coordinates and numbers. The column of the
#   sign of declination is there for declinations from -1 to 0 degrees, which are -00 degrees and some minutes.
# Happens: Coordinates with a declination from -1 to 0 degrees get the sign +, so they move by up to two degrees. All other
#   declinations, and galactic coordinates, are right. A column of integers whose first value is missing is described as two
#   characters wide, whatever it holds, so HIP 71683 is read as 71 and the next column begins with the digits that are left. If
#   another value is missing, all is right. Nothing is printed in either case.
# Seen: astropy 8.0.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Tables in this format are published with the paper and go into VizieR. Surveys along the equator, such as Stripe 82, have
#   half of their sources between -1 and 0 degrees. A catalogue number that is not known for the first source is an everyday thing.
# Cause: MrtHeader.write makes an int8 of the degrees -0.0, takes the sign from it, and drops it from the minutes and seconds.
#   _set_column_val_limits takes max(col), which is masked if the first value is, and the width is that of the text "--".
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check astropy==8.0.2 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("astropy", importlib.metadata.version("astropy"))

def again(table, kind="ascii.mrt"):
    table.write("table.txt", format=kind, overwrite=True)
    return Table.read("table.txt", format=kind)

def from_columns(table):
    h, m, s, d, minute, second = (np.array(table[name]) for name in ("RAh", "RAm", "RAs", "DEd", "DEm", "DEs"))
    sign = np.where(table["DE-"] == "-", -1, 1)
    return SkyCoord(15 * (h + m / 60 + s / 3600), sign * (d + minute / 60 + second / 3600), unit="deg")

dec = np.array([-1.5, -1.0, -0.9, -0.5, -0.0002, 0.0, 0.5, 1.5])
where = SkyCoord(np.linspace(10, 350, len(dec)), dec, unit="deg")
print("declinations:        ", *dec)
read = again(Table({"where": where}))
found = from_columns(read)
print("from the MRT file:   ", *np.round(found.dec.deg, 6))
with open("table.txt") as file:
    print("line of -0.5 degrees:", file.read().splitlines()[-5])
south = (dec < 0) & (dec > -1)
check(np.allclose(found.ra.deg, where.ra.deg, atol=1e-6), "right ascension")
check(np.allclose(found.dec.deg[~south], dec[~south], atol=1e-6), "declinations below -1 and from 0 on")
check(np.allclose(found.dec.deg[south], -dec[south], atol=1e-6), f"declinations from -1 to 0: {found.dec.deg[south]}")
away = found.separation(where).deg
print(f"sources that moved: {int((away > 1e-4).sum())}, by up to {away.max():.2f} degrees")
check(abs(away.max() - 1.8) < 1e-3, f"moved by {away.max()}")

# The same column in ECSV, and the same numbers as galactic coordinates.
check(np.allclose(again(Table({"where": where}), "ascii.ecsv")["where"].dec.deg, dec), "ECSV")
galactic = again(Table({"where": SkyCoord(where.ra.deg, dec, unit="deg", frame="galactic")}))
print("galactic latitudes:  ", *np.round(galactic["GLAT"], 6))
check(np.allclose(galactic["GLAT"], dec, atol=1e-6), "galactic latitudes")

numbers = [71683, 71681, 32349, 54035, 37279]
for missing, wanted in [(1, (numbers, "abcde")), (0, ([71, 71, 32, 54, 37], "?8437"))]:
    hip = MaskedColumn(numbers, mask=np.arange(5) == missing)
    table = Table({"hip": hip, "name": list("abcde")})
    read = again(table)
    print(f"HIP, number {missing} is missing:", *hip, "read:", *read["hip"], "names:", *read["name"])
    with open("table.txt") as file:
        print(*(line for line in file.read().splitlines() if "Description of hip" in line))
    for i in range(5):
        if i == missing:
            check(read["hip"].mask[i], "the missing number")
        else:
            check(read["hip"][i] == wanted[0][i] and str(read["name"][i]) == wanted[1][i], f"row {i}: {read[i]}")
    kept = again(table, "ascii.ecsv")
    check(np.ma.allequal(kept["hip"], hip) and list(kept["name"]) == list("abcde"), "ECSV of numbers")
EOF
venv/bin/python check.py
