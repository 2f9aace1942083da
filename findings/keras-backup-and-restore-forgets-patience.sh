#!/usr/bin/env bash
# Keras: a run that is resumed by BackupAndRestore stops and lowers its learning rate at other epochs.
#
# Expected: BackupAndRestore is made for interruptions: the resumed run does what the uninterrupted one would
#   have done.
# Happens: Weights, optimizer and epoch are restored. EarlyStopping and ReduceLROnPlateau count their patience
#   from zero again. On a loss that does not improve, stopping moves from epoch 3 to 6 and the learning rate
#   falls once instead of twice.
# Seen: Keras 3.15.1 on JAX 0.10.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: On machines that are taken away often, a run with patience may never stop and never lower its rate.
#   Results depend on when it was interrupted.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6

cat > check.py <<'EOF'
import os
import shutil
import sys
os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("keras", keras.__version__, "backend", keras.backend.backend())
X = np.zeros((16, 4), "float32")
y = np.ones((16, 1), "float32")

class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

def run(callbacks):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    history = model.fit(X, y, epochs=9, verbose=0, callbacks=callbacks)
    return history.epoch, float(model.optimizer.learning_rate)

def both(make):
    whole = run([make()])
    shutil.rmtree("backup", ignore_errors=True)
    try:
        run([keras.callbacks.BackupAndRestore("backup", delete_checkpoint=False), make(), Interrupt()])
    except KeyboardInterrupt:
        pass
    return whole, run([keras.callbacks.BackupAndRestore("backup"), make()])

whole, resumed = both(lambda: keras.callbacks.EarlyStopping(monitor="loss", patience=3))
print("EarlyStopping(patience=3): uninterrupted epochs", whole[0], "resumed epochs", resumed[0])
check(whole[0][-1] == 3, "the uninterrupted run stops after epoch 3")
check(resumed[0] == [3, 4, 5, 6], "the resumed run goes on to epoch 6")

whole, resumed = both(lambda: keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=3, factor=0.5))
print("ReduceLROnPlateau(patience=3): rate at the end, uninterrupted", whole[1], "resumed", resumed[1])
check(whole[1] == 0.25, "the uninterrupted run lowers the rate twice")
check(resumed[1] == 0.5, "the resumed run lowers it once")
EOF
venv/bin/python check.py
