#!/usr/bin/env bash
# imantics: boxes that are exported for YOLO lie half a box up and left, and a cat is class 1 in one image and class 2 in the next.
#
# Expected: yolo() writes the number of the class, then the centre, width and height of the box as fractions of the image. So says
#   the description of the format that the documentation of the style points to. The number of a class is that of its category, in
#   all images.
# Happens: The place is that of the upper left corner. A trainer takes it for the centre, so the box covers a quarter of the object.
#   Image.yolo() and Dataset.yolo() number the categories anew for each image, from 1 in the order of its objects. A cat is 1 if a
#   cat comes first and 2 otherwise, and dogs are 1 too. The numbers are changed in the data set as well, so coco() after yolo() says that
#   the cat and the dog have one id. Before it coco() is right, and so is voc(). There is no warning.
# Seen: imantics 0.1.12, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The lines are valid, and training on them learns boxes that are shifted and classes that mean nothing.
# Cause: Annotation.yolo takes _xmin and _ymin, and Image.yolo sets category.id to a count that starts anew with each image.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
pip="python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check"
# imantics asks for opencv-python, which is the same library with windows.
$pip numpy==2.4.6 opencv-python-headless==5.0.0.93 lxml==6.1.3 xmljson==0.2.1
$pip --no-deps imantics==0.1.12

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
warnings.simplefilter("error")
import numpy as np
from imantics import Annotation, Category, Dataset, Image

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("imantics", "numpy")))
NAMES = {1: "cat", 2: "dog", 3: "horse"}
WIDTH, HEIGHT = 200, 100
# The objects of each image, in order: class and box, as left, top, right and bottom.
truth = {"first.png": [(1, (20, 10, 100, 60)), (2, (120, 40, 180, 90))], "second.png": [(2, (40, 20, 120, 60)), (1, (100, 50, 180, 90))],
         "third.png": [(3, (20, 20, 60, 80)), (2, (80, 20, 160, 80))]}

def dataset():
    categories = {number: Category(name, id=number) for number, name in NAMES.items()}
    data = Dataset("animals")
    for i, (path, objects) in enumerate(truth.items(), 1):
        image = Image(width=WIDTH, height=HEIGHT, path=path, id=i)
        for number, box in objects:
            image.add(Annotation(image, categories[number], bbox=box))
        data.add(image)
    return data

def overlap(a, b):
    """The part of the object, or box, b that the box a covers, and the intersection over the union."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / area[1], width * height / (sum(area) - width * height)

def box_of(line, centre):
    """The box of a line, if its place is the centre, or the upper left corner."""
    x, y, width, height = (float(value) * side for value, side in zip(line.split()[1:], (WIDTH, HEIGHT) * 2))
    left, top = (x - width / 2, y - height / 2) if centre else (x, y)
    return left, top, left + width, top + height

# One object, and the other formats: right.
data = dataset()
check({c["id"]: c["name"] for c in data.coco()["categories"]} == NAMES, "categories in COCO")
for path, image in zip(truth, data.iter_images()):
    check(image.path == path, "order of images")
    for (number, box), annotation in zip(truth[path], image.iter_annotations()):
        found = annotation.coco(include=False)
        check(found["category_id"] == number, f"class in COCO: {found}")
        check(tuple(found["bbox"]) == (box[0], box[1], box[2] - box[0], box[3] - box[1]), f"box in COCO: {found['bbox']}")
        voc = annotation.voc()
        check(voc.find("name").text == NAMES[number] and tuple(int(side.text) for side in voc.find("bndbox")) == box, "VOC")
    check(all(line.split()[0] == str(number) for line, (number, box) in zip((a.yolo() for a in image.iter_annotations()), truth[path])),
          "class of a single annotation")

lines = data.yolo()
meanings = {}
for path, objects in truth.items():
    print(path)
    for (number, box), line in zip(objects, lines[path]):
        meanings.setdefault(int(line.split()[0]), set()).add(NAMES[number])
        covered, union = overlap(box_of(line, centre=True), box)
        print(f"  {NAMES[number]} (class {number}) at {box}: line {line}, whose box covers {covered:.0%} of it, intersection over union {union:.3f}")
        check(abs(covered - 0.25) < 1e-3 and abs(union - 1 / 7) < 1e-3, f"box: {line}")
        check(overlap(box_of(line, centre=False), box)[1] > 0.999, f"corner: {line}")
print("classes of the lines:", {number: sorted(names) for number, names in sorted(meanings.items())})
check(meanings == {1: {"cat", "dog", "horse"}, 2: {"cat", "dog"}}, f"classes: {meanings}")

categories = [(c["id"], c["name"]) for c in data.coco()["categories"]]
print("categories of coco() after yolo():", categories)
check(len({number for number, name in categories}) < 3 == len(categories), f"categories: {categories}")
EOF
venv/bin/python check.py
