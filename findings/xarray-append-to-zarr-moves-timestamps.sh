#!/usr/bin/env bash
# xarray: hourly data that is appended to a Zarr store of daily data gets timestamps that are weeks off.
#
# Expected: The appended times are what was given, or the call fails because the store cannot hold them.
# Happens: The store holds times as whole days since its first day. xarray writes the new times as hours but
#   leaves the unit in the store, so 54 hours are read as 54 days. A warning speaks of another unit, but not
#   of a store that is now wrong.
# Seen: xarray 2026.9.0, zarr 3.1.6, pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Whether a store is spoilt depends on the times of its very first batch. Appended days happen to be
#   right for years, until one batch comes at noon.
# Source: github.com/pydata/xarray/issues/5969
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from importlib.metadata import version
import numpy as np
import pandas as pd
import xarray as xr

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("xarray", "zarr", "pandas")))
daily = pd.date_range("2024-01-01", periods=2)
hourly = pd.date_range("2024-01-03 06:00", periods=2, freq="6h")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    xr.Dataset({"load": ("time", [1.0, 2.0])}, {"time": daily}).to_zarr("store.zarr", consolidated=False)
    xr.Dataset({"load": ("time", [3.0, 4.0])}, {"time": hourly}).to_zarr("store.zarr", append_dim="time", consolidated=False)
told = [str(w.message) for w in caught if "serialized" in str(w.message)]
read = xr.open_zarr("store.zarr", consolidated=False).time.values
print("written:", *daily, *hourly)
print("read:   ", *pd.DatetimeIndex(read))
print("warning:", *told)
check(list(read[:2]) == list(daily.values), "the first days are right")
check(list(read[2:]) == [np.datetime64("2024-02-24"), np.datetime64("2024-03-01")], "6 o'clock on January 3 is February 24")
check(len(told) == 1 and "hours since 2024-01-01" in told[0], "the warning names a unit that is not in the store")
EOF
venv/bin/python check.py
