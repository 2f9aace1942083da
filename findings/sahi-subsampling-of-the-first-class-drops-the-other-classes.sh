#!/usr/bin/env bash
# SAHI: get_subsampled_coco(10, category_id=0) drops 9 of 10 images of all classes, in place of those of the first class only.
#
# Expected: With category_id only the images that contain this class are thinned out, and all other images stay, as the documentation
#   says. Its example for the first class has category_id=0. The class 1 and images without annotations, which are -1, behave so.
# Happens: For category_id=0 every tenth image of the whole data set is taken, as if no class had been named. Of 900 images with cars and
#   100 with cyclists 90 and 10 are left in place of 90 and 100, and of 20 images without annotations 2. The same data with
#   the class ids 1 and 2 are right. get_upsampled_coco with category_id=0 is right. Nothing is printed.
# Seen: sahi 0.12.8, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The class that is thinned out is the frequent one, to balance the data, and in data sets for YOLO the first class is 0. The
#   balance of the classes is then as before, and nine tenths of the rare class are lost to training.
# Cause: get_subsampled_coco asks "if category_id is not None" when it sorts the images and "if category_id" when it takes them.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check sahi==0.12.8 numpy==2.4.6

cat > check.py <<'PY'
import collections
import contextlib
import importlib.metadata
import io
import sys
import warnings
from sahi.utils.coco import Coco
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("sahi", importlib.metadata.version("sahi"))
KINDS = ["car"] * 900 + ["cyclist"] * 100 + [None] * 20

def data(first):
    """A COCO data set in which car has the id first and cyclist the next one."""
    ids = {"car": first, "cyclist": first + 1}
    images = [{"id": k + 1, "file_name": f"{k:04}.png", "width": 100, "height": 100} for k in range(len(KINDS))]
    annotations = [{"id": k + 1, "image_id": k + 1, "category_id": ids[kind], "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
                   for k, kind in enumerate(KINDS) if kind]
    coco = {"images": images, "annotations": annotations, "categories": [{"id": k, "name": name} for name, k in ids.items()]}
    with contextlib.redirect_stderr(io.StringIO()):
        return Coco.from_coco_dict_or_path(coco)

def count(coco):
    found = collections.Counter(image.annotations[0].category_name if image.annotations else None for image in coco.images)
    return {kind: found[kind] for kind in ("car", "cyclist", None)}

def thinned(first, **options):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        coco = data(first).get_subsampled_coco(subsample_ratio=10, **options)
    check(printed.getvalue() == "", f"printed: {printed.getvalue()}")
    return count(coco)

check(count(data(0)) == {"car": 900, "cyclist": 100, None: 20}, f"data: {count(data(0))}")
print("images with a car, with a cyclist, with nothing:", *count(data(0)).values())
balanced = {"car": 90, "cyclist": 100, None: 20}
tenth = {"car": 90, "cyclist": 10, None: 2}
for what, first, options, wanted in [
    ("no class, ids 0 and 1", 0, {}, tenth),
    ("cars of ids 1 and 2", 1, {"category_id": 1}, balanced),
    ("cyclists of ids 0 and 1", 0, {"category_id": 1}, {"car": 900, "cyclist": 10, None: 20}),
    ("images with nothing", 0, {"category_id": -1}, {"car": 900, "cyclist": 100, None: 2}),
    ("cars of ids 0 and 1", 0, {"category_id": 0}, tenth),
]:
    got = thinned(first, **options)
    print(f"one in ten, {what}:", *got.values())
    check(got == wanted, f"{what}: {got}")

more = count(data(0).get_upsampled_coco(upsample_ratio=2, category_id=0))
print("get_upsampled_coco, cars of ids 0 and 1 twice:", *more.values())
check(more == {"car": 1800, "cyclist": 100, None: 20}, f"get_upsampled_coco: {more}")
PY
venv/bin/python check.py
