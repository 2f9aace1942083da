#!/usr/bin/env bash
# pycocotools: perfect detections do not get an average precision of 1 when the annotation ids start at 0.
#
# Expected: Ids in a COCO file are names. Numbering them from 0 or from 1 gives the same score.
# Happens: COCOeval stores the id of the matched annotation and takes 0 for no match. The detection that
#   matches annotation 0 becomes a false positive. With 4 objects and perfect boxes the AP is 1.00 or 0.56, by
#   the first id.
# Seen: pycocotools 2.0.11, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Converters that number annotations from 0 are common. The smaller the validation set or the rarer
#   the class, the more is lost, and always by the same objects.
# Source: github.com/cocodataset/cocoapi/issues/664, open since January 2024
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6

cat > check.py <<'EOF'
import contextlib
import io
import sys
from importlib.metadata import version
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pycocotools", version("pycocotools"))
IMAGES = range(1, 5)
BOX = [10, 10, 50, 50]

def precision(first_id):
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i, "width": 100, "height": 100} for i in IMAGES],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": first_id + n, "image_id": i, "category_id": 1, "bbox": BOX, "area": 2500, "iscrowd": 0}
                        for n, i in enumerate(IMAGES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found = truth.loadRes([{"image_id": i, "category_id": 1, "bbox": BOX, "score": 0.9} for i in IMAGES])
        scores = COCOeval(truth, found, "bbox")
        scores.evaluate()
        scores.accumulate()
        scores.summarize()
    return float(scores.stats[0])

for first in (0, 1, 1000):
    print(f"ids from {first}: average precision {precision(first):.3f}")
check(precision(1) == precision(1000) == 1, "perfect boxes score 1")
check(precision(0) < 0.6, "with ids from 0 they do not")
EOF
venv/bin/python check.py
