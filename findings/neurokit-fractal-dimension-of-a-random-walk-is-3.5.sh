#!/usr/bin/env bash
# NeuroKit2: the fractal dimension of a random walk from the slope of its spectrum is 3.5, and smoother signals have a larger one.
#
# Expected: The graph of a signal has a dimension from 1 to 2. Voss has D = (5 - b) / 2 for a power that falls with f**-b: 1.5 for
#   a random walk with b = 2, and less for a smoother signal. fractal_psdslope cites this paper for its default method.
# Happens: fractal_psdslope says 3.50 for a random walk, 3.37 for b = 1.7 and 3.19 for b = 1.4, while the dimension is 1.5, 1.65 and 1.8. The
#   smoother the signal, the larger the value, so the order of two signals is reversed. method="hasselman2013" goes down as the signal
#   gets smoother, and Higuchi's dimension in the same package is 1.50 for the walk. No warning.
# Seen: neurokit2 0.3.0, numpy 2.4.6, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: It is one column of complexity measures for EEG and heart rates. Groups are compared by it, and the sign of the difference
#   is wrong. A correlation with other dimensions is negative.
# Cause: The slope of the spectrum in logarithms is -b, and the function computes (5 - slope) / 2, which is (5 + b) / 2.
# Remedy: 5 minus the value, which is (5 + slope) / 2. The slope is in the second result.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check neurokit2==0.3.0 numpy==2.4.6 \
    scipy==1.17.1 pandas==2.3.3

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Notes of other packages.
warnings.simplefilter("ignore")
import neurokit2
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("neurokit2", "numpy")))
LENGTH = 20000

def signal(b, seed):
    """Gaussian noise whose power falls with f ** -b. A part of a longer signal, so that its ends do not meet."""
    rng = np.random.default_rng(seed)
    n = 16 * LENGTH
    f = np.fft.rfftfreq(n)
    f[0] = np.inf
    spectrum = (rng.normal(size=len(f)) + 1j * rng.normal(size=len(f))) * f ** (-b / 2)
    return np.fft.irfft(spectrum, n)[:LENGTH]

def by_hand(x):
    """The dimension of the graph by its variogram: the mean of |x(t + k) - x(t)| grows with k ** (2 - D)."""
    lags = np.array([1, 2, 4, 8, 16])
    growth = [np.abs(x[k:] - x[:-k]).mean() for k in lags]
    return 2 - np.polyfit(np.log(lags), np.log(growth), 1)[0]

walk = np.cumsum(np.random.default_rng(0).normal(size=LENGTH))
rows = []
for what, x, b in [("a random walk", walk, 2.0), ("b = 1.4", signal(1.4, 1), 1.4), ("b = 1.7", signal(1.7, 2), 1.7), ("b = 2", signal(2.0, 3), 2.0)]:
    value, info = neurokit2.fractal_psdslope(x)
    other = neurokit2.fractal_psdslope(x, method="hasselman2013")[0]
    higuchi = neurokit2.fractal_higuchi(x, k_max=16)[0]
    hand, theory = by_hand(x), (5 - b) / 2
    print(f"{what}: fractal_psdslope {value:.2f}, by Voss {theory:.2f}, by the variogram {hand:.2f}, Higuchi {higuchi:.2f}, "
          f"hasselman2013 {other:.2f}, slope {info['Slope']:.2f}")
    check(abs(hand - theory) < 0.12 and abs(higuchi - theory) < 0.12, f"{what}: {hand}, {higuchi} for {theory}")
    check(abs(info["Slope"] + b) < 0.15, f"{what}: a slope of {info['Slope']}")
    check(value > 3 and abs(value - (5 + b) / 2) < 0.08, f"{what}: {value}")
    check(abs(5 - value - theory) < 0.08, f"{what}: 5 minus the value is {5 - value}")
    rows.append((b, value, higuchi, other))
rows = sorted(rows[1:])
check(rows[0][1] < rows[1][1] < rows[2][1], "the order by fractal_psdslope")
check(all(rows[0][k] > rows[1][k] > rows[2][k] for k in (2, 3)), "the order by the other methods")
EOF
venv/bin/python check.py
