#!/usr/bin/env bash
# wfdb: of an EDF file with several sampling rates read_edf returns the fast channels in steps of the converter, as microvolts.
#
# Expected: p_signal holds physical values in the units of the record, as it does for files with one rate. The documentation says that
#   read_edf handles channels of several rates properly. It averages them down to the lowest rate.
# Happens: Only the channels of the lowest rate are in physical units. In all others the converter's numbers are averaged and the
#   baseline divided by the gain is taken off, so a gain of 32.8 steps per microvolt makes an EEG 32.8 times too large, and a body
#   temperature of 37.5 degrees is 378. units says uV and degC for all of them, adc_gain is filled in as for a converted signal, and
#   d_signal is None. The docstring says of the record that it gives the digital signal for now, which holds for no file with one rate.
# Cause: In the source the division by the gain has slipped into the bracket: x - baseline / gain in place of (x - baseline) / gain.
# Seen: wfdb 4.3.1, files of pyEDFlib 0.1.42, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Recordings of sleep have an EEG of 100 Hz or more beside slow channels, and EDF was made for them. Features of one file are
#   in two kinds of units, and files of recorders with other gains differ by their gains. Dropping the slow channel from the file
#   changes the numbers of the fast one. wfdb has no other reader of EDF signals.
# Remedy: Read with pyEDFlib, MNE or edfio.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check wfdb==4.3.1 pyEDFlib==0.1.42 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pyedflib
from wfdb.io.convert.edf import read_edf
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("wfdb", "pyEDFlib")))
SECONDS = 60
second = np.arange(SECONDS)

# Each channel has one value for a second, so that an average over a second changes nothing.
eeg = 100 * np.sin(second / 3)
temperature = 37.5 + 0.3 * np.cos(second / 5)
pulse = 60 + 5 * np.cos(second / 7)
CHANNELS = {
    "EEG": ("uV", (-1000, 1000), (-32768, 32767), eeg),
    "EEG of 12 bits": ("uV", (-200, 200), (-2048, 2047), eeg),
    "temperature": ("degC", (34, 40), (-2048, 2047), temperature),
    "pulse": ("bpm", (0, 250), (-2048, 2047), pulse),
}

def read(rates):
    """For each channel of a file: its values by pyEDFlib, and by read_edf."""
    with pyedflib.EdfWriter("psg.edf", len(rates), file_type=pyedflib.FILETYPE_EDF) as file:
        headers, samples = [], []
        for name, rate in rates.items():
            unit, physical, digital, values = CHANNELS[name]
            headers.append(dict(label=name, dimension=unit, sample_frequency=rate, physical_min=physical[0], physical_max=physical[1],
                                digital_min=digital[0], digital_max=digital[1], transducer="", prefilter=""))
            samples.append(np.repeat(values, rate))
        file.setSignalHeaders(headers)
        file.writeSamples(samples)
    with pyedflib.EdfReader("psg.edf") as file:
        right = {name: file.readSignal(i)[::rate] for i, (name, rate) in enumerate(rates.items())}
    record = read_edf("psg.edf")
    check(record.sig_name == list(rates) and record.units == [CHANNELS[name][0] for name in rates], "names or units")
    check(record.d_signal is None, "read_edf returns a digital signal")
    found = {name: record.p_signal[::record.fs, i] for i, name in enumerate(rates)}
    found["gain"], found["baseline"] = dict(zip(rates, record.adc_gain)), dict(zip(rates, record.baseline))
    return right, found

for rates in [
    {"EEG": 100, "EEG of 12 bits": 100, "temperature": 100},
    {"EEG": 100, "EEG of 12 bits": 100, "temperature": 100, "pulse": 1},
    {"EEG": 200, "EEG of 12 bits": 100, "temperature": 1},
]:
    right, found = read(rates)
    print("rates", rates)
    slowest, one_rate = min(rates.values()), len(set(rates.values())) == 1
    for name, rate in rates.items():
        gain, baseline = found["gain"][name], found["baseline"][name]
        step = 1 / gain
        check(np.abs(right[name] - CHANNELS[name][3]).max() < step, f"pyEDFlib reads {name} wrong")
        print(f"  {name}: at 5 s {right[name][5]:.2f} by pyEDFlib, {found[name][5]:.2f} by read_edf, gain {gain:.1f}")
        if one_rate or rate == slowest:
            check(np.abs(found[name] - right[name]).max() < 2 * step, f"{name} at {rate} Hz is {found[name][:3]}")
        else:
            # The numbers of the converter, less the baseline divided by the gain.
            wanted = right[name] * gain + baseline - baseline / gain
            check(np.abs(found[name] - wanted).max() < 2, f"{name} at {rate} Hz is {found[name][:3]}, not {wanted[:3]}")
            check(np.abs(found[name]).max() > 5 * np.abs(right[name]).max(), f"{name} is about right: {found[name][:3]}")
EOF
venv/bin/python check.py
