#!/usr/bin/env bash
# HeartPy: process_rr gives the measures of the first person the values of the second, and a cleaned one the mask of the person before.
#
# Expected: Each call of process_rr returns the measures of the intervals it was given, and they stay what they are. process, for
#   signals, does so.
# Happens: A list of measures of five persons with 50 to 90 beats a minute says 90 for all five, since it is one dictionary five times. A
#   call without calc_freq returns the LF/HF ratio of the person before. With clean_rr=True the intervals that were masked
#   in the recording before are left out: 20 missed beats of another person cost 20 good intervals, and SDNN changes. A first call
#   with clean_rr=True raises a KeyError, and only a later one works. Nothing is logged.
# Seen: heartpy 1.2.7, numpy 1.26.4, scipy 1.14.1, Python 3.11 on Debian 12, x86-64, in December 2026.
# Matters: A loop over persons or windows is the usual way to compare heart rates. Results that are kept until the end are all the last.
# Cause: process_rr has the default arguments measures={} and working_data={}, writes into them and returns them. process, for
#   signals, has None instead.
# Remedy: Pass measures={} and working_data={} in each call.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check heartpy==1.2.7 numpy==1.26.4 scipy==1.14.1 \
    matplotlib==3.10.9 "setuptools<80"

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
# Notes on short signals and deprecations.
warnings.simplefilter("ignore")
import heartpy
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("heartpy", "numpy")))
rng = np.random.default_rng(0)
RATES = (50, 60, 70, 80, 90)

def person(rate, size=0.03, beats=600):
    """Intervals between beats in milliseconds, which vary with 0.1 Hz."""
    time, intervals = 0.0, []
    for _ in range(beats):
        intervals.append(60 / rate * (1 + size * np.sin(2 * np.pi * 0.1 * time)) + rng.normal(scale=0.005))
        time += intervals[-1]
    return 1000 * np.array(intervals)

def by_hand(intervals):
    return 60000 / intervals.mean(), intervals.std()

persons = [person(rate) for rate in RATES]
results = [heartpy.process_rr(intervals)[1] for intervals in persons]
print("heart rates:", *(f"{measures['bpm']:.1f} (by hand {by_hand(intervals)[0]:.1f})" for measures, intervals in zip(results, persons)))
check(all(abs(measures["bpm"] - by_hand(persons[-1])[0]) < 1e-9 for measures in results), "the rates")
check(all(measures is results[0] for measures in results), "one dictionary")
fresh = [heartpy.process_rr(intervals, measures={}, working_data={})[1] for intervals in persons]
print("dictionaries are passed:", *(f"{measures['bpm']:.1f}" for measures in fresh))
check(all(abs(measures["bpm"] - by_hand(intervals)[0]) < 1e-9 for measures, intervals in zip(fresh, persons)), "the rates with dictionaries")

# The ratio of the person before.
_, measures = heartpy.process_rr(persons[0], calc_freq=True)
before = measures["lf/hf"]
_, measures = heartpy.process_rr(persons[1])
_, right = heartpy.process_rr(persons[1], calc_freq=True, measures={}, working_data={})
stale = measures.get("lf/hf", float("nan"))
print(f"without calc_freq: LF/HF {stale:.2f}, that of the person before is {before:.2f}, the own {right['lf/hf']:.2f}")
check(stale == before and abs(right["lf/hf"] / before - 1) > 0.05, f"LF/HF {stale}")

# Cleaning. The second person has no artefact, the first has twenty missed beats.
noisy, clean = person(60, beats=300), person(70, beats=300)
places = np.arange(10, 300, 14)[:20]
noisy[places] *= 2
def cleaned(intervals, **given):
    working, measures = heartpy.process_rr(intervals, threshold_rr=False, clean_rr=True, **given)
    return len(working["RR_list_cor"]), measures["sdnn"]
own = cleaned(clean, measures={}, working_data={"RR_masklist": [0] * len(clean)})
heartpy.process_rr(noisy, threshold_rr=True)
after = cleaned(clean)
print(f"a clean recording of {len(clean)} intervals: {own[0]} are used, SDNN {own[1]:.2f}, "
      f"after that of another person {after[0]}, SDNN {after[1]:.2f}")
check(own[0] == len(clean) and abs(own[1] - clean.std()) < 1e-9, f"cleaned alone: {own}")
check(after[0] <= len(clean) - 20 and abs(after[1] / own[1] - 1) > 0.001, f"cleaned after another: {after}")
try:
    cleaned(clean, measures={}, working_data={})
    check(False, "a first call with clean_rr works")
except KeyError as error:
    print("a first call with clean_rr raises KeyError:", error)
EOF
venv/bin/python check.py
