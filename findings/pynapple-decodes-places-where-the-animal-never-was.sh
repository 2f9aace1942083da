#!/usr/bin/env bash
# pynapple: Bayesian decoding puts an animal whose cells fire little for a moment into places where it never was.
#
# Expected: compute_tuning_curves gives NaN for places that were never visited, since nothing is known of them, and decode_bayes leaves
#   them out, or warns, or returns NaN. Its formula multiplies Poisson probabilities of the spike counts, which are NaN there.
# Happens: The likelihood of a place without a tuning curve is 1, which is more than that of any place in a moment with few spikes. With two
#   boxes and a corridor of 18 cm that was never visited, 17 percent of all moments are decoded into the corridor, which has 29 percent of
#   the posterior, and the mean error is 7.1 cm in place of 3.7. The same tuning curves without these bins give what the formula gives.
#   With uniform_prior=False, which is not the default, no moment is in the corridor.
# Seen: pynapple 0.11.4, numpy 2.4.6, xarray 2026.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A round arena or a maze on a square grid always has such bins. Moments with few spikes are common, and most so in sleep, where a
#   uniform prior is the choice. Decoded places, errors and all probabilities of such moments are wrong, and replay of places that were
#   never seen is found.
# Cause: decode_bayes sums the logarithms over the cells by np.nansum, and the sum of NaN only is 0, the logarithm of 1.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pynapple==0.11.4 numpy==2.4.6 pandas==2.3.3 xarray==2026.9.0

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
import pynapple as nap
# A warning of decode_bayes would be an error here.
warnings.simplefilter("error", UserWarning)
warnings.simplefilter("error", RuntimeWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pynapple", "numpy", "xarray")))
rng = np.random.default_rng(0)
STEP, BIN = 0.02, 0.1
time = np.arange(30000) * STEP
phase = time % 20 / 20
# 10 seconds to and fro in the box from 0 to 40 cm, and then in that from 60 to 100 cm.
x = np.where(phase < 0.5, 40 * (1 - abs(4 * phase - 1)), 60 + 40 * (1 - abs(4 * phase - 3)))
position = nap.Tsd(t=time, d=x)
fields = np.r_[np.linspace(2, 38, 12), np.linspace(62, 98, 12)]
cells = nap.TsGroup({
    i: nap.Ts(time[rng.random(time.size) < (0.1 + 10 * np.exp(-(x - centre)**2 / 50)) * STEP]) for i, centre in enumerate(fields)
}, time_support=position.time_support)
curves = nap.compute_tuning_curves(cells, position, bins=50, range=(0, 100), feature_names=["x"])
never = np.isnan(curves.values).all(axis=0)
check(never.sum() == 9 and (np.asarray(curves.attrs["occupancy"])[never] == 0).all() and not np.isnan(curves.values[:, ~never]).any(), f"unvisited bins: {never.sum()}")
centres = curves["x"].values
check(((centres[never] > 40) & (centres[never] < 60)).all(), f"the corridor: {centres[never]}")

def show(what, decoded, posterior):
    values = decoded.values
    true = position.interpolate(decoded).values
    inside = np.isin(values, centres[never])
    # None where there is no posterior over these places.
    mass = None if posterior is None else posterior[:, never].sum(axis=1).mean()
    error = abs(values - true).mean()
    print(f"{what}: {inside.mean():.3f} of all moments in the corridor" + ("" if mass is None else f", {mass:.3f} of the posterior") + f", mean error {error:.2f} cm")
    return inside, mass, error

decoded, posterior = nap.decode_bayes(curves, cells, position.time_support, bin_size=BIN)
inside, mass, error = show("decode_bayes", decoded, posterior.values)
check(0.15 < inside.mean() < 0.19 and 0.27 < mass < 0.32 and 6.5 < error < 7.6, f"decode_bayes: {inside.mean()}, {mass}, {error}")
counts = cells.count(BIN, position.time_support).values
few = counts.sum(axis=1)
print("mean spikes of the moments in the corridor", round(few[inside].mean(), 2), "and elsewhere", round(few[~inside].mean(), 2))
check(few[inside].mean() < 0.5 * few[~inside].mean(), "few spikes in the moments in the corridor")

# The formula of the documentation, for places with a tuning curve.
rates = curves.values[:, ~never].T
log = (counts[:, None, :] * np.log(rates + 1e-12) - BIN * rates).sum(axis=2)
by_hand = centres[~never][log.argmax(axis=1)]
inside, _, right = show("by hand", nap.Tsd(t=decoded.index, d=by_hand), None)
check(not inside.any() and 3.4 < right < 4.0, f"by hand: {right}")

visited = curves[:, ~never]
visited.attrs = {}
without, _ = nap.decode_bayes(visited, cells, position.time_support, bin_size=BIN)
check((without.values == by_hand).all(), "decode_bayes without the unvisited bins")
agree = (decoded.values == by_hand)[~np.isin(decoded.values, centres[never])]
check(agree.all(), "decode_bayes elsewhere")

# What puts nothing into the corridor. The logarithm of its prior of 0 is a warning.
warnings.simplefilter("ignore", RuntimeWarning)
prior, posterior = nap.decode_bayes(curves, cells, position.time_support, bin_size=BIN, uniform_prior=False)
inside, mass, _ = show("uniform_prior=False", prior, posterior.values)
check(not inside.any() and mass == 0, "uniform_prior=False")
PY
venv/bin/python check.py
