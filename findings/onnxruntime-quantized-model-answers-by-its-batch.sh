#!/usr/bin/env bash
# ONNX Runtime: after quantize_dynamic the answer for a row depends on the other rows of its batch.
#
# Expected: A model without batch normalization answers each row by itself, quantized or not. Rounding is the same each time.
# Happens: The quantized model scales its 8-bit activations by the smallest and the largest value of the whole batch. One row
#   with a large value takes the digits from all others: of 200 rows 199 get the right class alone, and 190 beside it. The
#   float model does not change.
# Seen: onnxruntime 1.32.0 with onnx 1.23.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A service that gathers requests into batches answers one request by the company it is in. Embeddings that were
#   computed in bulk differ from those of the same texts at query time, and accuracy depends on the batch size.
# Source: github.com/microsoft/onnxruntime/issues/10111, closed as expected
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat > check.py <<'EOF'
import logging
import sys
from importlib.metadata import version
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxruntime", "onnx")))
logging.disable(logging.WARNING)
weights = np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1], [0.5, -0.5, 0]], np.float32)
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size]) for name, size in (("x", 4), ("y", 3))]
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "graph", values[:1], values[1:], [numpy_helper.from_array(weights, "w")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "float.onnx")
quantize_dynamic("float.onnx", "quantized.onnx", weight_type=QuantType.QUInt8)

rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
large = np.array([[0, 0, 0, 60]], np.float32)

def classes(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    alone = np.vstack([session.run(None, {"x": row[None]})[0] for row in rows])
    beside = session.run(None, {"x": np.vstack([rows, large])})[0][:200]
    print(f"{path}: first row alone {alone[0].round(3)}, beside a large row {beside[0].round(3)}")
    return alone.argmax(1), beside.argmax(1)

right, beside = classes("float.onnx")
check((right == beside).all(), "the float model answers each row by itself")
alone, beside = classes("quantized.onnx")
print("rows with the class of the float model: alone", int((alone == right).sum()), "beside a large row", int((beside == right).sum()))
check((alone == right).mean() > 0.98, "alone the quantized model is right")
check((beside != alone).sum() >= 5, "beside a large row classes change")
EOF
venv/bin/python check.py
