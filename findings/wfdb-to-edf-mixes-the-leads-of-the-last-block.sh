#!/usr/bin/env bash
# wfdb: wfdb_to_edf puts the end of a recording, or all of a short one, into the places of other leads and at other times.
#
# Expected: The EDF file holds each sample of each lead where it was, and some filling after the end, since EDF stores blocks of equal
#   length. The comment in the source says that it rounds up the number of blocks so as not to lose any frames.
# Happens: A block of EDF holds all samples of the first lead, then all of the second, and so on. In the last block wfdb writes what is
#   left of each lead one after the other and fills up only at the end of the block. So the second lead begins in the place of the
#   first, the third in that of the second, and the last leads are filling, -32768, which may lie outside of the range that the header
#   states. A block has 10 s, or 1 s where 10 s are more than 61,440 bytes. When nothing is left over, a whole block of filling follows.
# Seen: wfdb 4.3.1, read by pyEDFlib 0.1.42, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A recording of 8 s with three leads has no block but the last. Its second lead is 2 s early and goes on with the third, which
#   is 4 s early and ends half-way. Of half an hour with two leads the last five seconds of the second are wrong, and a recording of
#   just 10 s becomes one of 20. The number of leads, their names, units and rates are right, and all of them look like ECG.
# Remedy: Convert with pyEDFlib, or cut the recording to whole blocks with sampto and drop the last block.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check wfdb==4.3.1 pyEDFlib==0.1.42 numpy==2.4.6 pandas==3.1.1

cat > check.py <<'EOF'
import contextlib
import importlib.metadata
import io
import sys
import warnings
import numpy as np
import pyedflib
import wfdb
from wfdb.io.convert.edf import wfdb_to_edf
warnings.simplefilter("error")
# wfdb calls pandas in an old way and leaves a file open.
warnings.filterwarnings("ignore", message="The inplace keyword")
warnings.simplefilter("ignore", ResourceWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("wfdb", "pyEDFlib")))
LEAD = 2500  # Sample i of lead k is the number 2500 k + i mod 2500, so that one sees where it comes from.
FILL = -32768

def convert(leads, rate, length):
    """Samples of a record by lead, before and after the conversion."""
    before = np.array([LEAD * k + np.arange(length) % LEAD for k in range(leads)])
    wfdb.wrsamp("ecg", fs=rate, units=["mV"] * leads, sig_name=[f"lead {k}" for k in range(leads)], d_signal=before.T,
                fmt=["16"] * leads, adc_gain=[200.0] * leads, baseline=[0] * leads)
    check(np.array_equal(wfdb.rdrecord("ecg", physical=False).d_signal, before.T), "the record is not what was written")
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        wfdb_to_edf("ecg")
    check("warn" not in text.getvalue().lower() and "error" not in text.getvalue().lower(), text.getvalue())
    with pyedflib.EdfReader("ecg.edf") as file:
        check(file.getSignalLabels() == [f"lead {k}" for k in range(leads)], "the names of the leads")
        check([round(f) for f in file.getSampleFrequencies()] == [rate] * leads, "the rates")
        check([file.getPhysicalDimension(k) for k in range(leads)] == ["mV"] * leads, "the units")
        after = np.array([file.readSignal(k, digital=True) for k in range(leads)])
    return before, after

for leads, rate, length, block, wanted in [
    (3, 500, 4000, 5000, [(4000, 0, 0, 0), (0, 3000, 1000, 0), (0, 2000, 0, 2000)]),
    (12, 500, 4900, 500, None),
    (2, 360, 650000, 3600, [(650000, 0, 0, 0), (648000, 400, 0, 1600)]),
    (3, 500, 5000, 5000, [(5000, 0, 0, 0)] * 3),
]:
    before, after = convert(leads, rate, length)
    print(f"{leads} leads, {length / rate:g} s of {rate} Hz: {after.shape[1] / rate:g} s in the EDF file")
    whole = length // block * block
    check(after.shape[1] == whole + block, f"{after.shape[1]} samples in the EDF file")
    check(np.array_equal(after[:, :whole], before[:, :whole]), "the blocks before the last")
    # The last block is the rest of each lead, one after the other, and then filling.
    rest = before[:, whole:].ravel()
    rest = np.concatenate([rest, np.full(leads * block - len(rest), FILL)])
    check(np.array_equal(after[:, whole:].ravel(), rest), "the last block is laid out otherwise")
    counts = []
    for k in range(leads):
        got = after[k, :length]
        right = got == before[k]
        fill = got == FILL
        other = ~fill & (got // LEAD != k)
        counts.append(tuple(int(n) for n in (right.sum(), (~right & ~fill & ~other).sum(), other.sum(), fill.sum())))
        if k in (0, 1, leads - 1):
            print("  lead {}: {} samples right, {} at another time, {} of another lead, {} filling".format(k, *counts[-1]))
    if wanted:
        check(counts == wanted, f"samples by lead {counts}")
    else:
        check(all(sum(c[1:]) == length - whole for c in counts[1:]), f"samples by lead {counts}")
    check((after[:, length:] == before[:, :1]).sum() == 0, "filling")
EOF
venv/bin/python check.py
