#!/usr/bin/env bash
# PyLabel: GroupShuffleSplit splits the objects of one image over train, test and val, and 199 of 200 images are exported as train.
#
# Expected: GroupShuffleSplit splits by img_filename, the default of its argument group_col. PyLabel's guide to splitting says that all
#   labels of an image must stay in one part, and names this function. So 60, 20 and 20 percent of the images are in the parts.
# Happens: The objects are split as if each were an image of its own. Of 200 images with six objects each, 189 are in two or three
#   parts, whatever group_col is. ExportToYoloV5(use_splits=True) writes an image to the part of its first row, and rows of train come
#   first. So 199 images are exported for training and one for testing, with all their objects. dataset.yaml names a folder for
#   validation that was not made. The counts of objects in the split column are 60, 20 and 20 percent, as asked for.
#   StratifiedGroupShuffleSplit keeps images together. With one object in each image all is well.
# Seen: pylabel 0.1.55, pandas 2.3.3, scikit-learn 1.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Whoever selects the rows of a part, for a COCO file or a loop of their own, trains and tests on the same images, and in each
#   part objects are missing that are in the picture, so a correct detection counts as a false one.
# Cause: Split.GroupShuffleSplit gives the index of the rows to scikit-learn as the groups and the column group_col as labels, which are
#   ignored.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pylabel==0.1.55 pandas==2.3.3 scikit-learn==1.9.1 numpy==2.4.6

cat > check.py <<'EOF'
import collections
import importlib.metadata
import json
import os
import shutil
import sys
import numpy as np
import yaml
from pylabel import importer
from sklearn.model_selection import GroupShuffleSplit

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pylabel", "pandas", "scikit-learn")))
IMAGES = 200

def dataset(objects):
    """COCO annotations of images with so many objects each."""
    labels = np.random.default_rng(0).integers(3, size=(IMAGES, objects)).tolist()
    images = [{"id": i, "file_name": f"{i:03}.jpg", "width": 640, "height": 480} for i in range(IMAGES)]
    annotations = [{"id": objects * i + j, "image_id": i, "category_id": labels[i][j], "bbox": [60 * j, 40, 50, 50], "area": 2500, "iscrowd": 0,
                    "segmentation": []} for i in range(IMAGES) for j in range(objects)]
    with open("coco.json", "w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": [{"id": k, "name": f"class {k}"} for k in range(3)]}, file)
    return importer.ImportCoco("coco.json")

def parts(data):
    """How many images lie in how many parts."""
    check(len(data.df) % IMAGES == 0 and data.df.img_filename.nunique() == IMAGES, f"{len(data.df)} rows")
    return dict(sorted(collections.Counter(data.df.groupby("img_filename")["split"].nunique().tolist()).items()))

def export(data):
    """How many images and objects are exported for each part."""
    shutil.rmtree("training", ignore_errors=True)
    data.export.ExportToYoloV5(output_path="training/labels", use_splits=True)
    found = {}
    for part in sorted(os.listdir("training/labels")):
        names = os.listdir(f"training/labels/{part}")
        lines = sum(len(open(f"training/labels/{part}/{name}").readlines()) for name in names)
        found[part] = len(names), lines
    return found

SHARES = {"train_pct": 0.6, "test_pct": 0.2, "val_pct": 0.2}
data = dataset(objects=6)
data.splitter.GroupShuffleSplit(random_state=0, **SHARES)
counts = data.df["split"].value_counts().to_dict()
print("GroupShuffleSplit: objects", counts, "images by the number of parts they are in", parts(data))
check(counts == {"train": 720, "test": 240, "val": 240}, f"objects {counts}")
check(parts(data) == {1: 11, 2: 86, 3: 103}, f"parts {parts(data)}")
both = data.df.groupby("img_filename")["split"].agg(set)
print("  images in train and in another part:", sum("train" in found and len(found) > 1 for found in both))
found = export(data)
print("  exported images and objects:", found)
check(found["train"] == (199, 1194) and found["test"] == (1, 6) and "val" not in found, f"exported {found}")
with open("training/dataset.yaml") as file:
    named = yaml.safe_load(file)
print("  dataset.yaml:", {part: named[part] for part in found | {"val": None}})
check(named["val"] == "training/images/val", f"dataset.yaml: {named}")

for column in ("img_id", "img_folder"):
    data = dataset(objects=6)
    data.splitter.GroupShuffleSplit(random_state=0, group_col=column, **SHARES)
    print(f"GroupShuffleSplit with group_col={column}: images by the number of parts", parts(data))
    check(parts(data) == {1: 11, 2: 86, 3: 103}, f"{column}: {parts(data)}")

# The same call of scikit-learn with the images as groups.
data = dataset(objects=6)
train, test = next(GroupShuffleSplit(n_splits=1, train_size=0.6, random_state=0).split(data.df, groups=data.df["img_filename"]))
data.df["split"] = "test"
data.df.loc[data.df.index[train], "split"] = "train"
print("scikit-learn by img_filename: images by the number of parts", parts(data))
found = export(data)
print("  exported images and objects:", found)
check(parts(data) == {1: IMAGES} and found["train"] == (120, 720) and found["test"] == (80, 480), f"scikit-learn: {found}")

data = dataset(objects=6)
np.random.seed(0)
data.splitter.StratifiedGroupShuffleSplit(**SHARES)
found = export(data)
print("StratifiedGroupShuffleSplit: images by the number of parts", parts(data), "exported", found)
check(parts(data) == {1: IMAGES} and min(count for count, _ in found.values()) > 20 and len(found) == 3, f"stratified: {found}")

data = dataset(objects=1)
data.splitter.GroupShuffleSplit(random_state=0, **SHARES)
found = export(data)
print("GroupShuffleSplit with one object in each image: images by the number of parts", parts(data), "exported", found)
check(parts(data) == {1: IMAGES} and found["train"] == (120, 120) and found["val"] == (40, 40), f"one object: {found}")
EOF
venv/bin/python check.py 2> errors.txt || { cat errors.txt >&2; exit 1; }
