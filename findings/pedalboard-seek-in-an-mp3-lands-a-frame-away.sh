#!/usr/bin/env bash
# pedalboard: after a read, seek in an MP3 file lands up to two MP3 frames away, or a burst comes that is 20 times as loud as the recording.
#
# Expected: seek(n) and read() return the frames from n on, whatever was read before. The documentation says that future reads start
#   from this position. Of MP3 it says that the number of frames can be an estimate at first. WAV, FLAC and Ogg files behave.
# Happens: Up to 48 of 56 clips that are cut out of one open MP3 file are not what a read of the whole file has there. Most of them
#   are shifted by half an MP3 frame to two, which is 12 to 72 ms, early or late. Others start with up to 60 ms of something else,
#   with peaks of 7 to 22 in a recording whose peak is 0.5. tell() and the length of the clip are right. Files that soundfile
#   wrote are hit most, those of pedalboard itself less. If the file is opened anew for each clip, only those clips are wrong, and
#   one frame early, that begin where an MP3 frame begins, as all at multiples of 3 s do at 48 kHz.
# Seen: pedalboard 0.9.26, soundfile 0.14.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Corpora of speech and music are long MP3 files with a table of times, and clips are read by seek, as files are too long to
#   be decoded for each. The frames of an alignment are 10 ms, and an onset counts as found within 50 ms. A burst far above 1
#   sets the scale when clips are normalized, so that the words behind it become silence. No error and no warning is raised.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pedalboard==0.9.26 soundfile==0.14.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import soundfile
from pedalboard.io import AudioFile
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pedalboard", "soundfile")))
SECONDS = 30
# Clips of half a second, each once, in random order.
TIMES = np.random.default_rng(1).permutation(np.arange(1, SECONDS - 1, 0.5))

def write(name, writer, rate):
    """Words of 0.3 s made of noise, with pauses of 0.1 s that are not quite silent."""
    noise = np.random.default_rng(0).normal(0, 0.1, SECONDS * rate)
    loud = np.arange(len(noise)) / rate % 0.4 < 0.3
    sound = np.where(loud, noise, noise / 5).astype(np.float32)
    if writer == "soundfile":
        soundfile.write(name, sound, rate)
    else:
        with AudioFile(name, "w", rate, 1) as file:
            file.write(sound)

def verdict(clip, whole, at):
    """By how many samples the clip is shifted, and whether its start is something else."""
    end = slice(len(clip) // 2, None)
    for shift in sorted(range(-2304, 2305, 576), key=abs):
        part = whole[at + shift:at + shift + len(clip)]
        if np.abs(part[end] - clip[end]).max() < 0.02:
            return shift, bool(np.abs(part - clip).max() > 0.1)
    return "other", True

def clips(name, anew=False, order=1):
    """The clips from one open file, or from a file that is opened anew for each."""
    with AudioFile(name) as file:
        whole, rate = file.read(file.frames)[0], file.samplerate
    found, peak = {}, 0
    file = AudioFile(name)
    for time in TIMES[::order]:
        if anew:
            file.close()
            file = AudioFile(name)
        at = round(time * rate)
        file.seek(at)
        check(file.tell() == at, f"tell says {file.tell()} after seek({at})")
        clip = file.read(rate // 2)[0]
        check(len(clip) == rate // 2 and file.tell() == at + rate // 2, f"{len(clip)} frames read, tell {file.tell()}")
        found[at] = verdict(clip, whole, at)
        peak = max(peak, float(np.abs(clip).max()))
    file.close()
    return found, peak, float(np.abs(whole).max())

for name in ("a.wav", "a.flac", "a.ogg"):
    write(name, "soundfile", 16000)
    found, *_ = clips(name)
    check(set(found.values()) == {(0, False)}, f"clips of {name}: {found}")
    print(f"{name}: all {len(found)} clips are right")

peaks, kinds, bad = [], set(), {}
for writer in ("soundfile", "pedalboard"):
    for rate in (16000, 24000, 44100, 48000):
        write("a.mp3", writer, rate)
        frame = 1152 if rate > 24000 else 576
        found, peak, whole_peak = clips("a.mp3")
        check(whole_peak < 0.8, f"the whole file has a peak of {whole_peak}")
        shifted = [shift for shift, _ in found.values() if shift]
        broken = sum(start for _, start in found.values())
        bad[writer, rate] = sum(value != (0, False) for value in found.values())
        kinds |= {shift / frame for shift in shifted}
        peaks.append(peak)
        turned, *_ = clips("a.mp3", order=-1)
        anew, *_ = clips("a.mp3", anew=True)
        early = [at for at, value in anew.items() if value != (0, False)]
        print(f"{rate} Hz by {writer}: of {len(found)} clips {bad[writer, rate]} are wrong, {len(shifted)} shifted by {sorted(set(shifted))} and "
              f"{broken} with another start, peak {peak:.1f} of {whole_peak:.1f}; {sum(turned[at] != found[at] for at in found)} differ "
              f"in reverse order; {len(early)} are wrong if the file is opened anew")
        check(all(anew[at] == (-frame if at % frame == 0 else 0, False) for at in anew), f"opened anew: {anew}")
ours = [bad["soundfile", rate] for rate in (16000, 24000, 44100, 48000)]
check(min(ours) > 10 and max(ours) > 30, f"wrong clips of files by soundfile: {ours}")
check(bad["pedalboard", 16000] > 10, f"wrong clips of files by pedalboard: {bad}")
check({-1.0, 1.0} <= kinds, f"shifts in MP3 frames: {kinds}")
check(max(peaks) > 3, f"peaks of the clips: {peaks}")
EOF
venv/bin/python check.py
