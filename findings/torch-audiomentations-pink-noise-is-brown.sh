#!/usr/bin/env bash
# torch-audiomentations: pink noise falls by 6 decibels for each octave, as brown noise does, brown noise by 12, and both repeat each second.
#
# Expected: f_decay of AddColoredNoise is the decay of the power, which falls as 1 / f**f_decay: 0 is white, 1 pink, 2 brown, -1 blue
#   and -2 violet noise, as its documentation says. So pink noise falls by 3 decibels for each octave and brown noise by 6.
# Happens: Above 500 Hz the power falls as 1 / f**(2 * f_decay), nearly: pink noise by 5.7 decibels for each octave and brown noise by
#   11.4, and blue and violet noise rise as steeply. Below 60 Hz pink and brown noise fall by less than they should. White noise is
#   right, and so is the signal-to-noise ratio. AddColorNoise of audiomentations is right for pink and blue noise. All noise has a
#   period of one second, white noise too, so that in a clip of four seconds each value occurs four times.
# Seen: torch-audiomentations 0.12.0, audiomentations 0.43.1, torch 2.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Models for speech are trained with pink noise, since it resembles that of rooms. Pink noise of this library is 8 decibels
#   weaker at 4 kHz, where consonants are, than it should be against that at 500 Hz, so that the model is trained for another noise.
#   One that sees more than a second can learn the period in place of the sounds.
# Cause: _gen_noise divides the amplitudes, not the power, by linspace(1, sqrt(sample_rate / 2))**f_decay. This grows with the frequency
#   itself, not with its square root. The noise of one second is then repeated.
# Remedy: Half the f_decay for pink noise, near enough above 500 Hz.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check torch-audiomentations==0.12.0 audiomentations==0.43.1 torch==2.9.1 torchaudio==2.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import torch
import audiomentations
from torch_audiomentations import AddColoredNoise

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("torch-audiomentations", "audiomentations", "torch")))
torch.manual_seed(0)
np.random.seed(0)
RATE, SECONDS, CLIPS = 16000, 4, 16
tone = np.sin(2 * np.pi * 1000 * np.arange(RATE * SECONDS) / RATE).astype(np.float32)

def of_torch(decay):
    add = AddColoredNoise(min_snr_in_db=0, max_snr_in_db=0, min_f_decay=decay, max_f_decay=decay, p=1.0, output_type="dict")
    clips = torch.from_numpy(tone).expand(CLIPS, 1, -1).clone()
    return add(samples=clips, sample_rate=RATE)["samples"].numpy()[:, 0] - tone

def of_audiomentations(decay):
    # In decibels for each octave.
    slope = -10 * np.log10(2) * decay
    add = audiomentations.AddColorNoise(min_snr_db=0, max_snr_db=0, min_f_decay=slope, max_f_decay=slope, p=1.0)
    return np.array([add(tone.copy(), RATE) - tone for _ in range(CLIPS)])

def by_hand(decay):
    """White noise whose power is divided by f**decay."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=(CLIPS, tone.size)))
    spectrum[:, 1:] /= np.arange(1, spectrum.shape[1]) ** (decay / 2)
    spectrum[:, 0] = 0
    noise = np.fft.irfft(spectrum)
    return noise / noise.std() * tone.std()

def slope(noise, low, high):
    """Decibels for each octave between two frequencies, from pieces of one second."""
    power = (abs(np.fft.rfft(noise.reshape(-1, RATE) * np.hanning(RATE))) ** 2).mean(axis=0)
    octaves = np.geomspace(low, high, 13)
    bands = [power[int(a):int(b)].mean() for a, b in zip(octaves, octaves[1:])]
    return float(np.polyfit(np.log2(np.sqrt(octaves[1:] * octaves[:-1])), 10 * np.log10(bands), 1)[0])

def repeats(noise):
    return float(abs(noise[:, :RATE] - noise[:, RATE:2 * RATE]).max()) < 1e-5

for name, decay, wanted in [
    ("white", 0, 0),
    ("pink", 1, -5.7),
    ("brown", 2, -11.4),
    ("blue", -1, 5.7),
    ("violet", -2, 11.4),
    ("f_decay=0.5", 0.5, -2.8),
]:
    right = -10 * np.log10(2) * decay
    noise, other, hand = of_torch(decay), of_audiomentations(decay), by_hand(decay)
    high, low = slope(noise, 500, 7500), slope(noise, 20, 60)
    print(f"{name}: {high:.1f} decibels for each octave above 500 Hz and {low:.1f} below 60 Hz, should be {right:.1f}, "
          f"by hand {slope(hand, 500, 7500):.1f}, audiomentations {slope(other, 500, 7500):.1f}")
    check(abs(slope(hand, 500, 7500) - right) < 0.3, f"{name} by hand: {slope(hand, 500, 7500)}")
    if abs(decay) <= 1:
        check(abs(slope(other, 500, 7500) - right) < 0.6, f"{name} of audiomentations: {slope(other, 500, 7500)}")
    check(abs(high - wanted) < 0.4, f"{name}: {high}")
    if decay in (1, 2):
        check(low > right + 0.5, f"{name} below 60 Hz: {low}")
    check(abs(noise.std() / tone.std() - 1) < 0.02, f"{name}: signal-to-noise ratio {noise.std() / tone.std()}")
    check(repeats(noise), f"{name}: no period")
    check(not repeats(other) and not repeats(hand), f"{name}: period of the others")
print("Each clip repeats its noise after one second.")
EOF
venv/bin/python check.py
