#!/usr/bin/env bash
# ONNX: its reference evaluator runs LSTM, GRU and RNN over the padding of a batch, and ignores clip and activations.
#
# Expected: The reference evaluator computes what the operator is defined to compute, or raises an error for what it lacks.
# Happens: sequence_lens and clip are taken and ignored by all three, activations by LSTM and GRU, input_forget by LSTM. A
#   sequence of two steps that is padded to four ends in another state than the same two steps alone. ONNX Runtime gives
#   the same state for both. LpNormalization with p=1 divides by the sum and not by the sum of absolute values, so signs flip.
# Seen: onnx 1.23.2 with onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The reference is the yardstick that converters and runtimes are held against. With sequences of one length they agree.
#   With a padded batch the runtime is blamed, or a converter is bent until it is as wrong.
# Source: The documentation of the operators LSTM, GRU, RNN and LpNormalization
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnx", "onnxruntime")))
types = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
rng = np.random.default_rng(0)
hidden = 3

def run(op, inputs, outputs, **attributes):
    names = ["" if value is None else f"x{i}" for i, value in enumerate(inputs)]
    feed = {name: value for name, value in zip(names, inputs) if name}
    values = [helper.make_tensor_value_info(name, types[value.dtype.name], value.shape) for name, value in feed.items()]
    node = helper.make_node(op, names, outputs, **attributes)
    graph = helper.make_graph([node], "graph", values, [helper.make_empty_tensor_value_info(outputs[-1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [r.run(None, feed)[0] for r in (session, ReferenceEvaluator(model))]

for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    steps = rng.normal(size=(4, 2, 2)).astype(np.float32)
    weights = [rng.normal(size=(1, gates * hidden, size)).astype(np.float32) for size in (2, hidden)]
    bias = np.zeros((1, 2 * gates * hidden), np.float32)

    def last(steps, lengths=None, **attributes):
        return [state[0, -1] for state in run(op, [steps, *weights, bias, lengths], ["", "state"], hidden_size=hidden, **attributes)]

    plain = last(steps)
    check(np.allclose(*plain, atol=1e-5), f"{op}: both agree without lengths")
    alone = last(steps[:2, 1:].copy())
    padded = last(steps, np.array([4, 2], np.int32))
    print(f"{op}: two steps alone {alone[0].round(3)}, padded to four: ONNX Runtime {padded[0].round(3)}, reference {padded[1].round(3)}")
    check(np.allclose(*alone, atol=1e-5) and np.allclose(padded[0], alone[0], atol=1e-5), f"{op}: ONNX Runtime stops at the length")
    check((padded[1] == plain[1]).all() and not np.allclose(padded[1], alone[1], atol=1e-2), f"{op}: the reference ignores the lengths")

    others = {"clip": 0.1}
    if op != "RNN":
        others["activations"] = ["Sigmoid", "Relu", "Relu"][: 3 if op == "LSTM" else 2]
    if op == "LSTM":
        others["input_forget"] = 1
    for name, value in others.items():
        runtime, reference = last(steps, **{name: value})
        print(f"  {name}={value}: ONNX Runtime {runtime.round(3)}, reference {reference.round(3)}")
        check(not np.allclose(runtime, plain[0], atol=1e-3), f"{op}: {name} makes a difference")
        check((reference == plain[1]).all(), f"{op}: the reference ignores {name}")

for p, agree in ((2, True), (1, False)):
    runtime, reference = run("LpNormalization", [np.array([[1, -3]], np.float32)], ["y"], p=p)
    print(f"LpNormalization of 1 and -3 with p={p}: ONNX Runtime {runtime[0]}, reference {reference[0]}")
    check(np.allclose(runtime, reference) == agree, f"p={p}")
check(runtime.tolist() == [[0.25, -0.75]] and reference.tolist() == [[-0.5, 1.5]], "the reference divides by the sum")
EOF
venv/bin/python check.py
