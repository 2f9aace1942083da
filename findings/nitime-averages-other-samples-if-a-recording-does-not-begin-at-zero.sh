#!/usr/bin/env bash
# nitime: the event-triggered average of a recording that does not begin at time zero is that of other samples.
#
# Expected: A TimeSeries has a start t0, and Events have times. EventRelatedAnalyzer averages the samples around the times of the
#   events, those that index_at of the time axis finds. So moving the recording and its events by 10 s changes nothing. The options
#   correct_baseline and zscore change the result, or are refused.
# Happens: The times of the events are divided by the sampling interval, and t0 is not subtracted. With t0=23 the average response to a
#   stimulus is a flat line, and with t0=10 that to the other kind of stimulus. No error tells it, unless an
#   event lies past the end. ets, the standard error, is that of the same samples. With Events correct_baseline and zscore are
#   ignored. Events that are given as a second TimeSeries are averaged in the right places, with the baseline.
# Seen: nitime 0.12.1, numpy 2.4.6, scipy 1.17.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Recordings that were cut, or that carry the clock of the laboratory, begin at some time, and event times from a log are on the
#   same clock. The average has the right length, and its time axis says that it begins at the event.
# Cause: eta and ets of EventRelatedAnalyzer take events.time / sampling_interval as the index. Events made from time - t0 help.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check nitime==0.12.1 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np
from nitime.analysis import EventRelatedAnalyzer
from nitime.timeseries import Events, TimeSeries

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("nitime", "numpy", "scipy")))
RATE = 10
SECONDS = 300
RESPONSE = np.array([0.0, 1, 3, 4, 3, 1, 0, 0])
rng = np.random.default_rng(0)
# Stimuli every 10 s, of two kinds in turn. The second kind goes down. The first half of those that go up are analysed.
up, down = np.arange(5.0, 295, 20), np.arange(15.0, 295, 20)
signal = 100 + 0.01 * rng.normal(size=SECONDS * RATE)
for times, sign in ((up, 1), (down, -1)):
    for time in times:
        first = round(time * RATE)
        signal[first:first + len(RESPONSE)] += sign * RESPONSE
up = up[:7]

def same(a, b):
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=0, atol=0.02))

def by_hand(series, events):
    """The samples that the time axis of the series itself finds."""
    firsts = [int(np.ravel(series.time.index_at(time))[0]) for time in events.time]
    return np.mean([series.data[first:first + len(RESPONSE)] for first in firsts], axis=0)

def average(series, events, **options):
    analyzer = EventRelatedAnalyzer(series, events, len(RESPONSE), **options)
    return np.real(analyzer.eta.data), np.real(analyzer.ets.data), analyzer.eta.t0

seen = {}
for t0 in (0, 10, 23):
    series = TimeSeries(signal, sampling_interval=1 / RATE, t0=t0, time_unit="s")
    events = Events(up + t0, time_unit="s")
    check(str(series.time[0]) == f"{t0:.1f} s", f"start: {series.time[0]}")
    check(same(by_hand(series, events), 100 + RESPONSE), f"by hand, t0={t0}")
    eta, _, start = average(series, events)
    moved, _, _ = average(series, Events(up, time_unit="s"))
    check(str(start) == "0.0 s", f"start of the average: {start}")
    check(same(moved, 100 + RESPONSE), f"events from zero, t0={t0}: {moved}")
    seen[t0] = eta
    print(f"t0={t0}: {np.round(eta, 1)}, by the time axis {np.round(by_hand(series, events), 1)}")
check(same(seen[0], 100 + RESPONSE), "the recording from zero")
check(same(seen[10], 100 - RESPONSE), "t0=10 gives the response to the other stimulus")
check(same(seen[23], np.full(len(RESPONSE), 100)), "t0=23 gives a flat line")
# They are the samples that lie t0 later, for the standard error too.
firsts = np.round((up + 10) * RATE).astype(int)
wrong = np.array([signal[first:first + len(RESPONSE)] for first in firsts])
eta, ets, _ = average(TimeSeries(signal, sampling_interval=1 / RATE, t0=10, time_unit="s"), Events(up + 10, time_unit="s"))
check(np.allclose(eta, wrong.mean(axis=0)), "t0=10 takes the samples t0 later")
check(np.allclose(ets, wrong.std(axis=0, ddof=1) / np.sqrt(len(up))), "so does the standard error")

# The same stimuli as a second series, with 1 where there is one.
marks = np.zeros(len(signal))
marks[np.round(up * RATE).astype(int)] = 1
series = TimeSeries(signal, sampling_interval=1 / RATE, t0=23, time_unit="s")
marked = TimeSeries(marks, sampling_interval=1 / RATE, t0=23, time_unit="s")
plain, based = average(series, marked)[0], average(series, marked, correct_baseline=True)[0]
print("events as a series, t0=23:", np.round(plain, 1), "and less the baseline:", np.round(based, 1))
check(same(plain, 100 + RESPONSE) and same(based, RESPONSE), "events as a series")

series = TimeSeries(signal, sampling_interval=1 / RATE, time_unit="s")
events = Events(up, time_unit="s")
based = average(series, events, correct_baseline=True)[0]
scored = average(series, events, zscore=True)[0]
print("events by their times, t0=0, correct_baseline:", np.round(based, 1), "zscore:", np.round(scored, 1))
check(np.array_equal(based, seen[0]), f"correct_baseline with Events: {based}")
check(np.array_equal(scored, seen[0]), f"zscore with Events: {scored}")
PY
venv/bin/python check.py
