#!/usr/bin/env bash
# praatio: a TextGrid that is cropped in the lax mode has its words, phones and tones moved by three different amounts.
#
# Expected: With rebaseToZero=True Textgrid.crop subtracts cropStart from all times, as its documentation says, so that the tiers stay
#   aligned with each other and with the sound that is cut at cropStart.
# Happens: In the mode "lax", which keeps intervals that lie partly in the region, each tier of intervals is moved by the start of its
#   own first interval, and tiers of points are moved by cropStart. A cut at 3.37 s moves the words by 3.2, the phones by 3.3 and the
#   tones by 3.37. So each word loses its first phone to the word before, and each tone lies in the word before. crop says nothing.
#   Saving prints lines on the ends of the tiers, as it does for a lax crop with rebaseToZero=False, which is right. The modes
#   "strict" and "truncated" keep the tiers aligned too.
# Seen: praatio 6.2.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Long recordings are cut into training examples, and the lax mode is the one that loses no word at the edges. The words are
#   then up to a word away from the sound and from their phones, by another amount in each cut, and each tier alone looks right.
# Cause: IntervalTier.crop subtracts newEntryList[0][0] in place of cropStart if the first interval begins earlier.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check praatio==6.2.2

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
from praatio import textgrid
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("praatio", importlib.metadata.version("praatio"))
# 30 words of 0.4 s, each with four phones of 0.1 s and a tone in its first phone.
words = [(round(0.4 * i, 3), round(0.4 * i + 0.4, 3), f"word {i}") for i in range(30)]
phones = [(round(0.1 * j, 3), round(0.1 * j + 0.1, 3), f"word {j // 4} phone {j % 4}") for j in range(120)]
tones = [(round(0.4 * i + 0.05, 3), f"word {i} tone") for i in range(30)]
grid = textgrid.Textgrid()
grid.addTier(textgrid.IntervalTier("words", words, 0, 12))
grid.addTier(textgrid.IntervalTier("phones", phones, 0, 12))
grid.addTier(textgrid.PointTier("tones", tones, 0, 12))
truth = {label: start for start, *_, label in words + phones + tones}
START, END = 3.37, 8.87

def crop(mode, rebase):
    """The crop after a way through a file, and by how much each tier was moved."""
    grid.crop(START, END, mode, rebase).save("part.TextGrid", format="long_textgrid", includeBlankSpaces=True)
    part = textgrid.openTextgrid("part.TextGrid", includeEmptyIntervals=False)
    moved = {}
    for name in ("words", "phones", "tones"):
        tier = part.getTier(name)
        # A truncated interval begins where the cut is.
        amounts = {round(truth[entry[-1]] - entry[0], 3) for entry in tier.entries[1:]}
        check(len(amounts) == 1, f"{mode}: {name} moved by {amounts}")
        (moved[name],) = amounts
    return part, moved

def astray(part):
    """How many phones and tones lie in another word than their own."""
    times = [((entry.start + entry.end) / 2, entry.label) for entry in part.getTier("phones").entries]
    times += [(entry.time, entry.label) for entry in part.getTier("tones").entries]
    result = {"phones": 0, "tones": 0}
    for time, label in times:
        (inside,) = [word.label for word in part.getTier("words").entries if word.start <= time < word.end] or [""]
        if inside and not label.startswith(inside + " "):
            result["tones" if label.endswith("tone") else "phones"] += 1
    return result, len(times)

for mode, rebase, wanted, lost in [
    ("strict", True, (START, START, START), (0, 0)), ("truncated", True, (START, START, START), (0, 0)),
    ("lax", False, (0, 0, 0), (0, 0)), ("lax", True, (3.2, 3.3, START), (14, 14)),
]:
    part, moved = crop(mode, rebase)
    wrong, count = astray(part)
    print(f"{mode}, rebaseToZero={rebase}: moved by {moved}, of {count} phones and tones in another word: {wrong}")
    check(tuple(moved.values()) == wanted, f"{mode} {rebase}: {moved}")
    check(tuple(wrong.values()) == lost, f"{mode} {rebase}: {wrong}")
for entry in part.getTier("words").entries[:3]:
    inside = [phone.label for phone in part.getTier("phones").entries if entry.start <= (phone.start + phone.end) / 2 < entry.end]
    print("  in", entry.label, "lie", inside)
EOF
venv/bin/python check.py
