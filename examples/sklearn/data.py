"""Four noisy spirals: a training and a test set."""

import numpy as np

import kiln

p = kiln.params(seed=7, rows=3000)
rng = np.random.default_rng(p.seed)


def spirals(rows):
    label = rng.integers(0, 4, rows)
    turn = rng.uniform(0.2, 2.5, rows)
    angle = turn * np.pi + label * np.pi / 2
    point = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
    return point + rng.normal(0, 0.06, point.shape), label


for name in ["train", "test"]:
    x, y = spirals(p.rows)
    np.savez(kiln.outputs[name], x=x, y=y)
