#!/usr/bin/env bash
# Flax: from_bytes restores a checkpoint into a target of other shapes and types and returns what was in the
# file.
#
# Expected: The target describes the model. A checkpoint of another size does not fit it and is refused, as one
#   with missing keys is.
# Happens: Only the names of the tree are compared. A weight of shape (5, 7) goes where (2, 3) was declared,
#   bfloat16 where float32 was. Broadcasting then often hides it: the bias of one unit below is added to all
#   three.
# Seen: flax 0.12.8 with JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The wrong checkpoint is loaded without an error, and a model of the wrong size or precision is
#   evaluated.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check flax==0.12.8 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import flax
import jax
import jax.numpy as jnp
from flax import serialization

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("flax", flax.__version__, "jax", jax.__version__)
model = {"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)}
other = {"w": jnp.ones((2, 3), jnp.bfloat16), "b": jnp.ones(1)}
wide = {"w": jnp.ones((5, 7)), "b": jnp.ones(7)}

for name, checkpoint in (("other", other), ("wide", wide)):
    restored = serialization.from_bytes(model, serialization.to_bytes(checkpoint))
    got = {k: (v.shape, str(v.dtype)) for k, v in restored.items()}
    print(f"{name}: declared", {k: (v.shape, str(v.dtype)) for k, v in model.items()}, "restored", got)
    check(got == {k: (v.shape, str(v.dtype)) for k, v in checkpoint.items()}, "shapes and types of the file win")
    if name == "other":
        output = jnp.ones((1, 2)) @ restored["w"].astype(jnp.float32) + restored["b"]
        print("output of the model with the foreign bias:", output)
        check(output.shape == (1, 3), "broadcasting hides it")

try:
    serialization.from_bytes(model, serialization.to_bytes({"w": model["w"]}))
    check(False, "a missing key is refused")
except ValueError as error:
    print("missing key: refused,", str(error).splitlines()[0][:80])
EOF
venv/bin/python check.py
