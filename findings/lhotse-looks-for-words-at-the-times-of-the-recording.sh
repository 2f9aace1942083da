#!/usr/bin/env bash
# lhotse: a batch says that the words of a cut lie in frames beyond it, or in the silence, if the cut is not a whole recording.
#
# Expected: word_start and word_end of a batch are frames of its inputs, as start_frame and num_frames beside them are. A mask by
#   alignment, use_alignment_if_exists="word", has a 1 where the words are. The documentation says that the times of an alignment
#   count from the start of the recording and those of a supervision from the start of the cut.
# Happens: K2SpeechRecognitionDataset and all masks of speech and speakers take the times of the alignment for times in the cut.
#   They are right for a cut that is a whole recording. After trim_to_supervisions words of the second utterance lie past the end
#   of the inputs. After cut_into_windows the mask marks silence and leaves out words. CutConcatenate puts the words of the second
#   utterance into the time of the first. trim_to_alignments takes the times as documented and returns the right sound.
# Seen: lhotse 1.33.0, torch 2.9.1, soundfile 0.14.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Corpora of long recordings are trimmed to their supervisions first. A detector of speech learns from windows whose mask
#   is of another second, and latencies or losses by word use frames of other words. No shape is wrong and nothing is out of
#   range, since masks are cut off at their ends and a slice past the end of a tensor is empty.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
# lhotse imports urllib3 without asking for it.
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check lhotse==1.33.0 torch==2.9.1 soundfile==0.14.0 numpy==2.4.6 urllib3==2.8.0

cat > check.py <<'EOF'
import importlib.metadata
import sys
import numpy as np
import soundfile
from lhotse import CutSet, Fbank, MonoCut, Recording, SupervisionSegment
from lhotse.dataset import AudioSamples, CutConcatenate, K2SpeechRecognitionDataset, OnTheFlyFeatures
from lhotse.supervision import AlignmentItem

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("lhotse", "torch", "soundfile")))
RATE = 16000

def recording(name, seconds, words):
    """Silence, and a tone in place of each word."""
    sound = np.zeros(seconds * RATE, np.float32)
    for _, start, duration in words:
        part = slice(round(start * RATE), round((start + duration) * RATE))
        sound[part] = 0.5 * np.sin(0.3 * np.arange(part.stop - part.start))
    soundfile.write(name + ".wav", sound, RATE)
    return Recording.from_file(name + ".wav")

def supervision(source, start, duration, words):
    items = [AlignmentItem(*word) for word in words if start <= word[1] < start + duration]
    text = " ".join(item.symbol for item in items)
    return SupervisionSegment(id=text, recording_id=source.id, start=start, duration=duration, text=text, alignment={"word": items})

def in_batch(cuts, **options):
    """For each utterance: its frames, the frames of its words, and whether there is sound where the batch says that words are."""
    data = K2SpeechRecognitionDataset(input_strategy=OnTheFlyFeatures(Fbank()), **options)
    batch = data[cuts]
    told, found = batch["supervisions"], {}
    for i, text in enumerate(told["text"]):
        energy = batch["inputs"][told["sequence_idx"][i]].max(1).values
        loud = energy > (energy.min() + energy.max()) / 2
        first = int(told["start_frame"][i])
        frames = list(zip(told["word_start"][i], told["word_end"][i]))
        # A frame at each end may be half sound and half silence.
        heard = [bool(len(loud[a + 2:b - 2])) and bool(loud[a + 2:b - 2].all()) for a, b in frames]
        found[text] = (first, first + int(told["num_frames"][i]), frames, heard)
        print(f"  '{text}': utterance in frames {found[text][0]} to {found[text][1]} of {len(energy)}, words in {frames}, sound there: {heard}")
    return found

def mask(cut):
    """Parts of 10 ms with sound, and those that the mask by alignment marks."""
    parts = round(cut.duration * 100)
    sound = np.abs(cut.load_audio()[0]).reshape(parts, -1).max(1) > 0.1
    marked = cut.supervisions_audio_mask(use_alignment_if_exists="word").reshape(parts, -1).mean(1) > 0.5
    return sound, marked

words = [("one", 1.0, 0.5), ("two", 2.0, 0.7), ("three", 6.0, 0.8), ("four", 8.2, 0.6)]
long = recording("long", 10, words)
whole = MonoCut("long", 0, 10, 0, recording=long, supervisions=[supervision(long, 0, 5, words), supervision(long, 5, 5, words)])

print("the whole recording")
found = in_batch(CutSet.from_cuts([whole]))
check(found["one two"][3] == found["three four"][3] == [True, True], "the whole recording is wrong")
check(found["three four"][:3] == (500, 1000, [(600, 680), (820, 880)]), "the frames of the whole recording")
sound, marked = mask(whole)
check((sound == marked).mean() > 0.99, "the mask of the whole recording")

print("trimmed to supervisions")
trimmed = CutSet.from_cuts([whole]).trim_to_supervisions(keep_overlapping=False).to_eager()
found = in_batch(trimmed)
check(found["one two"][3] == [True, True], "the first utterance is wrong")
check(found["three four"] == (0, 500, [(600, 680), (820, 880)], [False, False]), f"second utterance {found['three four']}")
second = [cut for cut in trimmed if cut.start == 5][0]
for cut in second.trim_to_alignments("word", max_pause=-1):
    print(f"  '{cut.supervisions[0].text}' by trim_to_alignments: {cut.start} s, lowest peak {np.abs(cut.load_audio()).reshape(-1, 160).max(1).min():.2f}")
    check(np.abs(cut.load_audio()).reshape(-1, 160).max(1).min() > 0.4, "trim_to_alignments returns silence")
sound, marked = mask(second)
print(f"  second utterance: {sound.sum()} parts of 10 ms with sound, the mask marks {marked.sum()}")
check(sound.sum() == 140 and marked.sum() == 0, "the mask of the second utterance")
batch_mask = AudioSamples().supervision_masks(CutSet.from_cuts([second]), use_alignment_if_exists="word")
check(int(batch_mask.sum()) == 0, "the mask of the batch")

print("windows of 2.5 s")
for cut, wanted in zip(whole.cut_into_windows(2.5), [(100, 100, 100), (20, 100, 0), (80, 0, 0), (60, 0, 0)]):
    sound, marked = mask(cut)
    print(f"  from {cut.start} s: sound {sound.sum()}, mask {marked.sum()}, both {(sound & marked).sum()}")
    check((sound.sum(), marked.sum(), (sound & marked).sum()) == wanted, f"the mask of the window from {cut.start} s")

print("two recordings, as they are and concatenated")
cuts = []
for name, items in [("first", words[:2]), ("second", [("three", 1.2, 0.8), ("four", 3.1, 0.6)])]:
    source = recording(name, 5, items)
    cuts.append(MonoCut(name, 0, 5, 0, recording=source, supervisions=[supervision(source, 0, 5, items)]))
found = in_batch(CutSet.from_cuts(cuts))
check(found["one two"][3] == found["three four"][3] == [True, True], "two recordings are wrong")
found = in_batch(CutSet.from_cuts(cuts), cut_transforms=[CutConcatenate(gap=0, duration_factor=2)])
check(found["one two"][3] == [True, True], "the first of two utterances is wrong")
check(found["three four"] == (500, 1000, [(120, 200), (310, 370)], [False, False]), f"the second of two: {found['three four']}")
EOF
venv/bin/python check.py
