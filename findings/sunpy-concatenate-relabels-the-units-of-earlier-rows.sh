#!/usr/bin/env bash
# sunpy: of two time series that are joined the rows of the first get the unit of the second, and common times stay twice.
#
# Expected: The documentation calls joining aware of the metadata. It says that concatenate removes duplicate times and keeps the
#   values of the first series. Columns of one name with other units are converted, as add_column does it, or refused.
# Happens: The numbers are joined as they are, and the column gets the unit of the last series. A flux of 2 W / m2 becomes
#   2 erg / (s cm2), which is a thousandth of it, and the other way round a weak flux becomes a large flare. Even kelvins after
#   watts are taken, and the watts are kelvins then. Times that both series have are there twice, with both values, so each
#   overlap counts twice in a sum or a mean. concatenate, a list of series and TimeSeries(..., concatenate=True) are alike.
#   Nothing is printed.
# Seen: sunpy 7.0.5, astropy 8.0.2, pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Solar fluxes come in W / m2 from one instrument or version of a file and in erg / (s cm2) from another, and files of
#   single days or orbits overlap. The series says its unit itself, so quantity() looks right.
# Cause: GenericTimeSeries.concatenate gathers all units in one dictionary, where the last of a name wins, and ends with
#   sort_index() where the docstring has duplicates removed.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export SUNPY_CONFIGDIR="$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check "sunpy[timeseries,visualization]==7.0.5" astropy==8.0.2 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import astropy.units as u
import numpy as np
import pandas as pd
from sunpy.timeseries import TimeSeries
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("sunpy", "astropy", "pandas")))
SI, CGS = u.W / u.m**2, u.erg / u.s / u.cm**2

def series(start, values, unit):
    times = pd.date_range(f"2012-05-01 {start}", periods=len(values), freq="min")
    return TimeSeries(pd.DataFrame({"flux": np.array(values, float)}, index=times), {}, {"flux": unit})

def show(what, joined):
    flux = joined.quantity("flux")
    print(f"{what}: {flux}")
    return flux

# The flux is 2 W / m2, which is 2000 erg / (s cm2), all the time.
first, second = series("00:00", [2, 2], SI), series("01:00", [2000, 2000], CGS)
for part in (first, second):
    check(np.allclose(part.quantity("flux").to_value(SI), 2), "the parts")
same = show("both in W / m2", first.concatenate(series("01:00", [2, 2], SI)))
check(np.allclose(same.to_value(SI), 2), f"equal units: {same}")
added = show("add_column in erg / (s cm2)", first.add_column("flux", [2000, 3000] * CGS))
check(added.unit == SI and np.allclose(added.value, [2, 3]), f"add_column: {added}")

ways = {
    "W / m2, then erg / (s cm2)": (lambda: first.concatenate(second), CGS),
    "the same as a list": (lambda: first.concatenate([second]), CGS),
    "the same by TimeSeries": (lambda: TimeSeries(first, second, concatenate=True), CGS),
    "erg / (s cm2), then W / m2": (lambda: second.concatenate(first), SI),
}
for what, (join, unit) in ways.items():
    flux = show(what, join())
    check(flux.unit == unit and flux.value.tolist() == [2, 2, 2000, 2000], f"{what}: {flux}")
check(show("then kelvins", first.concatenate(series("01:00", [300], u.K))).unit == u.K, "kelvins")

# Two files that overlap by two of four minutes.
early, late = series("00:00", [1, 2, 3, 4], SI), series("00:02", [30, 40, 5, 6], SI)
joined = early.concatenate(late).to_dataframe()
print("overlap:", *(f"{time:%H:%M} {value:g}," for time, value in joined["flux"].items()))
check(len(joined) == 8 and joined.index.duplicated().sum() == 2, f"{len(joined)} rows")
check(sorted(joined["flux"]) == [1, 2, 3, 4, 5, 6, 30, 40], "values of the overlap")
kept = joined[~joined.index.duplicated(keep="first")]
print(f"mean {joined['flux'].mean():g}, without the duplicates {kept['flux'].mean():g}")
check(kept["flux"].tolist() == [1, 2, 3, 4, 5, 6] and joined["flux"].mean() == 11.375, "mean")
EOF
venv/bin/python check.py
