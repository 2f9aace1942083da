"""A small network on four noisy spirals, with `fit` and a callback."""

import keras
import numpy as np

import kiln

p = kiln.params(epochs=4, rate=0.01, seed=1)
keras.utils.set_random_seed(p.seed)


def spirals(rows, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, rows)
    turn = 0.2 + 2.3 * rng.random(rows)
    angle = np.pi * (turn + label / 2)
    point = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1)
    return (point + 0.06 * rng.standard_normal((rows, 2))).astype("float32"), label


train, val = spirals(2000, 7), spirals(500, 8)
layers = [keras.layers.Dense(64, "relu"), keras.layers.Dropout(0.1), keras.layers.Dense(64, "relu"), keras.layers.Dense(4)]
model = keras.Sequential([keras.Input((2,)), *layers])
model.compile(keras.optimizers.Adam(p.rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.optimizer.build(model.trainable_variables)


def variables():
    """All that an epoch changes, the seeds of dropout among it. A file of `model.save` has no seeds."""
    found = [*model.variables, *model.optimizer.variables]
    return {f"{number}-{variable.path}".replace("/", "."): variable for number, variable in enumerate(found)}


def save(folder):
    np.savez(folder / "state.npz", **{name: np.asarray(variable) for name, variable in variables().items()})


def load(folder):
    held = np.load(folder / "state.npz")
    for name, variable in variables().items():
        variable.assign(held[name])


class Kept(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        kiln.log(step=epoch + 1, **logs)
        kiln.keep(epoch + 1, save=save)


done = kiln.resume(load=load)
# The rows of each epoch come in an order that its number decides. `shuffle` would draw it from where the process happens to be.
order = lambda epoch: np.random.default_rng([p.seed, epoch]).permutation(len(train[1]))
for epoch in range(done, p.epochs):
    x, y = train[0][order(epoch)], train[1][order(epoch)]
    fit = dict(batch_size=64, shuffle=False, validation_data=val, verbose=0)
    model.fit(x, y, initial_epoch=epoch, epochs=epoch + 1, callbacks=[Kept()], **fit)
np.savez(kiln.outputs["weights"], *model.get_weights())
