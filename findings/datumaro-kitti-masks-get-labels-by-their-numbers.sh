#!/usr/bin/env bash
# Datumaro: a COCO data set that is converted to KITTI segmentation makes a bicycle of person number 300, and persons of all background.
#
# Expected: Objects keep their labels, as they do when the same data are converted to Cityscapes, PASCAL VOC or CamVid, and pixels
#   without an object stay without one.
# Happens: A KITTI file of instances holds 256 times the class plus the number of the object. Datumaro adds the number of the
#   annotation as it is, and COCO numbers the objects of a whole data set, not of an image. So objects 256 to 511 move up by one
#   class, the next 256 by two, and so on. The reader goes by this file. The file of classes beside it has the right class. In
#   both files pixels without an object are 0, which is the first class here, since no class for the background is added as for
#   the other three formats. They come back as one object of the first class in each image, marked as a crowd.
# Seen: datumaro 1.13.12, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The first images of a data set are right, so that a look at them shows nothing, and the rest is labelled by the order of the
#   file. With the 80 classes of COCO it can go on for 20,000 objects before a class is out of range and reading fails. Nothing is
#   logged, or only lines about index masks, which come when the first mask of an image is of the first class.
# Cause: KittiExporter writes (label << 8) + m.id. It helps to number the annotations of each image from 1 before the export, and
#   to put a first class for the background into the data set.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check datumaro==1.13.12 numpy==2.4.6

cat > check.py <<'EOF'
import collections
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import cv2
import numpy as np
from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

class Warned(logging.Handler):
    def emit(self, record):
        check(False, f"logged: {record.getMessage()}")

print("datumaro", importlib.metadata.version("datumaro"))
NAMES = ["person", "bicycle", "car", "motorcycle", "airplane", "bus"]
IMAGES, COLUMNS = 100, 4
truth, number, images, annotations = {}, {}, [], []
os.makedirs("coco/images/train")
os.makedirs("coco/annotations")
for i in range(IMAGES):
    cv2.imwrite(f"coco/images/train/{i:03}.png", np.full((40, 60, 3), i, np.uint8))
    images.append({"id": i + 1, "file_name": f"{i:03}.png", "width": 60, "height": 40})
    for j in range(COLUMNS):
        x, label = 15 * j, 0 if j == 0 else 1 + (i + j) % 3
        annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": label + 1, "iscrowd": 0, "area": 100,
                            "bbox": [x, 5, 10, 10], "segmentation": [[x, 5, x + 10, 5, x + 10, 15, x, 15]]})
        truth[f"{i:03}", j] = NAMES[label]
        number[f"{i:03}", j] = len(annotations)
categories = [{"id": k + 1, "name": name} for k, name in enumerate(NAMES)]
with open("coco/annotations/instances_train.json", "w") as file:
    json.dump({"images": images, "annotations": annotations, "categories": categories}, file)

def converted(kind, renumber=False):
    """The labels of the objects after a conversion, and how many images have pixels without an object as which label."""
    shutil.rmtree("out", ignore_errors=True)
    data = Dataset.import_from("coco", "coco_instances")
    data.transform("polygons_to_masks")
    if renumber:
        for item in list(data):
            data.put(item.wrap(annotations=[mask.wrap(id=k + 1) for k, mask in enumerate(item.annotations)]))
    handler = Warned(logging.WARNING)
    logging.getLogger().addHandler(handler)
    data.export("out", kind, save_media=True)
    data = Dataset.import_from("out", kind)
    logging.getLogger().removeHandler(handler)
    names = [label.name for label in data.categories()[AnnotationType.label]]
    objects, rest = {}, collections.Counter()
    for item in data:
        for mask in item.annotations:
            if mask.type != AnnotationType.mask:
                continue
            pixels = np.asarray(mask.image)
            if pixels[30, 30]:
                rest[names[mask.label], mask.attributes.get("is_crowd")] += 1
            for j in range(COLUMNS):
                if pixels[10, 15 * j + 5]:
                    check((item.id, j) not in objects, f"{kind}: two masks at one place")
                    objects[item.id, j] = names[mask.label]
    check(len(objects) == len(truth), f"{kind}: {len(objects)} objects")
    return objects, dict(rest)

for kind in ("cityscapes", "voc_instance_segmentation", "camvid"):
    objects, rest = converted(kind)
    print(f"{kind}: {sum(objects[key] == truth[key] for key in truth)} of {len(truth)} labels are right, background {rest}")
    check(objects == truth and rest == {}, f"{kind}: {rest}")

objects, rest = converted("kitti_segmentation")
right = sum(objects[key] == truth[key] for key in truth)
changes = collections.Counter((truth[key], objects[key]) for key in truth if objects[key] != truth[key])
print(f"kitti_segmentation: {right} of {len(truth)} labels are right, background {rest}")
print("  ", ", ".join(f"{count} {a} became {b}" for (a, b), count in changes.items()))
for key in truth:
    moved = NAMES[NAMES.index(truth[key]) + number[key] // 256]
    check(objects[key] == moved, f"object {number[key]}, {truth[key]}, became {objects[key]}")
check(right == 255, f"{right} right labels")
check(rest == {("person", True): IMAGES}, f"background: {rest}")

classes, instances = (cv2.imread(f"out/train/{name}/090.png", cv2.IMREAD_UNCHANGED) for name in ("semantic", "instance"))
print("  in the files of image 090: classes", np.unique(classes), "instances", np.unique(instances), "of the classes", np.unique(instances >> 8))
check([int(classes[10, 15 * j + 5]) for j in range(COLUMNS)] == [NAMES.index(truth["090", j]) for j in range(COLUMNS)], "file of classes")
check([int(instances[10, 15 * j + 5]) for j in range(COLUMNS)] == [256 * NAMES.index(truth["090", j]) + number["090", j] for j in range(COLUMNS)],
      "file of instances")
check(classes[30, 30] == instances[30, 30] == 0, "background in the files")

objects, rest = converted("kitti_segmentation", renumber=True)
print(f"  with new numbers in each image: {sum(objects[key] == truth[key] for key in truth)} of {len(truth)} labels are right")
check(objects == truth, "labels with new numbers")
EOF
venv/bin/python check.py
