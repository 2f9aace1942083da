#!/usr/bin/env bash
# ObsPy: STA/LTA reports an event at a gap, and integrate, resample and simulate take the gap for samples of -2147483648.
#
# Expected: merge joins the parts of a recording and masks the gap between them. filter, detrend, decimate and interpolate refuse a
#   trace with masked samples and say so. The others refuse it too, or leave out the gap, as the maximum and the mean do.
# Happens: integrate, resample, simulate and trigger drop the mask and compute with what lies under it. For integers, as digitizers
#   record them, that is -2147483648. If a velocity of 1000 counts with a gap of five seconds is integrated, all samples after it are
#   off by 10.7 billion with splines, and by 21 million with the default method, or by nothing if the signs of the samples around
#   the gap differ. After resample the samples far from the gap are off by many times the signal. The ratio of STA/LTA is as high as
#   its windows allow, for a signal that never changes.
#   With floating-point samples the values under the mask are NaN, which shows.
# Seen: obspy 1.5.1, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: All long recordings have gaps, and read followed by merge is the usual first step. A picker or a training set that is
#   triggered by STA/LTA has an event at each gap, and displacements and resampled waveforms keep the gap as a step or a ring. The
#   result is not masked, has no NaN and the right length. To split() the stream before, or to merge with a fill_value, helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check obspy==1.5.1 numpy==2.4.6 scipy==1.17.1 'setuptools<81'

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import obspy
from obspy import Stream, Trace, UTCDateTime
from obspy.signal.trigger import trigger_onset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("obspy", "numpy")))
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)

# A steady hum of 1 Hz that lasts 60 s, with a gap from 25 s to 30 s.
start, rate = UTCDateTime(2020, 1, 1), 100
hum = (1000 * np.sin(2 * np.pi * np.arange(60 * rate) / rate + 1)).astype(np.int32)
whole = Stream([Trace(hum, {"sampling_rate": rate, "starttime": start, "station": "A", "channel": "HHZ"})])
whole.write("whole.mseed", "MSEED")
Stream([whole[0].slice(start, start + 25 - 1 / rate), whole[0].slice(start + 30)]).write("gap.mseed", "MSEED")
whole = obspy.read("whole.mseed").merge()
gap = obspy.read("gap.mseed").merge()
mask = np.ma.getmaskarray(gap[0].data)
check(len(gap) == 1 and gap[0].data.dtype == np.int32 and mask.sum() == 5 * rate, "merge")
check(np.ma.getmaskarray(whole[0].data).sum() == 0 and abs(gap[0].data.mean()) < 1 and abs(gap[0].max()) < 1001, "the streams")

paz = {"poles": [-0.037 + 0.037j, -0.037 - 0.037j], "zeros": [0j, 0j], "gain": 1.0, "sensitivity": 1.0}
steps = {
    "filter": lambda s: s.filter("lowpass", freq=5),
    "detrend": lambda s: s.detrend("demean"),
    "decimate": lambda s: s.decimate(2),
    "interpolate": lambda s: s.interpolate(50),
    "integrate": lambda s: s.integrate(),
    "integrate by splines": lambda s: s.integrate(method="spline"),
    "resample": lambda s: s.resample(50),
    "simulate": lambda s: s.simulate(paz_remove=paz),
    "STA/LTA": lambda s: s.trigger("classicstalta", sta=0.5, lta=5),
    "recursive STA/LTA": lambda s: s.trigger("recstalta", sta=0.5, lta=5),
}
REFUSE = ("filter", "detrend", "decimate", "interpolate")
for name, step in steps.items():
    right = step(whole.copy())[0]
    try:
        found = step(gap.copy())[0]
    except NotImplementedError as error:
        print(f"{name}: refused, {str(error).split('.')[0]}")
        check(name in REFUSE and "masked" in str(error), f"{name} refuses: {error}")
        continue
    check(name not in REFUSE, f"{name} does not refuse a gap")
    check(not np.ma.isMaskedArray(found.data) and np.isfinite(found.data).all(), f"{name}: masked or not finite")
    check(len(found.data) == len(right.data), f"{name}: {len(found.data)} samples")
    after = slice(len(found.data) * 35 // 60, len(found.data) * 55 // 60)
    usual, unusual = np.abs(right.data[after]).max(), np.abs(found.data[after]).max()
    print(f"{name}: without a gap at most {np.abs(right.data).max():.4g}; with it {np.abs(found.data).max():.4g}, from 35 s to 55 s {unusual:.4g} in place of {usual:.4g}")
    if "STA" in name:
        events = [trigger_onset(trace.data, 3, 1) for trace in (right, found)]
        times = [round(float(on) / rate, 2) for on, _ in events[1]]
        print("    events above a ratio of 3, without a gap:", len(events[0]), "- with it, at seconds:", *times)
        check(len(events[0]) == 0 and len(times) == 1 and 24.9 <= times[0] <= 30, f"{name}: events {events}")
        check(np.abs(right.data).max() < 2.5 and np.abs(found.data).max() > 9, f"{name}: ratios")
    else:
        check(unusual > 20 * usual, f"{name}: {unusual} in place of {usual}")
        check(np.abs(found.data).max() > 1e7, f"{name}: at most {np.abs(found.data).max()}")

parts = gap.split()
check(len(parts) == 2 and np.abs(parts.integrate()[1].data).max() < 400, "integrate after split")
EOF
venv/bin/python check.py
