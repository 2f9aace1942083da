#!/usr/bin/env bash
# Albumentations: an id from 16,777,217 on that goes through a transform beside its box can come back as the id of another box.
#
# Expected: A label field belongs to its box or keypoint and comes back as it was. Albumentations only moves and drops boxes. Integers
#   in a NumPy array come back as integers of their type, and texts as they were.
# Happens: Numbers of label fields become 32-bit floats, in a column beside the coordinates, and are turned back into the type of the
#   array at the end. From 2^24 to 2^25 an odd number becomes one of its even neighbours, and ten numbers from 900,100,123,456 on all
#   become 900,100,128,768. This holds for label fields of boxes and keypoints, for lists and arrays, for a label as fifth number of
#   a box, and for A.NoOp. Lists of integers come back as floats, which at least can be seen. Fractions are rounded to 32 bits, too.
# Seen: Albumentations 2.0.8 with NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026. The source of its successor,
#   AlbumentationsX 2.5.1, has the same conversion.
# Matters: After a crop the id says which boxes are left, and with it one finds mask, attributes, or the next frame of a track. Large
#   detection sets have more than 16.7 million boxes, so ids there lead to other, existing objects; crowd annotations of COCO have ids
#   like 900,100,123,456, and ids from hashes or times are larger still. Tests with small ids pass.
# Remedy: Pass the position of the box as label, or the id as text.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check albumentations==2.0.8 opencv-python-headless==5.0.0.93 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import os
import sys
import warnings
import numpy as np
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
warnings.simplefilter("error")
import albumentations as A

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("albumentations", importlib.metadata.version("albumentations"))
image = np.zeros((100, 100, 3), np.uint8)
boxes = np.array([[10 * i, 10 * i, 8, 8] for i in range(10)], float)
points = boxes[:, :2] + 1

def through(ids, transform, kind="boxes"):
    """The ids that come back, and the numbers of the boxes that they came with."""
    if kind == "boxes":
        pipeline = A.Compose([transform], bbox_params=A.BboxParams(format="coco", label_fields=["id", "number"]))
        result = pipeline(image=image, bboxes=boxes, id=ids, number=np.arange(10))
        check(len(result["bboxes"]) == len(result["id"]), "boxes and ids")
    else:
        pipeline = A.Compose([transform], keypoint_params=A.KeypointParams(format="xy", label_fields=["id", "number"]))
        result = pipeline(image=image, keypoints=points, id=ids, number=np.arange(10))
    return result["id"], np.asarray(result["number"]).astype(int)

crop = A.Crop(x_min=30, y_min=30, x_max=100, y_max=100, p=1)
for what, first, wrong in [("small ids", 1_000_000, 0), ("ids of a large set", 20_000_001, 5), ("crowd ids", 900_100_123_456, 10)]:
    ids = np.arange(first, first + 10)
    for transform, kept in [(A.NoOp(p=1), 10), (A.HorizontalFlip(p=1), 10), (crop, 7)]:
        for kind in ("boxes", "keypoints"):
            back, number = through(ids, transform, kind)
            check(isinstance(back, np.ndarray) and back.dtype == ids.dtype, f"ids come back as {type(back)}")
            check(sorted(number) == list(range(10))[-kept:], f"{kind} that are left: {number}")
            check((back == ids[number].astype(np.float32)).all(), f"{kind}: ids {back}")
    back, number = through(ids, A.NoOp(p=1))
    changed = back != ids[number]
    taken = changed & np.isin(back, ids)
    print(f"{what}: {ids[0]} to {ids[-1]}, {changed.sum()} of 10 changed, {taken.sum()} are ids of other boxes, {len(set(back))} different")
    print("  ", *back[:6])
    check(changed.sum() == wrong, f"{what}: {changed.sum()} changed")
    if what == "ids of a large set":
        check(taken.sum() == 4 and back[2] == 20_000_004 == ids[3], f"{what}: {back}")
    if what == "crowd ids":
        check(len(set(back)) == 1, f"{what}: {back}")
    # The same as a list of integers, and as texts.
    listed, number = through(ids.tolist(), A.NoOp(p=1))
    check(isinstance(listed[0], float) and (np.array(listed) == ids[number].astype(np.float32)).all(), f"list: {listed}")
    texts, number = through([str(i) for i in ids], crop)
    check(list(texts) == [str(i) for i in ids[number]], f"texts: {texts}")

fifth = A.Compose([A.NoOp(p=1)], bbox_params=A.BboxParams(format="coco"))
back = [box[4] for box in fifth(image=image, bboxes=[[10, 10, 5, 5, 20_000_001], [20, 20, 5, 5, 20_000_003]])["bboxes"]]
print("as fifth number of a box: 20000001 and 20000003 are", *back)
check(back == [20_000_000, 20_000_004], f"fifth number: {back}")
back, _ = through(np.full(10, 0.1), A.NoOp(p=1))
print("a score of 0.1 is", float(back[0]))
check(back[0] == np.float32(0.1), f"0.1 is {back[0]}")
EOF
venv/bin/python check.py
