#!/usr/bin/env bash
# ONNX Runtime adds up 64-bit integers as doubles, so ReduceSum is off above 2^53 and stops at the largest integer.
#
# Expected: ReduceSum of integers is the sum of these integers, as with MatMul and CumSum of the same runtime, and wraps
#   around on overflow as they do.
# Happens: ReduceSum, ReduceL1, ReduceProd and Pow compute in doubles and cast the result back. 2^53+1 and 2 make 2^53+2.
#   A sum that overflows is 2^63-1, also where NumPy and the same sum as a MatMul with ones wrap around.
# Seen: onnxruntime 1.32.0 with onnx 1.23.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A model that hashes its keys inside the graph multiplies, sums and takes the remainder. All keys of which the sum
#   overflows fall into one bucket, while training in NumPy or PyTorch spread them.
# Source: github.com/microsoft/onnxruntime/pull/28743 made sums of integers stop at the largest one
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("onnxruntime", "onnx")))

def run(x, *nodes, **constants):
    made = [helper.make_node(op, inputs, [output], **attributes) for op, inputs, output, attributes in nodes]
    value = helper.make_tensor_value_info("x", TensorProto.INT64, x.shape)
    result = helper.make_empty_tensor_value_info("y")
    tensors = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()]
    model = helper.make_model(helper.make_graph(made, "graph", [value], [result], tensors),
                              opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [r.run(None, {"x": x})[0].ravel().tolist() for r in (session, ReferenceEvaluator(model))]

def compare(what, x, *nodes, **constants):
    runtime, reference = run(np.array(x, np.int64), *nodes, **constants)
    print(f"{what} of {x}: ONNX Runtime {runtime}, reference {reference}")
    return runtime, reference

large = 2**53 + 1
for op, right in (("ReduceSum", large + 2), ("ReduceL1", large + 2), ("ReduceProd", 2 * large)):
    runtime, reference = compare(op, [[large, 2]], (op, ["x", "axis"], "y", {}), axis=[1])
    check(reference == [right] and runtime == [right - (2 if op == "ReduceProd" else 1)], f"{op} is rounded")
runtime, reference = compare("Pow with 1", [large], ("Pow", ["x", "one"], "y", {}), one=[1])
check((runtime, reference) == ([large - 1], [large]), "Pow is rounded")
runtime, reference = compare("MatMul with ones", [[large, 2]], ("MatMul", ["x", "ones"], "y", {}), ones=[[1], [1]])
check(runtime == reference == [large + 2], "MatMul is exact")

half = 2**62
runtime, reference = compare("ReduceSum", [[half, half]], ("ReduceSum", ["x", "axis"], "y", {}), axis=[1])
check((runtime, reference) == ([2**63 - 1], [-2**63]), "ReduceSum stops at the largest integer")
runtime, reference = compare("MatMul with ones", [[half, half]], ("MatMul", ["x", "ones"], "y", {}), ones=[[1], [1]])
check(runtime == reference == [-2**63], "MatMul wraps around")

keys = np.arange(1, 1001, dtype=np.int64).reshape(-1, 1) * np.array([[1, 7]])
factors = [[0x1E3779B97F4A7C15], [0x42B2AE3D27D4EB4F]]
scaled = ("Mul", ["x", "row"], "scaled", {})
bucket = ("Mod", ["sum", "buckets"], "y", {})
by_sum, reference = run(keys, scaled, ("ReduceSum", ["scaled", "axis"], "sum", {}), bucket, row=np.ravel(factors), axis=[1], buckets=[1024])
by_product, _ = run(keys, ("MatMul", ["x", "column"], "sum", {}), bucket, column=factors, buckets=[1024])
print("buckets of 1000 keys: by ReduceSum", len(set(by_sum)), "by MatMul", len(set(by_product)))
check(by_product == reference, "MatMul and the reference put every key into the same bucket")
differ = sum(a != b for a, b in zip(by_sum, reference))
print("keys in another bucket by ReduceSum:", differ)
check(differ > 900 and len(set(by_sum)) < len(set(by_product)) / 2, "ReduceSum puts most keys elsewhere and many together")
EOF
venv/bin/python check.py
