#!/usr/bin/env bash
# muspy: a tune that rests on every second beat has an empty-beat rate of 0.03 in place of 0.5, and two voices have a polyphony rate of 0.
#
# Expected: empty_beat_rate and empty_measure_rate are the share of the beats and measures in which no note is played, and
#   polyphony_rate is the share of the time steps where multiple pitches are on, as the documentation says.
# Happens: A note that ends where the next beat begins is counted for that beat too, and a piece that ends at a bar line has one more
#   beat and measure. So a tune with a rest on every second beat has 1 empty beat of 33. Notes that are one of 24 ticks shorter give
#   the right 0.5. With every second measure silent the rate is 0.11 in place of 0.5. The polyphony rate counts from three pitches
#   on: two voices throughout have a polyphony of 2.0 and a rate of 0. The pitch range of a piece for drums is -127 in place of 0.
# Seen: muspy 0.5.0, pypianoroll 1.0.4, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: These are the numbers by which generated music is compared with real music. Notes from a score or a grid of ticks fill their
#   beats, and played ones do not, so the rate tells how the notes were written down. Pypianoroll, to which the documentation
#   refers for this metric, says 0.5.
# Cause: The range of beats of a note ends at note.end // resolution, inclusive, and the number of beats is length // resolution + 1.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check muspy==0.5.0 pypianoroll==1.0.4 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import muspy
import pypianoroll
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("muspy", "pypianoroll")))
BEAT, BAR = 24, 96

def piece(*voices, is_drum=False):
    """Voices of notes, each with its first tick and its length."""
    tracks = [muspy.Track(is_drum=is_drum, notes=[muspy.Note(time, 60 + 12 * i, length) for time, length in voice]) for i, voice in enumerate(voices)]
    return muspy.Music(resolution=BEAT, tracks=tracks)

def empty(music, size):
    """The share of beats or measures that no note sounds in, up to the one with the last tick that sounds."""
    sounding = {tick // size for track in music.tracks for note in track.notes for tick in range(note.time, note.time + note.duration)}
    return 1 - len(sounding) / (max(sounding) + 1)

def by_pypianoroll(music):
    (track,) = music.to_pypianoroll().tracks
    return float(pypianoroll.empty_beat_rate(track.pianoroll, BEAT))

# Eight bars: a rest, a note, a rest, a note.
full = piece([(beat * BEAT, BEAT) for beat in range(1, 32, 2)])
short = piece([(beat * BEAT, BEAT - 1) for beat in range(1, 32, 2)])
for what, music, wanted in [("notes of a beat", full, 1 / 33), ("notes of a beat less one tick", short, 0.5)]:
    found = muspy.empty_beat_rate(music)
    print(f"a rest on every second beat, {what}: empty-beat rate by muspy {found:.3f}, by counting {empty(music, BEAT):.3f}")
    check(abs(found - wanted) < 1e-9, f"{what}: {found}")
    check(empty(music, BEAT) == 0.5, f"{what}: {empty(music, BEAT)} by counting")
print(f"  notes of a beat by pypianoroll {by_pypianoroll(full):.3f}")
check(by_pypianoroll(full) == 0.5, f"pypianoroll: {by_pypianoroll(full)}")

full = piece([(bar * BAR + beat * BEAT, BEAT) for bar in (1, 3, 5, 7) for beat in range(4)])
short = piece([(bar * BAR + beat * BEAT, BEAT - 1) for bar in (1, 3, 5, 7) for beat in range(4)])
for what, music, wanted in [("notes of a beat", full, 1 / 9), ("notes of a beat less one tick", short, 0.5)]:
    found = muspy.empty_measure_rate(music, BAR)
    print(f"every second measure silent, {what}: empty-measure rate by muspy {found:.3f}, by counting {empty(music, BAR):.3f}")
    check(abs(found - wanted) < 1e-9 and empty(music, BAR) == 0.5, f"{what}: {found}")

voice = [(beat * BEAT, BEAT) for beat in range(16)]
for count, wanted in [(1, 0), (2, 0), (3, 1)]:
    music = piece(*[voice] * count)
    rate, mean = muspy.polyphony_rate(music), muspy.polyphony(music)
    print(f"voices that sound throughout, {count}: polyphony {mean:.1f}, polyphony rate {rate:.1f}")
    check(mean == count and rate == wanted, f"{count} voices: {mean} {rate}")

found = muspy.pitch_range(piece(voice, is_drum=True)), muspy.pitch_range(piece(voice))
print("pitch range of one drum:", found[0], "of one pitch:", found[1])
check(found == (-127, 0), f"pitch range: {found}")
EOF
venv/bin/python check.py
