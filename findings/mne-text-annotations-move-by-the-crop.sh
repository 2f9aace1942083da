#!/usr/bin/env bash
# MNE: annotations that are saved as text and read again lie elsewhere if the recording is cropped and began at a whole second.
#
# Expected: Annotations that are saved, read and set on the same recording are where they were, as with .fif and .csv, and as with .txt
#   for a recording that began at 10:00:00.5.
# Happens: The text file holds the time of the recording, "# orig_time : 2026-03-01 10:00:00", but the reader takes it only if it has
#   six decimals. Python writes none for a whole second. Then orig_time is None, the onsets count from the first sample that is left,
#   and all annotations are late by what was cropped off. Only those that move past the end are dropped with a warning. The uncropped
#   recording hides it. After anonymize every recording begins at a whole second.
# Cause: A pattern for dates in the reader demands the decimals. Files of .csv had a like fault, which was reported and mended.
# Seen: MNE 1.13.2, edfio 0.4.18, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The header of an EDF file has whole seconds only, so this is the case for most EEG of sleep and of epilepsy. To crop,
#   mark the bad parts, save them as text and load them in the next stage excludes good data and keeps the artefacts, and seizures are
#   labelled where there are none. The number of annotations, their lengths and their names are right.
# Remedy: Save as .fif, or set orig_time of what was read: mne.Annotations(a.onset, a.duration, a.description, raw.info["meas_date"]).
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check mne==1.13.2 edfio==0.4.18 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import datetime
import importlib.metadata
import pathlib
import sys
import warnings
import edfio
import mne
import numpy as np
mne.set_log_level("WARNING")
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("mne", "edfio")))
RATE, CROP = 100, 60.0
ARTEFACTS = [(70.0, 2.0), (90.0, 4.0), (160.0, 3.0)]

# Five minutes of one channel, whose artefacts are 200 microvolts high.
signal = np.zeros(300 * RATE)
for onset, duration in ARTEFACTS:
    signal[int(onset * RATE):int((onset + duration) * RATE)] = 200
channel = edfio.EdfSignal(signal, RATE, label="EEG", physical_dimension="uV", physical_range=(-500, 500))
edfio.Edf([channel], recording=edfio.Recording(startdate=datetime.date(2026, 3, 1)), starttime=datetime.time(10)).write("night.edf")

def load(start=None, anonymize=False, crop=True):
    raw = mne.io.read_raw_edf("night.edf", preload=True)
    check(raw.info["meas_date"] == datetime.datetime(2026, 3, 1, 10, tzinfo=datetime.timezone.utc), "the date of the EDF file")
    if start:
        raw.set_meas_date(start)
    if anonymize:
        raw.anonymize()
    if crop:
        raw.crop(tmin=CROP)
    return raw

def covered(raw, annotations):
    """The share of the artefacts that lies in the annotations."""
    raw = raw.copy().set_annotations(annotations)
    check(len(raw.annotations) == len(ARTEFACTS), f"{len(raw.annotations)} annotations are left")
    high = raw.get_data()[0] > 100e-6
    kept = raw.get_data(reject_by_annotation="NaN")[0]
    return (np.isnan(kept) & high).sum() / high.sum()

half = datetime.datetime(2026, 3, 1, 10, 0, 0, 500000, tzinfo=datetime.timezone.utc)
for what, options, text in [
    ("began at 10:00:00", dict(), 0.0),
    ("began at 10:00:00, not cropped", dict(crop=False), 1.0),
    ("began at 10:00:00.5", dict(start=half), 1.0),
    ("began at 10:00:00.5, anonymized", dict(start=half, anonymize=True), 0.0),
]:
    raw = load(**options)
    start = raw.info["meas_date"]
    raw.set_annotations(mne.Annotations(*zip(*ARTEFACTS), "BAD", orig_time=start))
    check(covered(raw, raw.annotations) == 1, "the annotations are not where they were set")
    print(what)
    for suffix, wanted in [("fif", 1.0), ("csv", 1.0), ("txt", text)]:
        name = f"bad-annot.{suffix}"
        raw.annotations.save(name, overwrite=True)
        read = mne.read_annotations(name)
        check(len(read) == len(ARTEFACTS) and set(read.description) == {"BAD"}, f"{suffix}: {read}")
        found = covered(load(**options), read)
        print(f"  .{suffix}: orig_time {read.orig_time}, {found:.0%} of the artefacts are marked")
        check(found == wanted, f"{what}, .{suffix}: {found:.0%} are marked")
        check((read.orig_time is None) == (suffix == "txt" and start.microsecond == 0), f".{suffix}: orig_time {read.orig_time}")
    if not text:
        line = pathlib.Path(name).read_text().splitlines()[1]
        check(line == f"# orig_time : {start:%Y-%m-%d %H:%M:%S}", f"the file says {line}")
        late = load(**options).set_annotations(read).annotations.onset - raw.annotations.onset
        check(np.allclose(late, CROP), f"they are late by {late}")
        mended = mne.Annotations(read.onset, read.duration, read.description, start)
        check(covered(load(**options), mended) == 1, "the remedy does not help")
        print(f"  the file says '{line}', its annotations are late by {late[0]:g} s")
EOF
venv/bin/python check.py
