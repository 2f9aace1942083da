#!/usr/bin/env bash
# pyHRV: the Lomb and the autoregressive spectrum of a heart rate give the same LF/HF ratio whether it varies with 0.1 Hz or 0.25 Hz.
#
# Expected: Beats whose intervals vary with 0.1 Hz have nearly all power in the low band of 0.04 to 0.15 Hz, so LF/HF is far above 1. With
#   0.25 Hz, as by breathing, it is far below 1. The documentation offers welch_psd, lomb_psd and ar_psd as three ways to this ratio.
# Happens: welch_psd says 105 and 0.0035. lomb_psd says 0.42 and 0.39, ar_psd 0.57 and 0.52. The low band holds 29 percent for
#   the one and 28 percent for the other, and their peaks are elsewhere. If the variation is ten times as large, its
#   power is 100 times as large by Welch, while that of ar_psd grows by 2 percent. No warning.
# Seen: pyhrv 0.5.0, spectrum 0.10.0, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: LF/HF is the usual result of such a recording, and the ratios look ordinary. psd_comparison and psd_waterfall take the two
#   methods too, and hrv puts all three in one table.
# Cause: lomb_psd asks for the angular frequencies 2 * pi / f instead of 2 * pi * f, and the times are in milliseconds. ar_psd takes
#   10 * log10 of the spectrum, and the bands are sums of these decibels. It also keeps the mean, and so does lomb_psd.
# Remedy: Take welch_psd. For uneven beats call scipy.signal.lombscargle with 2 * pi * f and the times in seconds.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyhrv==0.5.0 biosppy==2.2.4 spectrum==0.10.0 \
    nolds==0.5.2 peakutils==1.3.5 scipy==1.17.1 numpy==2.4.6 matplotlib==3.11.2 "setuptools<80"

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Deprecations of other packages, and the log of a frequency of zero.
warnings.simplefilter("ignore")
import matplotlib
matplotlib.use("Agg")
import numpy as np
import pyhrv.frequency_domain as domain
from scipy.signal import lombscargle

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pyhrv", "spectrum", "scipy")))
LOW, HIGH = (0.04, 0.15), (0.15, 0.4)

def beats(frequency, size):
    """Five minutes of intervals in milliseconds that vary with one frequency."""
    rng, time, intervals = np.random.default_rng(0), 0.0, []
    while time < 300:
        intervals.append(0.8 + size * np.sin(2 * np.pi * frequency * time) + size / 10 * rng.normal())
        time += intervals[-1]
    return 1000 * np.array(intervals)

def pyhrv_says(method, intervals):
    """LF/HF, the share of the low band, the peaks of the two bands and the power of both."""
    results, frequencies, powers = getattr(domain, f"{method}_psd")(intervals, show=False, show_param=False, mode="dev")
    key = {"welch": "fft"}.get(method, method)
    low, high = results[f"{key}_abs"][-2:]
    norm = results[f"{key}_norm"]
    return float(results[f"{key}_ratio"]), float(norm[0]), float(low + high), frequencies, powers

def by_hand(intervals):
    """LF/HF by a Lomb periodogram at the right angular frequencies."""
    times = np.cumsum(intervals) / 1000
    frequencies = np.linspace(0.01, 0.41, 2000)
    power = lombscargle(times, intervals - intervals.mean(), 2 * np.pi * frequencies)
    low, high = ((frequencies >= a) & (frequencies <= b) for a, b in (LOW, HIGH))
    return float(power[low].sum() / power[high].sum()), float(frequencies[np.argmax(power)])

ratios = {}
for frequency in (0.1, 0.25):
    intervals = beats(frequency, 0.04)
    hand, peak = by_hand(intervals)
    print(f"variation with {frequency} Hz, Lomb by hand: LF/HF {hand:.4f}, peak at {peak:.3f} Hz")
    check(abs(peak - frequency) < 0.003 and (hand > 20 if frequency == 0.1 else hand < 0.05), f"by hand: {hand}, {peak}")
    for method in ("welch", "lomb", "ar"):
        ratio, share, _, frequencies, powers = pyhrv_says(method, intervals)
        band = frequencies <= 0.4
        print(f"  {method}_psd: LF/HF {ratio:.4f}, {share:.0f} percent in the low band, peak at {frequencies[band][np.argmax(powers[band])]:.3f} Hz")
        ratios[method, frequency] = ratio
check(ratios["welch", 0.1] > 50 and ratios["welch", 0.25] < 0.02, f"Welch: {ratios}")
for method in ("lomb", "ar"):
    slow, fast = ratios[method, 0.1], ratios[method, 0.25]
    check(0.2 < slow < 1 and 0.2 < fast < 1 and slow / fast < 1.5, f"{method}_psd: {slow} and {fast}")

# The variation ten times as large.
for method in ("welch", "ar"):
    small, large = (pyhrv_says(method, beats(0.1, size))[2] for size in (0.008, 0.08))
    print(f"{method}_psd: ten times the variation has {large / small:.2f} times the power in both bands")
    check(80 < large / small < 120 if method == "welch" else 0.9 < large / small < 1.5, f"{method}_psd: {large / small}")

# The powers of lomb_psd are those at other frequencies.
intervals = beats(0.1, 0.04)
times = np.cumsum(intervals) - intervals[0]
*_, frequencies, powers = pyhrv_says("lomb", intervals)
with np.errstate(all="ignore"):
    elsewhere = lombscargle(times, intervals, 2 * np.pi / frequencies[1:], normalize=True)
check(np.allclose(np.asarray(powers)[1:], elsewhere, rtol=1e-6, atol=1e-12), "the frequencies of lomb_psd")
EOF
venv/bin/python check.py
