#!/usr/bin/env bash
# ONNX: its version converter turns Resize, Hardmax and Softmax into operators that compute something else.
#
# Expected: convert_version gives a model that computes the same, or an error for an operator that it cannot convert.
# Happens: Opset 11 gave Resize an attribute for where pixels lie, opset 13 gave Softmax and Hardmax another meaning of their
#   axis. Upwards, Resize and Upsample get the new default, so the pixels 0 1 2 3 are doubled to 0 0.25 0.75 and not to
#   0 0.5 1. Hardmax keeps its axis with the new meaning. Downwards, Softmax over the classes of an image becomes one over
#   classes and pixels together. Softmax upwards is right, and Hardmax downwards is refused.
# Seen: onnx 1.23.2 with onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A model is converted because another runtime wants another opset. It passes the checker, has the same shapes, and
#   a segmentation is a little or wholly off.
# Source: github.com/onnx/onnx/issues/8480 for Resize
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, version_converter

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnx", "onnxruntime")))

def model(op, x, opset, inputs=(), **attributes):
    node = helper.make_node(op, ["x", *(tensor.name for tensor in inputs)], ["y"], **attributes)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"d{i}" for i in range(x.ndim)])
    graph = helper.make_graph([node], "graph", [value], [result], list(inputs))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)

def run(made, x):
    onnx.checker.check_model(made)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]

def compare(op, x, old, new, inputs=(), **attributes):
    made = model(op, x, old, inputs, **attributes)
    before, after = run(made, x), run(version_converter.convert_version(made, new), x)
    print(f"{op} {old} to {new}:", before.round(3).tolist(), "becomes", after.round(3).tolist())
    check(before.shape == after.shape, f"{op} keeps its shape")
    return before, after

def scales(factor):
    return [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 1, factor])]

row = np.array([[[[0, 1, 2, 3]]]], np.float32)
for op, opset in (("Resize", 10), ("Upsample", 9)):
    before, after = compare(op, row, opset, 13, scales(2), mode="linear")
    check(before.ravel().tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3], f"{op} of opset {opset} counts from the corner of a pixel")
    check(after.ravel().tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], "the converted model counts from its centre")
before, after = compare("Resize", row, 10, 13, scales(0.25), mode="nearest")
check((before.item(), after.item()) == (0, 1), "another pixel is the nearest one")

scores = np.array([[[1, 9], [5, 2]]], np.float32)
before, after = compare("Hardmax", scores, 11, 13)
check((before.sum(), after.sum()) == (1, 2), "Hardmax picks one of four before and one of each pair after")
before, after = compare("Softmax", scores, 11, 13)
check((before == after).all(), "Softmax is converted upwards without a change")

before, after = compare("Softmax", scores, 13, 12, axis=1)
check(np.allclose(before.sum(1), 1), "the two classes of each pixel sum to one")
check(np.isclose(after.sum(), 1), "after it the whole image sums to one")
check(before.argmax(1).tolist() == [[1, 0]] and (before.max(1) > 0.9).all() and (after.max(1) > 0.5).tolist() == [[False, True]],
      "a pixel of class 1 falls below a half")
try:
    version_converter.convert_version(model("Hardmax", scores, 13, axis=1), 12)
    check(False, "Hardmax downwards is refused")
except RuntimeError as error:
    print("Hardmax 13 to 12:", str(error).split(": ")[-1])
EOF
venv/bin/python check.py
