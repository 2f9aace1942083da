#!/usr/bin/env bash
# ONNX Runtime: ReduceMax, ArgMax and GlobalMaxPool skip NaN, while Max of two tensors and the reference
# evaluator keep it.
#
# Expected: A maximum with NaN among its values is NaN, as in NumPy and in the evaluator that comes with ONNX.
#   Or it is skipped everywhere.
# Happens: ReduceMax of 1, NaN, 3, 2 is 3, ArgMax is 2 and GlobalMaxPool is 3. The reference evaluator gives
#   NaN, 1 and NaN. Max of two tensors, Relu and Softmax keep the NaN in both.
# Seen: onnxruntime 1.32.0 on the CPU, onnx 1.23.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A network that overflows in one place returns a class and a confident score. The check for NaN at
#   the output never fires after the model was exported.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxruntime", "onnx")))
x = np.array([[[1, np.nan, 3, 2]]], np.float32)

def run(op, inputs=("x",), **attributes):
    node = helper.make_node(op, inputs, ["y"], **attributes)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in sorted(set(inputs))]
    graph = helper.make_graph([node], "graph", values, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    feed = {value.name: x if value.name == "x" else np.zeros_like(x) for value in values}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.ravel(r.run(None, feed)[0]).tolist() for r in (session, ReferenceEvaluator(model))]

for op, args, expected in (
    ("ReduceMax", dict(keepdims=0), 3), ("ReduceMin", dict(keepdims=0), 1), ("ArgMax", dict(axis=2, keepdims=0), 2), ("GlobalMaxPool", {}, 3),
    ("Max", dict(inputs=("x", "z")), None), ("Relu", {}, None), ("Softmax", {}, None),
):
    runtime, reference = run(op, **args)
    print(f"{op}: ONNX Runtime {runtime}, reference {reference}")
    if expected is None:
        check(np.isnan(runtime[1]) and np.isnan(reference[1]), f"both keep NaN in {op}")
    else:
        check(runtime == [expected], f"{op} skips NaN in ONNX Runtime")
        check(reference == [1] if op == "ArgMax" else np.isnan(reference[0]), f"{op} does not skip it in the reference")
EOF
venv/bin/python check.py
