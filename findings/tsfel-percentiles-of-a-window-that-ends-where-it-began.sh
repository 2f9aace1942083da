#!/usr/bin/env bash
# tsfel: a window whose last sample equals its first is taken for constant, so its percentiles are this sample and its slope is infinite.
#
# Expected: ecdf_percentile is the value below which 20 or 80 percent of the samples lie, ecdf_percentile_count the number of these
#   samples, and ecdf_slope the slope of the distribution between its median and its third quartile. None of them depends on the order
#   of the samples.
# Happens: If the first and the last sample of a window are equal, both percentiles are that sample, both counts are that sample too, and
#   the slope is infinite. The same window with two samples swapped has the percentiles 41 and 58, the counts 20 and 80 and a finite
#   slope. Of 500 windows of noise in whole numbers 10 are hit, of windows that are cut from one beat to the next all.
# Seen: tsfel 0.2.0, numpy 2.4.6, pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Samples of a converter are whole numbers, and acceleration and ECG return to a baseline, so such windows are common. The
#   percentiles are plausible numbers and nothing warns. Features of rest turn up in windows of motion, and a count is a level.
# Cause: The three functions test np.sum(np.diff(signal)) == 0 for a constant signal, and this sum is the last sample less the first.
#   hist_mode, interq_range and np.quantile of the same windows are right.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tsfel==0.2.0 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 statsmodels==0.15.0

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import numpy as np
import tsfel
from tsfel.feature_extraction import features
# Announced changes of other packages.
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def main():
    print(*(f"{name} {importlib.metadata.version(name)}" for name in ("tsfel", "numpy")))
    rng = np.random.default_rng(0)
    windows = np.round(50 + 10 * rng.normal(size=(500, 100)))
    closed = windows[:, 0] == windows[:, -1]
    check(closed.sum() == 10, f"closed windows: {closed.sum()}")

    def by_hand(window):
        """The largest sample that at most so many percent of the samples, itself included, do not exceed in sorted order."""
        ordered = np.sort(window)
        return ordered[19], ordered[79]

    def three(window):
        # Each takes a signal, and no random numbers.
        return features.ecdf_percentile(window), features.ecdf_percentile_count(window), features.ecdf_slope(window)

    for window in windows[~closed]:
        percentiles, counts, slope = three(window)
        check(percentiles == by_hand(window) and counts == (20, 80) and np.isfinite(slope), f"an open window: {three(window)}")
    for window in windows[closed]:
        percentiles, counts, slope = three(window)
        check(percentiles == (window[0], window[0]) and counts == (window[0], window[0]) and np.isinf(slope), f"a closed window: {three(window)}")
        # The same samples in another order.
        swapped = window.copy()
        other = int(np.flatnonzero(window != window[0])[0])
        swapped[[0, other]] = swapped[[other, 0]]
        check(three(swapped)[:2] == (by_hand(window), (20, 80)) and np.isfinite(three(swapped)[2]), f"swapped: {three(swapped)}")
        check(np.isclose(features.interq_range(window), features.interq_range(swapped)) and features.interq_range(window) > 5, "interquartile range")
        check(features.hist_mode(window) == features.hist_mode(swapped), "mode")
    window = windows[closed][0]
    print(f"a window from {window[0]:.0f} to {window[-1]:.0f}: {[np.asarray(v).tolist() for v in three(window)]}, by hand {[float(v) for v in by_hand(window)]}")
    print(f"the same less its last sample: {[np.asarray(v).tolist() for v in three(window[:-1])]}")

    # A table of features by the usual way, of a signal that is at its baseline at the seams of the windows.
    beat = np.round(200 * np.sin(np.pi * np.arange(100) / 99) ** 8)
    check(beat[0] == beat[-1] == 0 and beat.max() == 200, "a beat")
    wanted = {"ECDF Percentile": features.ecdf_percentile, "ECDF Percentile Count": features.ecdf_percentile_count}
    settings = {"statistical": {name: tsfel.get_features_by_domain("statistical")["statistical"][name] for name in (*wanted, "Interquartile range")}}
    signal = np.concatenate([beat * scale for scale in (1, 2, 3)])
    for what, fs_shift in [("at the baseline", 0), ("30 samples later", 30)]:
        table = tsfel.time_series_features_extractor(settings, np.roll(signal, -fs_shift)[:200], fs=100, window_size=100, verbose=0, n_jobs=None)
        values = {name.removeprefix("0_"): table[name].tolist() for name in table.columns}
        print(f"windows cut {what}: {values}")
        high = next(value for name, value in values.items() if name.startswith("ECDF Percentile_1"))
        count = next(value for name, value in values.items() if name.startswith("ECDF Percentile Count_1"))
        spread = next(value for name, value in values.items() if "nterquartile" in name)
        check(min(spread) > 20, f"{what}: {spread}")
        if fs_shift:
            check(min(high) > 50 and count == [80, 80], f"{what}: {values}")
        else:
            check(high == [0, 0] and count == [0, 0], f"{what}: {values}")

# The extractor starts processes.
if __name__ == "__main__":
    main()
PY
venv/bin/python check.py
