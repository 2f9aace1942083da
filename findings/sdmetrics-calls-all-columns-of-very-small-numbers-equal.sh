#!/usr/bin/env bash
# SDMetrics: two columns of very small numbers have a shape score of 1 whatever they hold, so the quality report praises any femtoseconds.
#
# Expected: KSComplement is 1 minus the Kolmogorov-Smirnov statistic. This goes by the order of the values, so it is the same in seconds
#   and in femtoseconds.
# Happens: Pulses of 5 and of 9 femtoseconds, whose ranges do not meet, have a score of 1.0 in seconds, and of 0.0 in femtoseconds. The report
#   says 1.0 for this column in Column Shapes. So it is for the masses of water and ethanol molecules in kg and for charges of 100 and
#   1000 electrons in coulomb. Capacitances of 0.046 to 0.054 picofarad become one value in farad. Wavelengths of light in metres are
#   right. StatisticMSAS of sequences goes with it. No warning.
# Seen: sdmetrics 0.32.0, scipy 1.17.1, pandas 2.3.3, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: Physical tables in SI units have such columns: pulse lengths, capacitances, charges, masses of molecules, concentrations.
#   The score is the best one there is, so nobody looks at the column.
# Cause: KSComplement rounds both columns to 14 decimals, against noise such as 0.3 - 0.2. What is smaller than 5e-15 becomes 0.
# Remedy: Scale such columns before, for instance to femtoseconds, or use scipy.stats.ks_2samp.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check sdmetrics==0.32.0 pandas==2.3.3 numpy==2.4.6 \
    scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Announced changes.
warnings.simplefilter("error")
warnings.simplefilter("ignore", FutureWarning)
import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sdmetrics.column_pairs import StatisticMSAS
from sdmetrics.reports.single_table import QualityReport
from sdmetrics.single_column import KSComplement

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("sdmetrics", "scipy", "pandas")))
ROWS = 1000
rng = np.random.default_rng(0)
def column(middle, width):
    return pd.Series(rng.uniform(middle - width, middle + width, ROWS))

def report(real, synthetic):
    """The score of Column Shapes for the column and another one."""
    other = pd.Series(rng.normal(size=ROWS))
    tables = [pd.DataFrame({"value": values, "other": other}) for values in (real, synthetic)]
    quality = QualityReport()
    quality.generate(*tables, {"columns": {name: {"sdtype": "numerical"} for name in tables[0]}}, verbose=False)
    return float(quality.get_details("Column Shapes").set_index("Column")["Score"]["value"])

for what, real, synthetic, unit, wrong in [
    ("pulses of 3 to 4 and of 4 to 4.9 femtoseconds", column(3.5, 0.5), column(4.45, 0.4), 1e-15, True),
    ("masses of water and of ethanol molecules in kg", column(2.99, 0.01), column(7.65, 0.01), 1e-26, True),
    ("charges of 100 and of 1000 electrons in coulomb", column(100, 10), column(1000, 100), 1.6e-19, True),
    ("wavelengths of red and of green light in metres", column(650, 30), column(530, 30), 1e-9, False),
]:
    small, plain = KSComplement.compute(real * unit, synthetic * unit), KSComplement.compute(real, synthetic)
    statistic = 1 - ks_2samp(real * unit, synthetic * unit).statistic
    in_report = report(real * unit, synthetic * unit), report(real, synthetic)
    print(f"{what}: {small:.3f} in SI units, {plain:.3f} in units of {unit:g}, by SciPy {statistic:.3f}, "
          f"in the report {in_report[0]:.3f} and {in_report[1]:.3f}")
    check(abs(plain - statistic) < 1e-9 and plain < 0.05, f"{what}: {plain}")
    check(small == (1 if wrong else statistic) and in_report == (small, plain), f"{what}: {small}, {in_report}")

# Not all zero, but coarse: capacitances that differ in their spread alone.
real, synthetic = column(0.050, 0.004), column(0.050, 0.001)
small, plain = KSComplement.compute(real * 1e-12, synthetic * 1e-12), KSComplement.compute(real, synthetic)
print(f"capacitances around 0.05 pF: {small:.3f} in farad, {plain:.3f} in picofarad, {(real * 1e-12).round(14).nunique()} different values")
check(abs(plain - (1 - ks_2samp(real * 1e-12, synthetic * 1e-12).statistic)) < 1e-9 and small - plain > 0.2, f"{small} and {plain}")

# Sequences go the same way.
keys = pd.Series(np.repeat(np.arange(100), 10))
pulses = [column(3.5, 0.5), column(4.45, 0.4)]
scores = [StatisticMSAS.compute((keys, pulses[0] * unit), (keys, pulses[1] * unit)) for unit in (1e-15, 1)]
print(f"StatisticMSAS of the pulses: {scores[0]:.3f} in seconds, {scores[1]:.3f} in femtoseconds")
check(scores[0] == 1 and scores[1] < 0.05, f"StatisticMSAS {scores}")
EOF
venv/bin/python check.py
