#!/usr/bin/env bash
# Keras: training that goes on from a .keras file draws other dropout masks than training that was not
# interrupted.
#
# Expected: A .keras file holds model, optimizer and state. With all seeds set, 2 epochs, save, load and 2 more
#   epochs give the weights of 4 epochs. Without dropout they do, bit for bit.
# Happens: The state of the random generator of Dropout is a variable of the model but is not in the file. After
#   loading it is new and random, so two loads of one file train to two different models. Dropout(seed=1) goes
#   back to the first mask instead.
# Seen: Keras 3.15.1 on JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A resumed run cannot reproduce an uninterrupted one, and cannot even reproduce itself.
# Source: github.com/keras-team/keras/issues/19796, closed as stale
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
import keras
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("keras", keras.__version__, "backend", keras.backend.backend())
rng = np.random.default_rng(0)
X = rng.normal(size=(64, 4)).astype("float32")
y = rng.normal(size=(64, 1)).astype("float32")

def new(dropout):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), dropout, keras.layers.Dense(1)]
    model = keras.Sequential([layer for layer in layers if layer is not None])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model

def fit(model, epochs):
    model.fit(X, y, epochs=epochs, shuffle=False, verbose=0, batch_size=16)
    return [np.array(w) for w in model.get_weights()]

state = lambda model: [np.array(v).tolist() for v in model.variables if "seed_generator_state" in v.path]
gap = lambda a, b: max(float(np.abs(u - v).max()) for u, v in zip(a, b))

def compare(make):
    whole = fit(new(make()), 4)
    half = new(make())
    fit(half, 2)
    half.save("half.keras")
    saved = state(half)
    loaded = [keras.models.load_model("half.keras") for _ in range(2)]
    states = [state(m) for m in loaded]
    first, second = (fit(m, 2) for m in loaded)
    return saved, states, gap(whole, first), gap(first, second)

saved, states, lost, between = compare(lambda: None)
print("no dropout: difference to 4 epochs", lost, "between two loads", between)
check(lost == 0 and between == 0, "without dropout resuming is exact")
saved, states, lost, between = compare(lambda: keras.layers.Dropout(0.5))
print("dropout: generator when saved", saved, "after two loads", states)
print("dropout: difference to 4 epochs", lost, "between two loads", between)
check(all(s != saved for s in states), "the state is not restored")
check(states[0] != states[1], "each load has another state")
check(lost > 1e-3 and between > 1e-3, "the weights differ")
saved, states, lost, between = compare(lambda: keras.layers.Dropout(0.5, seed=1))
print("dropout with a seed: generator when saved", saved, "after two loads", states)
check(states[0] == states[1] == [[1, 0]] != saved, "with a seed it starts again")
check(lost > 1e-3 and between == 0, "reproducible, but not the uninterrupted run")
EOF
venv/bin/python check.py
