#!/usr/bin/env bash
# onnx2torch: cumulative sums run from the last element to the first, and a maximum over the last two axes is taken over other axes.
#
# Expected: A model that is exported from PyTorch to ONNX and converted back computes what it did, and what ONNX Runtime computes.
# Happens: CumSum without the attribute reverse is summed backwards, although ONNX says that it is 0 then, and the exporter of PyTorch
#   writes no attribute. The positions of the tokens of a masked text, 2 3 4 1 1, become 4 3 2 1 1. ReduceMax, ReduceMin and
#   ReduceProd with two negative axes and keepdims=0, which is amax(dim=(-2, -1)), reduce other axes than those: of 16 channels
#   of 16 by 16 pixels the maxima of the columns come out, as 16 numbers, in place of those of the channels. CumSum with
#   reverse=0, the same axes as 2 and 3, keepdims=1 and ReduceMean are right. Nothing is printed.
# Seen: onnx2torch 1.5.15, torch 2.9.1, onnx 1.23.2, onnxruntime 1.32.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Text encoders number the tokens by a cumulative sum of the mask, and top-p sampling, integrals and depths along a ray are
#   cumulative sums. A converted model gives plausible numbers, and training it on learns around them.
# Cause: The converter of CumSum takes get("reverse", 1). OnnxReduceStaticAxes reduces one axis after the other and lowers each axis by
#   the number of those before it, which is right for positive axes only.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check onnx2torch==1.5.15 torch==2.9.1 torchvision==0.24.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import io
import sys
import warnings
import numpy as np
import onnx
import onnx2torch
import onnxruntime
import torch
from onnx import TensorProto, helper

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("onnx2torch", "torch", "onnx", "onnxruntime")))

def exported(module, *inputs):
    file = io.BytesIO()
    with warnings.catch_warnings():
        # This exporter is announced as the old one.
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, file, opset_version=13, dynamo=False)
    return onnx.load_from_string(file.getvalue())

def single(kind, shape, **attributes):
    """A model of one node, for CumSum along axis 1."""
    inputs, values = ["x"], []
    if kind == "CumSum":
        inputs, values = ["x", "axis"], [helper.make_tensor("axis", TensorProto.INT64, [], [1])]
    graph = helper.make_graph([helper.make_node(kind, inputs, ["y"], **attributes)], "graph",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)

def both(model, x):
    """What ONNX Runtime and the converted model compute."""
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        converted = onnx2torch.convert(model)
        found = converted(torch.from_numpy(x)).detach().numpy()
    return session.run(None, {session.get_inputs()[0].name: x})[0], found

class Positions(torch.nn.Module):
    """The positions of the tokens of a text as in RoBERTa, where 1 means padding."""
    def forward(self, mask):
        return torch.cumsum(mask, dim=1) * mask + 1

class Peaks(torch.nn.Module):
    def forward(self, x):
        return x.amax(dim=(-2, -1))

mask = np.array([[1, 1, 1, 0, 0]])
model = exported(Positions(), torch.from_numpy(mask))
(node,) = [node for node in model.graph.node if node.op_type == "CumSum"]
check(not node.attribute, f"attributes of CumSum: {node.attribute}")
right, found = both(model, mask)
print("positions: PyTorch", Positions()(torch.from_numpy(mask)).tolist(), "ONNX Runtime", right.tolist(), "converted", found.tolist())
check(right.tolist() == [[2, 3, 4, 1, 1]] and found.tolist() == [[4, 3, 2, 1, 1]], f"positions {right} {found}")

x = np.array([[1, 2, 3, 4]], np.float32)
for attributes, wanted in [({}, [10, 9, 7, 4]), ({"reverse": 0}, [1, 3, 6, 10]), ({"reverse": 1}, [10, 9, 7, 4]), ({"exclusive": 1}, [9, 7, 4, 0])]:
    right, found = both(single("CumSum", x.shape, **attributes), x)
    print(f"CumSum {attributes}: ONNX Runtime {right[0].tolist()}, converted {found[0].tolist()}")
    check(found[0].tolist() == wanted, f"CumSum {attributes}: {found}")
    check(np.array_equal(right, found) == ("reverse" in attributes), f"CumSum {attributes}: {right} and {found}")

x = np.random.default_rng(0).normal(size=(2, 16, 16, 16)).astype(np.float32)
model = exported(Peaks(), torch.from_numpy(x))
right, found = both(model, x)
print("peaks of 16 channels of 16 by 16: shapes", right.shape, found.shape, "first ones", right[0, :4], found[0, :4])
check(np.array_equal(right, x.max(axis=(2, 3))), "peaks by ONNX Runtime")
check(np.array_equal(found, x.max(axis=(1, 2))) and not np.isclose(right, found).all(), "peaks of the converted model")

# Around 1, so that products of 256 numbers stay in range.
x = (1 + x / 50).astype(np.float32)
for kind, function in [("ReduceMax", np.max), ("ReduceMin", np.min), ("ReduceProd", np.prod), ("ReduceMean", np.mean)]:
    for axes, keepdims in [((-2, -1), 0), ((2, 3), 0), ((-2, -1), 1)]:
        right, found = both(single(kind, x.shape, axes=axes, keepdims=keepdims), x)
        same = np.allclose(right, found, rtol=1e-5)
        print(f"{kind} axes={axes} keepdims={keepdims}: {'as ONNX Runtime' if same else 'other numbers'}")
        check(right.shape == found.shape, f"{kind} {axes} {keepdims}: {found.shape}")
        check(np.allclose(right, function(x, axis=(2, 3), keepdims=bool(keepdims)), rtol=1e-5), f"{kind} by NumPy")
        check(same != (kind != "ReduceMean" and axes[0] < 0 and not keepdims), f"{kind} {axes} {keepdims}")
EOF
venv/bin/python check.py
