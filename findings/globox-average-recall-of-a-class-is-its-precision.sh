#!/usr/bin/env bash
# Globox: the columns AR 1, AR 10 and AR 100 of its table and CSV file hold the average precision of each class.
#
# Expected: A column that is named AR 100 holds the average recall of the class with up to 100 detections for each image, as the method
#   ar_100 does for all classes together, and the rows have the mean that the row "Total" shows.
# Happens: show_summary and save_csv of COCOEvaluator write the average precision into these three columns. A screening model that finds
#   16 of 20 nodules among false alarms has AR 100 = 38 percent there, not 80. For fractures, of which it finds half without a false
#   alarm, it is 50 percent, so the order changes too. The row "Total" of the table shows recall and is not the mean of its column.
#   AR S, AR M and AR L hold recall. ar_1, ar_10, ar_100 and ndets_100_evaluation are right.
# Seen: globox 2.9.0, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The CSV file is the only output of the library for tables of a paper. For screening, recall is the number that counts, and
#   the wrong values look plausible, as AP and AR lie in one range.
# Cause: Both functions take ndets_1_evaluation()[label]["ap"] for AR 1, and so on, where "ar" is meant.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check globox==2.9.0 numpy==2.4.6

cat > check.py <<'EOF'
import contextlib
import csv
import importlib.metadata
import io
import os
import re
import sys
import warnings
from globox import Annotation, AnnotationSet, BoundingBox, COCOEvaluator
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("globox", "numpy")))

def box(label, place, confidence=None):
    """One of 20 places on an image, which do not touch. All boxes are small, of 20 by 20 pixels."""
    return BoundingBox(label=label, xmin=30 * place, ymin=0, xmax=30 * place + 20, ymax=20, confidence=confidence)

# Ten images with two nodules and two fractures each. Boxes are either exact or off, so the IoU threshold does not matter.
truth, found = AnnotationSet(), AnnotationSet()
for i in range(10):
    name = f"{i}.png"
    truth.add(Annotation(name, (640, 480), [box(label, place) for label in ("nodule", "fracture") for place in (0, 1)]))
    boxes = [box("nodule", 5, 0.8), box("nodule", 0, 0.7), box("nodule", 6, 0.6), box("fracture", 1, 0.9)]
    if i < 6:
        boxes.append(box("nodule", 1, 0.5))
    found.add(Annotation(name, (640, 480), boxes))

def recall_by_hand(label, most):
    hits = positives = 0
    for reference in truth:
        places = {b.xmin for b in reference.boxes if b.label == label}
        seen = sorted((b for b in found[reference.image_id].boxes if b.label == label), key=lambda b: -b.confidence)[:most]
        hits += sum(b.xmin in places for b in seen)
        positives += len(places)
    return hits / positives

evaluator = COCOEvaluator(ground_truths=truth, predictions=found)
evaluator.save_csv("result.csv")
with open("result.csv", newline="") as file:
    rows = {row["label"]: row for row in csv.DictReader(file)}
check(sorted(rows) == ["fracture", "nodule"], f"rows {sorted(rows)}")
text = io.StringIO()
os.environ["COLUMNS"] = "250"
with contextlib.redirect_stdout(text):
    evaluator.show_summary()
table = {line.split()[1]: [float(x) / 100 for x in re.findall(r"(\d+\.\d+|nan)%", line)] for line in text.getvalue().splitlines() if "%" in line}
names = list(rows["nodule"])[1:]

def near(a, b):
    return abs(float(a) - b) < 6e-5

methods = {1: evaluator.ndets_1_evaluation(), 10: evaluator.ndets_10_evaluation(), 100: evaluator.ndets_100_evaluation()}
totals = {1: evaluator.ar_1(), 10: evaluator.ar_10(), 100: evaluator.ar_100()}
for label in ("nodule", "fracture"):
    row = rows[label]
    for most in (1, 10, 100):
        column = f"AR {most}"
        hand = recall_by_hand(label, most)
        print(f"{label}: {column} in the file {float(row[column]):.4f}, in the table {table[label][names.index(column)]:.4f},",
              f"from the method {methods[most][label]['ar']:.4f}, by hand {hand:.4f}; its AP is {methods[most][label]['ap']:.4f}")
        check(near(methods[most][label]["ar"], hand), f"{label}, {most}: the method says {methods[most][label]['ar']}, not {hand}")
        check(near(row[column], methods[most][label]["ap"]), f"{label}: {column} is {row[column]}")
        check(near(table[label][names.index(column)], methods[most][label]["ap"]), f"{label}: {column} of the table {table[label]}")
    check(not near(row["AR 100"], recall_by_hand(label, 100)), f"{label}: AR 100 is recall")
    check(near(row["AR 100"], float(row["AP 50:95"])), f"{label}: AR 100 is {row['AR 100']}, AP {row['AP 50:95']}")
    # All boxes are small, so AR S is AR 100, and this column is right.
    check(near(row["AR S"], recall_by_hand(label, 100)), f"{label}: AR S is {row['AR S']}")
for most, total in totals.items():
    column = names.index(f"AR {most}")
    mean = (recall_by_hand("nodule", most) + recall_by_hand("fracture", most)) / 2
    check(near(total, mean) and near(table["Total"][column], mean), f"total of AR {most}: {total}, {table['Total']}")
column = names.index("AR 100")
shown = (table["nodule"][column] + table["fracture"][column]) / 2
print(f"AR 100: the rows of the table have the mean {shown:.4f}, its row Total says {table['Total'][column]:.4f}")
check(abs(shown - table["Total"][column]) > 0.1, f"mean of the rows {shown}, total {table['Total'][column]}")
check(float(rows["nodule"]["AR 100"]) < 0.4 < float(rows["fracture"]["AR 100"]), f"order of the classes: {rows}")
check(near(rows["nodule"]["AR 100"], 0.3845) and near(recall_by_hand("nodule", 100), 0.8), f"nodules: {rows['nodule']}")
EOF
venv/bin/python check.py
