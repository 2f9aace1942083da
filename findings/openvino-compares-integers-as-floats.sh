#!/usr/bin/env bash
# OpenVINO: integers above 2^24 are compared as 32-bit floats, so two neighbouring ids are equal and a maximum is no element.
#
# Expected: Equal, Greater, Mod and ReduceMax of integers are exact, as in ONNX Runtime and NumPy. The page of the CPU device lists
#   32-bit integers among its types, and the compiled model says of these nodes that they are computed as i32.
# Happens: They are computed as 32-bit floats all the same. 16777217 is equal to 16777216 and not greater. The largest of four
#   ids is 16777220, which is none of them, and the last digits of an id, by Mod with 1000, are off by one. Add, Max of two
#   tensors and Gather of the same ids are exact. It is the same for 64-bit integers of this size, and with the hints for
#   accuracy and for f32.
# Seen: openvino 2026.4.1, onnx 1.23.2, onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64 with AVX-512, in November 2026.
# Matters: Items, users and hashed features of recommenders have ids above 16.7 million, and their models hold masks such as
#   "this candidate is the target" or "seen before". Embeddings are looked up rightly, and the mask beside them marks the
#   neighbour. Hit rates rise, and the row of a hash table is another than in training.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("openvino", openvino.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
HINTS = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
ids = [16777217, 16777219, 16777221, 4]
others = [16777216, 16777219, 16777220, 3]
# Operator, second input, NumPy, what OpenVINO returns.
exact = None
cases = [
    ("Equal", others, np.equal, [True, True, True, False]),
    ("Greater", others, np.greater, [False, False, False, True]),
    ("Mod", [1000] * 4, np.mod, [216, 220, 220, 4]),
    ("ReduceMax", None, lambda a, _: a.max(), 16777220),
    ("Add", others, np.add, exact),
    ("Max", others, np.maximum, exact),
    ("Gather", [3, 2, 1, 0], lambda a, b: a[b], exact),
]
for dtype, kind in [(np.int32, TensorProto.INT32), (np.int64, TensorProto.INT64)]:
    for operator, second, numpy, seen in cases:
        feed = {"a": np.array(ids, dtype)}
        if second is not None:
            feed["b"] = np.array(second, dtype)
        wanted = np.asarray(numpy(feed["a"], feed.get("b")))
        node = helper.make_node(operator, list(feed), ["y"], **({"keepdims": 0} if operator == "ReduceMax" else {}))
        result = TensorProto.BOOL if wanted.dtype == bool else kind
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(name, kind, [4]) for name in feed],
                                  [helper.make_tensor_value_info("y", result, list(wanted.shape))])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, "model.onnx")
        runtime = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"]).run(None, feed)[0]
        check(np.array_equal(runtime, wanted), f"ONNX Runtime: {operator} of {dtype.__name__} is {runtime}")
        for hints in ({}, HINTS):
            compiled = openvino.Core().compile_model("model.onnx", "CPU", hints)
            got = compiled(feed)[0]
            check(np.array_equal(got, wanted if seen is exact else seen), f"OpenVINO: {operator} of {dtype.__name__} is {got}")
        types = {op.get_rt_info()["runtimePrecision"].astype(str) for op in compiled.get_runtime_model().get_ops()
                 if op.get_rt_info()["layerType"].astype(str) in ("Eltwise", "Reduce")}
        check(operator == "Gather" or types == {"i32"}, f"the compiled model says that {operator} is computed as {types}")
        print(f"{operator} of {dtype.__name__}: NumPy and ONNX Runtime {wanted.tolist()}, OpenVINO {got.tolist()}")
EOF
venv/bin/python check.py
