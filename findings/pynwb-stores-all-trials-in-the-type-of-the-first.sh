#!/usr/bin/env bash
# pynwb: a column whose first value is 1 or 0 is stored as integers, so the contrasts 1, 0.5 and 0.25 become 1, 0 and 0.
#
# Expected: A column of trials, or the data of a time series, is stored in a type that holds all its values, as NumPy and pandas
#   would choose it, or is refused. For columns whose type the NWB format fixes, pynwb warns when it converts them.
# Happens: For a list pynwb takes the type of its first element. [1, 0.5, 0.25] is stored as integers 1, 0, 0, [0, 0.41] as 0, 0,
#   and the choices [False, 2, 1] as False, True, True. So are ragged columns, positions, columns of units and the data of
#   TimeSeries. Before it is written the table has the right values. Nothing is said, and validate finds no error. When trials
#   are appended to a file, they are cut to the type of the column in it.
# Seen: pynwb 4.2.0, hdmf 6.2.0 and h5py 3.16.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: NWB is the format of shared recordings of neurons, and trials are added in a loop from logs or JSON, which write 1.0
#   as 1 and a missed response as 0. Whether a session keeps its contrasts and reaction times depends on its first trial, so some
#   sessions are right and others are all zero. The table in memory, which one looks at, is right.
# Cause: get_type in h5tools.py of hdmf calls itself with data[0]. Remedy: pass NumPy arrays, or write float(...) for each value.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pynwb==4.2.0 hdmf==6.2.0 h5py==3.16.0 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
from datetime import datetime, timezone
import numpy as np
from pynwb import NWBFile, NWBHDF5IO, TimeSeries, validate
from pynwb.behavior import SpatialSeries
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

def plain(values):
    return [plain(v) if np.ndim(v) else v.item() if hasattr(v, "item") else v for v in values]

def session(trials, licks):
    """A file with these columns of trials, in memory."""
    nwb = NWBFile(session_description="a session", identifier="1", session_start_time=datetime(2026, 1, 1, tzinfo=timezone.utc))
    for name in trials:
        nwb.add_trial_column(name=name, description=name)
    nwb.add_trial_column(name="licks", description="licks", index=True)
    for i, values in enumerate(zip(*trials.values())):
        nwb.add_trial(start_time=float(i), stop_time=i + 0.5, licks=licks[i], **dict(zip(trials, values)))
    return nwb

def stored(nwb):
    with NWBHDF5IO("session.nwb", "w") as io:
        io.write(nwb)
    errors = validate(path="session.nwb")
    check(not errors, f"validate finds {errors}")

def trials():
    with NWBHDF5IO("session.nwb", "r") as io:
        table = io.read().trials.to_dataframe()
        return {name: plain(table[name]) for name in table if not name.endswith("_time")}

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pynwb", "hdmf", "h5py")))
data = {"contrast": [1, 0.5, 0.25], "reaction": [0, 0.412, 0.9], "choice": [False, 2, 1]}
licks = [[0, 1], [0.5], [0.7, 0.1]]
wrong = {"contrast": [1, 0, 0], "reaction": [0, 0, 0], "choice": [False, True, True], "licks": [[0, 1], [0], [0, 0]]}

nwb = session(data, licks)
samples = [0, 0.5, 0.75]
path = [[0, 0], [0.5, 0.25]]
nwb.add_acquisition(TimeSeries(name="sensor", description="volts", data=samples, unit="V", rate=10.0))
nwb.add_acquisition(TimeSeries(name="array", description="volts", data=np.array(samples), unit="V", rate=10.0))
nwb.add_acquisition(SpatialSeries(name="path", description="path", data=path, reference_frame="the corner", rate=10.0))
nwb.add_unit_column(name="depth", description="depth")
for depth in (0, 12.5):
    nwb.add_unit(spike_times=[0.0, 0.5], depth=depth)
table = nwb.trials.to_dataframe()
for name in data:
    check(plain(table[name]) == data[name], f"{name} in memory is {plain(table[name])}")
check(plain(table["licks"]) == licks, f"licks in memory are {plain(table['licks'])}")
stored(nwb)
found = trials()
for name, values in {**data, "licks": licks}.items():
    print(f"{name}: given {values}, read {found[name]}")
    check(found[name] == wrong[name], f"{name} is read as {found[name]}")
    check(list(map(type, found[name])) == list(map(type, wrong[name])), f"the type of {name} is another one")
with NWBHDF5IO("session.nwb", "r") as io:
    nwb = io.read()
    for name, given, expected in [("sensor", samples, [0, 0, 0]), ("path", path, [[0, 0], [0, 0]]), ("array", samples, samples)]:
        values = plain(nwb.acquisition[name].data[:])
        print(f"{name}: given {given}, read {values}")
        check(values == expected, f"{name} is read as {values}")
    values = plain(nwb.units["depth"].data[:])
    print(f"depth of units: given [0, 12.5], read {values}")
    check(values == [0, 12], f"depth is read as {values}")

# The other way round all is well.
order = [1, 0, 2]
right = {name: [data[name][i] for i in order] for name in ("contrast", "reaction")}
stored(session(right, [licks[i] for i in order]))
found = trials()
print("another first trial:", {name: found[name] for name in right})
check(all(found[name] == right[name] for name in right), f"another first trial: {found}")

# A session whose first trials had full contrast, and two more that are appended later.
stored(session({"contrast": [1, 1]}, [[1.0], [1.0]]))
with NWBHDF5IO("session.nwb", "r+") as io:
    nwb = io.read()
    for i, contrast in enumerate([0.5, 0.25]):
        nwb.trials.add_row(start_time=2.0 + i, stop_time=2.5 + i, contrast=contrast, licks=[1.0])
    io.write(nwb)
contrast = trials()["contrast"]
print("appended to [1, 1]: given [0.5, 0.25], read", contrast[2:])
check(contrast == [1, 1, 0, 0], f"after appending the contrasts are {contrast}")
EOF
venv/bin/python check.py
