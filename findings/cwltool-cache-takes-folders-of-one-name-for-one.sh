#!/usr/bin/env bash
# cwltool: with --cachedir a step gets the result of another folder with the same last name, and of a folder before it was edited.
#
# Expected: The specification lets an implementation reuse earlier work since the same code with the same input gives the same
#   output. Files follow that: cwltool takes their path, size and checksum into the key. A folder with other files is another input.
# Happens: Of an input of type Directory only its name on the command line goes into the key, without the folders above it. So
#   train/images and test/images are the same input, in one workflow as well as in two runs. A file that is added, edited or
#   removed changes nothing either. The log says "Using cached output", and --quiet says nothing.
# Seen: cwltool 3.3.20260925135507, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Images lie in folders, and the folders of train, val and test have the same inner names. A step that counts labels,
#   computes means or evaluates a model returns the numbers of the training set for the test set. Without --cachedir all is right.
# Cause: The key is made from the files of the path mapper, and the default for a folder is loadListing: no_listing.
# Remedy: loadListing: deep_listing at the input.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check cwltool==3.3.20260925135507

cat > count.cwl <<'EOF'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [grep, -rhc, ""]
inputs:
  images:
    type: Directory
    inputBinding: {position: 1}
outputs:
  counts: stdout
stdout: counts.txt
EOF
cat > both.cwl <<'EOF'
cwlVersion: v1.2
class: Workflow
inputs:
  train: Directory
  test: Directory
outputs:
  of_train: {type: File, outputSource: count_train/counts}
  of_test: {type: File, outputSource: count_test/counts}
steps:
  count_train:
    run: count.cwl
    in: {images: train}
    out: [counts]
  count_test:
    run: count.cwl
    in: {images: test}
    out: [counts]
EOF
# The same step with its folder listed, and with a file in place of the folder.
sed 's/type: Directory/type: Directory\n    loadListing: deep_listing/' count.cwl > listed.cwl
sed 's/type: Directory/type: File/' count.cwl > file.cwl

cat > check.py <<'EOF'
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("cwltool", importlib.metadata.version("cwltool"))

def cwl(tool, *arguments, cache=True):
    """The outputs of a run, as text."""
    options = ["--cachedir", "cache"] if cache else []
    command = [sys.executable, "-m", "cwltool", "--quiet", "--no-container", "--outdir", "out", *options, tool, *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(run.returncode == 0, f"cwltool failed: {run.stdout}")
    check(run.stdout.startswith("{"), f"a warning: {run.stdout}")
    return {name: open(output["path"]).read().split() for name, output in json.loads(run.stdout).items()}

def write(path, lines):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("image\n" * lines)

# One list of 70 images for training and one of 30 for the test.
write("train/images/list.txt", 70)
write("test/images/list.txt", 30)
folders = ["--train", "train/images", "--test", "test/images"]

right = cwl("both.cwl", *folders, cache=False)
print("workflow without a cache:", right)
check(right == {"of_train": ["70"], "of_test": ["30"]}, f"without a cache: {right}")
found = cwl("both.cwl", *folders)
print("workflow with --cachedir:", found)
check(found["of_train"] == found["of_test"] and found["of_train"] in (["70"], ["30"]), f"with a cache: {found}")

def runs(tool, inside=""):
    """The counts for train, for test, and for train after 10 images were added, with a cache that is empty at first."""
    shutil.rmtree("cache", ignore_errors=True)
    write("train/images/list.txt", 70)
    counts = cwl(tool, "--images", "train/images" + inside)["counts"]
    counts += cwl(tool, "--images", "test/images" + inside)["counts"]
    write("train/images/list.txt", 80)
    return counts + cwl(tool, "--images", "train/images" + inside)["counts"]

for tool, inside, wanted in [
    ("file.cwl", "/list.txt", ["70", "30", "80"]),
    ("listed.cwl", "", ["70", "30", "80"]),
    ("count.cwl", "", ["70", "70", "70"]),
]:
    counts = runs(tool, inside)
    print(f"{tool}: train {counts[0]}, test {counts[1]}, train after 10 images were added {counts[2]}")
    check(counts == wanted, f"{tool}: {counts}")

# A folder with another name is another input.
shutil.copytree("test/images", "test/pictures")
counts = cwl("count.cwl", "--images", "test/pictures")["counts"]
print("count.cwl: test under another name", *counts)
check(counts == ["30"], f"a folder with another name: {counts}")
EOF
venv/bin/python check.py
