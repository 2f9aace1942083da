#!/usr/bin/env bash
# ONNX: saving a model with external data appends to the data file that is there, and empties the model in
# memory.
#
# Expected: onnx.save overwrites, and does not change the model that it is given.
# Happens: Each save of folder/model.onnx adds all weights to its data file once more. (The check against an
#   existing data file looks into the current folder instead of that of the model.) After one save the model in
#   memory holds a reference instead of its weights: saved a second time into another folder, it gives a file of
#   under 200 bytes without weights, and no error.
# Seen: onnx 1.23.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: An export stage that runs again yields another digest and a file twice the size for the same model. A
#   second copy of the export is hollow, which shows when it is loaded elsewhere.
# Source: github.com/onnx/onnx/issues/6655 and pull request 6497, which was meant to refuse an existing data
#   file
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnx==1.23.2 numpy==2.4.6

cat > check.py <<'EOF'
import os
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("onnx", onnx.__version__)

def new_model():
    weights = numpy_helper.from_array(np.ones((10, 100), np.float32), "w")
    shape = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
                              [shape("x", TensorProto.FLOAT, [1, 10])], [shape("y", TensorProto.FLOAT, [1, 100])], [weights])
    return helper.make_model(graph)

external = dict(save_as_external_data=True, location="model.bin", size_threshold=0)
os.mkdir("export")
sizes = []
for _ in range(3):
    onnx.save(new_model(), "export/model.onnx", **external)
    sizes.append(os.path.getsize("export/model.bin"))
print("size of the data file after each of three saves of one model:", sizes)
check(sizes == [4000, 8000, 12000], "each save appends")

model = new_model()
os.mkdir("first")
os.mkdir("second")
onnx.save(model, "first/model.onnx", **external)
print("weights in memory after saving:", len(model.graph.initializer[0].raw_data), "bytes")
check(len(model.graph.initializer[0].raw_data) == 0, "the model in memory is empty")
onnx.save(model, "second/model.onnx")
print("second copy:", os.listdir("second"), os.path.getsize("second/model.onnx"), "bytes")
check(os.listdir("second") == ["model.onnx"] and os.path.getsize("second/model.onnx") < 1000, "the second copy is hollow")
try:
    onnx.load("second/model.onnx")
    check(False, "the second copy cannot be loaded")
except Exception as error:
    print("loading it:", type(error).__name__)
check(len(onnx.load("first/model.onnx").graph.initializer[0].raw_data) == 4000, "the first copy is whole")

onnx.save(new_model(), "model.onnx", **external)
try:
    onnx.save(new_model(), "first/model.onnx", **external)
    check(False, "a data file in the current folder is what is checked")
except FileExistsError as error:
    print("with a model.bin in the current folder, saving elsewhere is refused:", error)
EOF
venv/bin/python check.py
