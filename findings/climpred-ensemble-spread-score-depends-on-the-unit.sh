#!/usr/bin/env bash
# climpred: the skill score of the ensemble spread is another for the same rain in millimetres and in centimetres.
#
# Expected: crpss_es compares the spread of an ensemble with the error of its mean. It is 0 for a spread that fits, above 0 for one that
#   is too small, and below 0 for one that is too large, as the documentation says. Its power to units is 0, so the unit of the
#   forecasts and observations does not matter, as it does not for crpss and less.
# Happens: An ensemble whose spread fits gets 0.02 in one unit, -0.27 if the numbers are a tenth as large, and -18.6 if they are a
#   hundred times as large. With half of the right spread it is too sure of itself by 0.12 in the one unit, and not sure enough by
#   -0.13 and -15.7 in the others. With a standard deviation in both places it is 0.01 and 0.12 in all units.
# Seen: climpred 2.6.0, xskillscore 0.0.29, xarray 2026.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The sign decides whether the spread of an ensemble can be taken for its uncertainty. Temperature in K has errors near 1, but rain
#   in kg m-2 s-1, pressure in Pa and salinity have not, so they seem to have too much spread.
# Cause: _crpss_es gives the mean squared error to crps_gaussian, which takes a standard deviation, and the standard deviation of the
#   members for the other term. Data that are divided by the root mean squared error before get about the right score.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check climpred==2.6.0 xskillscore==0.0.29 xarray==2026.9.0 numpy==2.3.5 pandas==3.1.1

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
# Announced changes of xarray and pandas.
warnings.simplefilter("ignore")
from xml.etree import ElementTree
import cf_xarray.accessor
import climpred.metrics
import numpy as np
import xarray as xr
from climpred import HindcastEnsemble
from xskillscore import crps_gaussian

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def offline(*_, **__):
    raise ElementTree.ParseError("no table of names")

# climpred fetches a table of names from the network, and goes on without it if it cannot be read.
cf_xarray.accessor.parse_cf_standard_name_table = offline
print(*(f"{name} {importlib.metadata.version(name)}" for name in ("climpred", "xskillscore", "xarray")))

YEARS, MEMBERS = 60, 40

def forecast(spread, unit):
    """Rain of each year: what can be foreseen, and a rest with a standard deviation of 1, which the members have times spread."""
    rng = np.random.default_rng(0)
    foreseen = 2 * rng.normal(size=YEARS + 1)
    rain = foreseen + rng.normal(size=YEARS + 1)
    members = foreseen[1:, None, None] + spread * rng.normal(size=(YEARS, 1, MEMBERS))
    hindcast = xr.Dataset({"rain": (("init", "lead", "member"), unit * members)},
                          coords={"init": np.arange(1960, 1960 + YEARS), "lead": [1], "member": np.arange(MEMBERS)})
    hindcast["lead"].attrs["units"] = "years"
    observed = xr.Dataset({"rain": (("time",), unit * rain)}, coords={"time": np.arange(1960, 1961 + YEARS)})
    ensemble = HindcastEnsemble(hindcast).add_observations(observed)
    scores = {metric: float(ensemble.verify(metric=metric, comparison="m2o", alignment="same_verifs", dim=["member", "init"])["rain"].item())
              for metric in ("crpss_es", "crpss", "less")}
    # By hand, with a standard deviation in both places.
    h, o = unit * members[:, 0], unit * rain[1:]
    score = lambda sigma: float(crps_gaussian(xr.DataArray(o, dims="x"), o.mean(), sigma))
    mse = ((h.mean(axis=1) - o) ** 2).mean()
    scores["by hand"] = 1 - score(np.sqrt(mse)) / score(h.std(axis=1).mean())
    scores["with the square"] = 1 - score(mse) / score(h.std(axis=1).mean())
    return scores

seen = {(spread, unit): forecast(spread, unit) for spread in (0.5, 1, 2) for unit in (0.01, 0.1, 1, 10, 100)}
for (spread, unit), scores in seen.items():
    print(f"spread {spread}, unit {unit}:", ", ".join(f"{metric} {score:.3f}" for metric, score in scores.items()))
NEAR = 5e-4
for (spread, unit), scores in seen.items():
    one = seen[spread, 1]
    for metric in ("crpss", "less", "by hand"):
        check(abs(scores[metric] - one[metric]) < 1e-6, f"{metric} in unit {unit}: {scores}")
    check(abs(scores["crpss_es"] - scores["with the square"]) < 1e-6, f"crpss_es is by hand with the square: {scores}")
for key, wrong, right in [((1, 1), 0.0203, 0.0121), ((1, 0.1), -0.267, 0.0121), ((1, 100), -18.563, 0.0121),
                          ((0.5, 1), 0.124, 0.120), ((0.5, 0.1), -0.127, 0.120), ((0.5, 100), -15.718, 0.120), ((2, 1), -0.064, -0.083)]:
    check(abs(seen[key]["crpss_es"] - wrong) < NEAR and abs(seen[key]["by hand"] - right) < NEAR, f"{key}: {seen[key]}")
[metric] = [metric for metric in climpred.metrics.__ALL_METRICS__ if metric.name == "crpss_es"]
check(metric.unit_power == 0, f"power to units {metric.unit_power}")
PY
venv/bin/python check.py
