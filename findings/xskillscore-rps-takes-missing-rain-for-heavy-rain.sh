#!/usr/bin/env bash
# xskillscore: rps takes a missing observation, or a missing member of an ensemble, for one in the highest category.
#
# Expected: Days without an observation are left out of the mean, as crps_ensemble leaves them out. Members that are missing do not
#   count. At the end rps masks missing values itself, so dim=[] gives NaN for a day without an observation.
# Happens: Averaged over time, a day without an observation has the score of a day on which it rained most. Perfect forecasts, whose score
#   is 0, get 0.37 when three of ten observations are missing, and the mean of the daily scores is still 0. A forecast that always
#   says heavy rain goes from 1.30 to 0.93, which is better. A member that is missing forecasts heavy rain: an ensemble of 10 of
#   which 5 are missing in half of the days gets 0.38, and 0.22 by hand. fair=True does it too. Nothing is printed.
# Seen: xskillscore 0.0.29, xarray 2026.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Station data have gaps, and hindcasts have fewer members than forecasts, so that a common array has missing ones. The score
#   of a place goes by its gaps, and skill scores against climatology with it.
# Cause: rps compares with the edges, observations < edges and forecasts < edges, where NaN is False, and takes the mean. Only then
#   _keep_nans_masked masks results, and only those that have no value at all along the dimension of the mean.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check xskillscore==0.0.29 xarray==2026.9.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import xarray as xr
import xskillscore as xs

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

warnings.simplefilter("error")
print(*(f"{name} {importlib.metadata.version(name)}" for name in ("xskillscore", "xarray")))
DAYS, MEMBERS = 2000, 10
EDGES = np.array([1.0, 10.0])
rng = np.random.default_rng(0)
time = {"time": np.arange(DAYS)}
rain = xr.DataArray(rng.choice([0.0, 5.0, 20.0], DAYS, p=[0.5, 0.3, 0.2]), dims="time", coords=time)
noise = xr.DataArray(np.exp(rng.normal(0, 1.2, (DAYS, MEMBERS))), dims=("time", "member"), coords=time)
perfect = xr.ones_like(noise) * rain
heavy = xr.full_like(noise, 20.0)
model = (rain + 1) * noise

def by_hand(observed, forecast, fair=False):
    """The mean over the days that have an observation, of the members that there are."""
    number = forecast.count("member")
    total = 0
    for edge in EDGES:
        count = (forecast < edge).sum("member")
        total = total + (count / number - (observed < edge)) ** 2
        if fair:
            total = total - count * (number - count) / (number**2 * (number - 1))
    return float(total.where(observed.notnull()).mean())

def score(observed, forecast, **options):
    return float(xs.rps(observed, forecast, EDGES, dim=["time"], **options))

def near(a, b):
    return abs(a - b) < 1e-9

gaps = rain.where(xr.DataArray(rng.random(DAYS) < 0.7, dims="time", coords=time))
as_heavy = gaps.fillna(20.0)
for name, forecast in (("perfect", perfect), ("always heavy", heavy), ("model", model)):
    for fair in (False, True):
        check(near(score(rain, forecast, fair=fair), by_hand(rain, forecast, fair)), f"{name}, all observations")
        found, wanted = score(gaps, forecast, fair=fair), by_hand(gaps, forecast, fair)
        if not fair:
            print(f"{name}: all observations {score(rain, forecast):.3f}, with gaps {found:.3f}, by hand {wanted:.3f}")
        check(near(found, by_hand(as_heavy, forecast, fair)), f"{name}, gaps as heavy rain: {found}")
        check(abs(found - wanted) > 0.1, f"{name}, gaps left out: {found}")
    daily = xs.rps(gaps, forecast, EDGES, dim=[])
    check(int(daily.isnull().sum()) == int(gaps.isnull().sum()) > 0, f"{name}: daily scores")
    check(near(float(daily.mean()), by_hand(gaps, forecast)), f"{name}: mean of the daily scores")
check(near(score(rain, perfect), 0) and score(gaps, perfect) > 0.3, "perfect forecasts")
check(score(gaps, heavy) < score(rain, heavy) - 0.1, "always heavy rain")
# Another score of the same library leaves days without an observation out.
crps = float(xs.crps_ensemble(gaps, model, dim="time"))
check(near(crps, float(xs.crps_ensemble(gaps.dropna("time"), model.where(gaps.notnull(), drop=True), dim="time"))), "crps_ensemble")

# In the first half of the days there are five members only.
fewer = model.where((model["time"] >= DAYS // 2) | (xr.DataArray(np.arange(MEMBERS), dims="member") < 5))
for fair in (False, True):
    found, wanted = score(rain, fewer, fair=fair), by_hand(rain, fewer, fair)
    print(f"fewer members, fair={fair}: {found:.3f}, by hand {wanted:.3f}")
    check(near(found, by_hand(rain, fewer.fillna(20.0), fair)), f"missing members as heavy rain: {found}")
    check(abs(found - wanted) > 0.1, f"missing members left out: {found}")
EOF
venv/bin/python check.py
