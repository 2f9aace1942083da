#!/usr/bin/env bash
# ncnn: Mat reads a transposed or cropped NumPy image in the order of its memory, so that its channels are scrambled.
#
# Expected: ncnn.Mat(array) holds the numbers of the array in their places, or refuses an array with strides.
# Happens: Mat takes the shape of the array and the address of its first number, and ignores the strides. A picture
#   that was turned from rows by columns by channels to channels first with transpose becomes a Mat of the right shape
#   whose channels are mixed. A crop or every second row holds pixels of other places. There is no error. With
#   numpy.ascontiguousarray around it all is right.
# Seen: ncnn 1.0.20261020, NumPy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: transpose(2, 0, 1) is the usual step between a picture and a network. The output looks like a prediction,
#   and it is for a picture that nobody has taken.
# Source: github.com/Tencent/ncnn/issues/3082
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps ncnn==1.0.20261020 numpy==2.4.6

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import ncnn
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("ncnn", version("ncnn"), "numpy", np.__version__)
with open("mean.param", "w") as file:
    file.write("7767517\n2 2\nInput in 0 1 in\nPooling mean 1 1 in out 0=1 4=1\n")
open("mean.bin", "w").close()
net = ncnn.Net()
net.opt.num_threads = 1
check(net.load_param("mean.param") == 0 and net.load_model("mean.bin") == 0, "the network is loaded")

def channel_means(image):
    run = net.create_extractor()
    run.input("in", ncnn.Mat(image))
    return [round(float(mean), 2) for mean in np.array(run.extract("out")[1])]

image = np.empty((4, 4, 3), np.float32)
image[:] = [0, 128, 255]
view = image.transpose(2, 0, 1)
copy = np.ascontiguousarray(view)
check(np.array_equal(view, copy), "the view and the copy are equal")
print("means of the channels in NumPy:      ", view.mean(axis=(1, 2)).tolist())
print("of the contiguous copy in ncnn:      ", channel_means(copy))
print("of the transposed picture in ncnn:   ", channel_means(view))
check(channel_means(copy) == [0, 128, 255], "the copy is right")
check(np.ptp(channel_means(view)) < 30, "the three channels of the view are mixed")

table = np.arange(24, dtype=np.float32).reshape(4, 6)
for what, part in {"every second row": table[::2], "a crop": table[:2, :3], "transposed": table.T}.items():
    held = np.array(ncnn.Mat(part))
    print(f"\n{what} in NumPy: {part.tolist()}\n{what} in ncnn:  {held.tolist()}")
    check(held.shape == part.shape, "the shape is right")
    check(np.array_equal(held.ravel(), np.arange(part.size)), "the numbers are those in memory order")
    check(not np.array_equal(held, part), "they are not those of the array")
check(np.array_equal(np.array(ncnn.Mat(table)), table), "the whole table is right")
EOF
venv/bin/python check.py
