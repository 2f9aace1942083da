#!/usr/bin/env bash
# ONNX Runtime replaces a normalization by the mean of fourth powers with LayerNormalization, which uses squares.
#
# Expected: Optimizing a model when it is loaded does not change what it computes.
# Happens: The optimizer looks for mean, difference, Pow, mean, root, division, scale and shift, and puts LayerNormalization in
#   their place. It does not look at the exponent of Pow. With 4 and 6 the outputs are those of squares, 0.4 and 0.8 off. With
#   the optimizer switched off they are right; its basic level is enough to spoil them. For a norm that does not subtract the
#   mean it does look at the exponent.
# Seen: onnxruntime 1.32.0 with onnx 1.23.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The optimizer is on by default. Whoever tries another norm than everybody's gets the usual one in production, with
#   outputs of the usual size, and a training loss that cannot be reproduced.
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
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxruntime", "onnx")))
x = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
levels = onnxruntime.GraphOptimizationLevel

def model(exponent, centred):
    d = "d" if centred else "x"
    steps = [
        ("Pow", [d, "exponent"], "p", {}), ("ReduceMean", ["p"], "v", {"axes": [-1]}), ("Add", ["v", "epsilon"], "e", {}),
        ("Sqrt", ["e"], "s", {}), ("Div", [d, "s"], "n", {}), ("Mul", ["n", "scale"], "k", {}), ("Add", ["k", "shift"], "y", {}),
    ]
    if centred:
        steps = [("ReduceMean", ["x"], "m", {"axes": [-1]}), ("Sub", ["x", "m"], "d", {}), *steps]
    constants = {"exponent": exponent, "epsilon": 1e-5, "scale": [1] * 8, "shift": [0] * 8}
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], **attributes) for op, inputs, output, attributes in steps], "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()

def run(made, level):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = level
    options.optimized_model_filepath = "optimized.onnx"
    result = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    return result, [node.op_type for node in onnx.load("optimized.onnx").graph.node]

def by_hand(exponent, centred):
    d = x - x.mean(-1, keepdims=True) if centred else x
    return d / np.sqrt((d**exponent).mean(-1, keepdims=True) + 1e-5)

for centred in (True, False):
    for exponent in (2, 4, 6):
        made = model(exponent, centred)
        right = by_hand(exponent, centred)
        found, nodes = run(made, levels.ORT_ENABLE_ALL)
        error = float(abs(found - right).max())
        print(f"exponent {exponent}, {'minus the mean' if centred else 'plain'}: largest error {error:.3f}, nodes:", *nodes)
        check(np.allclose(run(made, levels.ORT_DISABLE_ALL)[0], right, atol=1e-4), "without the optimizer it is right")
        if centred and exponent != 2:
            check(nodes == ["LayerNormalization"] and error > 0.3, f"exponent {exponent} is replaced by LayerNormalization")
            check(np.allclose(found, by_hand(2, True), atol=1e-4), "the output is that of squares")
            check(np.allclose(run(made, levels.ORT_ENABLE_BASIC)[0], found, atol=1e-4), "the basic level does it too")
        else:
            check(error < 1e-4, "it is right")
EOF
venv/bin/python check.py
