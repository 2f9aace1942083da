"""A network of scikit-learn, trained an epoch at a time: killed, it goes on; for more epochs, it goes on."""

import json
import pickle

import numpy as np
from sklearn.neural_network import MLPClassifier

import kiln

p = kiln.params(epochs=5, alpha=0.0001, seed=1)
train, test = (np.load(kiln.inputs[name]) for name in ["train", "test"])
model = MLPClassifier((32, 32), alpha=p.alpha, learning_rate_init=0.01, random_state=p.seed)
order = np.random.default_rng(p.seed)

for epoch in kiln.steps(p.epochs, {"model": model, "order": order}):
    shuffled = order.permutation(len(train["y"]))
    model.partial_fit(train["x"][shuffled], train["y"][shuffled], classes=range(4))
    kiln.log(loss=model.loss_, accuracy=model.score(test["x"], test["y"]))

kiln.outputs["model"].write_bytes(pickle.dumps([model.coefs_, model.intercepts_]))
accuracy = model.score(test["x"], test["y"])
kiln.outputs["metrics"].write_text(json.dumps({"accuracy": accuracy, "loss": model.loss_}))
