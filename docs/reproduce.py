"""The test accuracy of a trained model, computed from its artifacts alone: NumPy, no Kiln, no candle.

    python3 docs/reproduce.py out/train/5/model.safetensors out/normalise/test.safetensors

reads the architecture and the weights from the model's file, runs the test images through the network in float32, and
prints how many it classifies rightly: the number that `evaluate` reports. A safetensors file is eight bytes with the
length of a JSON header, the header, and the arrays; Kiln keeps its own facts as JSON under the metadata key `kiln`.
"""

import json
import struct
import sys

import numpy

TYPES = {"F32": numpy.float32, "U32": numpy.uint32}


def read(path):
    """The arrays of a safetensors file, and Kiln's metadata."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    kept = json.loads(header.pop("__metadata__", {}).get("kiln", "{}"))
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = numpy.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, {key: json.loads(value) for key, value in kept.items()}


def windows(x, size, stride, padding, fill):
    """Every window of images [N, H, W, C]: [N, rows, columns, H of the window, W of it, C]."""
    if padding == "same":
        # The odd row or column of padding comes last, as in Keras.
        room = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(x.shape[1:3], size)]
        edges = [(r // 2, r - r // 2) for r in room]
        x = numpy.pad(x, [(0, 0), *edges, (0, 0)], constant_values=fill)
    view = numpy.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return view[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def activate(x, kind):
    """Softmax does not change which class is the largest, and is left out."""
    return numpy.maximum(x, 0) if kind == "relu" else x


def conv(x, weights, name, kernel, stride, padding):
    w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
    taken = windows(x, tuple(kernel), stride, padding, 0.0)
    shape = taken.shape[:3]
    return (taken.reshape(-1, w[..., 0].size) @ w.reshape(-1, w.shape[-1]) + b).reshape(*shape, -1)


def layer(x, spec, weights):
    kind, name = spec["type"], spec["name"]
    if kind == "conv":
        y = conv(x, weights, name, spec["kernel"], spec["stride"], spec["padding"])
        return activate(y, spec["activation"])
    if kind in ("max_pool", "avg_pool"):
        fill = -numpy.inf if kind == "max_pool" else numpy.nan
        taken = windows(x, (spec["size"],) * 2, spec["stride"] or spec["size"], spec["padding"], fill)
        # Padding does not count: the maximum ignores -inf, the mean NaN.
        return taken.max((3, 4)) if kind == "max_pool" else numpy.nanmean(taken, (3, 4))
    if kind == "global_avg_pool":
        return x.mean((1, 2))
    if kind == "flatten":
        return x.reshape(len(x), -1)
    if kind == "dense":
        return activate(x @ weights[f"{name}.weight"] + weights[f"{name}.bias"], spec["activation"])
    if kind == "dropout":
        return x
    if kind == "batch_norm":
        scale, bias, mean, variance = (weights[f"{name}.{part}"] for part in ("scale", "bias", "mean", "variance"))
        y = (x - mean) / numpy.sqrt(variance + numpy.float32(spec["epsilon"])) * scale + bias
        return activate(y, spec["activation"])
    if kind == "residual":
        y = run(x, spec["layers"], weights)
        if f"{name}_projection.weight" in weights:
            x = conv(x, weights, f"{name}_projection", (1, 1), -(-x.shape[1] // y.shape[1]), "same")
        return activate(x + y, spec["activation"])
    if kind == "inception":
        return numpy.concatenate([run(x, branch, weights) for branch in spec["branches"]], -1)
    raise SystemExit(f"layer `{name}`: no type `{kind}` is known here")


def run(x, layers, weights):
    for spec in layers:
        x = layer(x, spec, weights)
    return x


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: reproduce.py MODEL.safetensors TEST.safetensors")
    weights, facts = read(sys.argv[1])
    data, _ = read(sys.argv[2])
    images, labels = data["images"], data["labels"]
    right = 0
    for start in range(0, len(images), 250):
        logits = run(images[start : start + 250], facts["architecture"]["layers"], weights)
        right += int((logits.argmax(1) == labels[start : start + 250]).sum())
    print(f"{facts['architecture']['name']}: {right} of {len(labels)} right, accuracy {right / len(labels):.4f}")


if __name__ == "__main__":
    main()
