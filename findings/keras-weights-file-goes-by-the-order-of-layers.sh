#!/usr/bin/env bash
# Keras: load_weights gives the weights of one named layer to another when the layers come in another order.
#
# Expected: Layers have names and the file holds them, so weights go to the layer of their name. If not, the
#   call fails.
# Happens: The file is read by the place of a layer among those of its class. A model with the outputs color
#   and shape, loaded into one with shape and color, has the two heads swapped. The name of each layer is in
#   the file but is not compared. The same holds for a .keras file that is given to load_weights.
# Seen: Keras 3.15.1 on JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Reordering outputs or layers in code is a harmless edit, and fine-tuning starts with load_weights.
#   Shapes fit, no warning appears, and the heads answer each other's question.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import os
import sys
os.environ["KERAS_BACKEND"] = "jax"
import h5py
import keras
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("keras", keras.__version__, "backend", keras.backend.backend())

def build(first, second):
    image = keras.Input((4,))
    heads = {name: keras.layers.Dense(3, name=name)(image) for name in ("color", "shape")}
    return keras.Model(image, [heads[first], heads[second]])

kernel = lambda model, name: np.asarray(model.get_layer(name).kernel)
old = build("color", "shape")
old.save_weights("old.weights.h5")
old.save("old.keras")
with h5py.File("old.weights.h5") as file:
    names = {group: file[f"layers/{group}/vars"].attrs["name"] for group in file["layers"] if group.startswith("dense")}
print("names in the file:", names)
check(names == {"dense": "color", "dense_1": "shape"}, "the names are in the file")
for path in ("old.weights.h5", "old.keras"):
    same, other = build("color", "shape"), build("shape", "color")
    same.load_weights(path)
    other.load_weights(path)
    check(np.array_equal(kernel(old, "color"), kernel(same, "color")), "the same order is right")
    swapped = np.array_equal(kernel(old, "color"), kernel(other, "shape")) and np.array_equal(kernel(old, "shape"), kernel(other, "color"))
    print(f"{path}: layers {[l.name for l in other.layers[1:]]}, heads swapped: {swapped}")
    check(swapped, "another order swaps the heads")
EOF
venv/bin/python check.py
