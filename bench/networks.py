"""The networks of model files in PyTorch and Keras, from the resolved model that `examples/throughput model` prints.

Sizes, strides and blocks are those of the file. PyTorch pads both sides where Kiln and Keras pad the end: that costs the same.
"""


def torch_network(model, classes=5):
    """A module that takes [N, 1, 28, 28] and gives logits [N, classes]."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, inner, shortcut, activation):
            super().__init__()
            self.inner, self.shortcut, self.activation = inner, shortcut, activation

        def forward(self, x):
            return self.activation(self.inner(x) + self.shortcut(x))

    class Inception(nn.Module):
        def __init__(self, branches):
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], 1)

    def activated(module, layer, default="none"):
        return [module, nn.ReLU()] if layer.get("activation", default) == "relu" else [module]

    def conv(inputs, layer):
        kernel, stride = layer["kernel"], layer["stride"]
        padding = [side // 2 for side in kernel] if layer["padding"] == "same" else 0
        return nn.Conv2d(inputs, layer["filters"], kernel, stride, padding)

    def pool(kind, layer):
        size, stride = layer["size"], layer.get("stride") or layer["size"]
        return kind(size, stride, size // 2 if layer["padding"] == "same" else 0)

    def stride_of(layers):
        product = 1
        for layer in layers:
            product *= layer.get("stride") or 1
        return product

    def chain(layers, shape):
        """A module of the layers, and (channels, side) behind them; the side is 0 for vectors."""
        modules = []
        for layer in layers:
            channels, side = shape
            match layer["type"]:
                case "conv":
                    modules += activated(conv(channels, layer), layer)
                    stride = layer["stride"]
                    side = -(-side // stride) if layer["padding"] == "same" else (side - layer["kernel"][0]) // stride + 1
                    shape = (layer["filters"], side)
                case "max_pool" | "avg_pool":
                    modules.append(pool(nn.MaxPool2d if layer["type"] == "max_pool" else nn.AvgPool2d, layer))
                    stride = layer.get("stride") or layer["size"]
                    side = -(-side // stride) if layer["padding"] == "same" else (side - layer["size"]) // stride + 1
                    shape = (channels, side)
                case "global_avg_pool":
                    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
                    shape = (channels, 0)
                case "flatten":
                    modules.append(nn.Flatten())
                    shape = (channels * side * side, 0)
                case "dense":
                    units = layer.get("units") or classes
                    modules += activated(nn.Linear(channels, units), layer)
                    shape = (units, 0)
                case "dropout":
                    modules.append(nn.Dropout(layer["rate"]))
                case "batch_norm":
                    norm = nn.BatchNorm2d if side else nn.BatchNorm1d
                    modules += activated(norm(channels, eps=layer["epsilon"], momentum=1 - layer["momentum"]), layer)
                case "residual":
                    inner, after = chain(layer["layers"], shape)
                    same = after == shape
                    shortcut = nn.Identity() if same else nn.Conv2d(channels, after[0], 1, stride_of(layer["layers"]))
                    modules.append(Residual(inner, shortcut, nn.ReLU() if layer["activation"] == "relu" else nn.Identity()))
                    shape = after
                case "inception":
                    branches = [chain(branch, shape) for branch in layer["branches"]]
                    modules.append(Inception([branch for branch, _ in branches]))
                    shape = (sum(after[0] for _, after in branches), branches[0][1][1])
                case other:
                    raise SystemExit(f"{layer['name']}: no `{other}` here")
        return nn.Sequential(*modules), shape

    return chain(model["layers"], (1, 28))[0]


def adaptive(word, library):
    """Adam or AdamW of a library, by the word of a model file."""
    if word == "adam":
        return library.Adam
    if word == "adamw":
        return library.AdamW
    raise SystemExit(f"no optimiser `{word}` here")


def torch_optimiser(model, parameters, fused):
    """The model's optimiser with its constants; weight decay is that of AdamW alone."""
    import torch

    of = model["optimiser"]
    rate = of["learning_rate"]
    if of["type"] == "sgd":
        return torch.optim.SGD(parameters, rate, of["momentum"], nesterov=of["nesterov"], fused=fused)
    kind = adaptive(of["type"], torch.optim)
    return kind(parameters, rate, (of["beta_1"], of["beta_2"]), of["epsilon"], of["weight_decay"], fused=fused)


def keras_network(model, classes=5):
    """A model that takes [N, 28, 28, 1] and gives probabilities [N, classes] in float32."""
    import keras
    from keras import layers as l

    def activated(x, layer):
        return l.Activation("relu")(x) if layer.get("activation") == "relu" else x

    def chain(layers, x):
        for layer in layers:
            match layer["type"]:
                case "conv":
                    x = l.Conv2D(layer["filters"], layer["kernel"], layer["stride"], layer["padding"])(x)
                    x = activated(x, layer)
                case "max_pool" | "avg_pool":
                    kind = l.MaxPooling2D if layer["type"] == "max_pool" else l.AveragePooling2D
                    x = kind(layer["size"], layer.get("stride"), layer["padding"])(x)
                case "global_avg_pool":
                    x = l.GlobalAveragePooling2D()(x)
                case "flatten":
                    x = l.Flatten()(x)
                case "dense":
                    x = activated(l.Dense(layer.get("units") or classes)(x), layer)
                case "dropout":
                    x = l.Dropout(layer["rate"])(x)
                case "batch_norm":
                    x = activated(l.BatchNormalization(momentum=layer["momentum"], epsilon=layer["epsilon"])(x), layer)
                case "residual":
                    inner = chain(layer["layers"], x)
                    if inner.shape != x.shape:
                        x = l.Conv2D(inner.shape[-1], 1, x.shape[1] // inner.shape[1])(x)
                    x = activated(l.Add()([inner, x]), layer)
                case "inception":
                    x = l.Concatenate()([chain(branch, x) for branch in layer["branches"]])
                case other:
                    raise SystemExit(f"{layer['name']}: no `{other}` here")
        return x

    images = l.Input((28, 28, 1))
    return keras.Model(images, l.Activation("softmax", dtype="float32")(chain(model["layers"], images)))


def keras_optimiser(model):
    """The model's optimiser with its constants."""
    import keras

    of = model["optimiser"]
    rate = of["learning_rate"]
    if of["type"] == "sgd":
        return keras.optimizers.SGD(rate, of["momentum"], of["nesterov"])
    kind = adaptive(of["type"], keras.optimizers)
    decay = {"weight_decay": of["weight_decay"]} if of["type"] == "adamw" else {}
    return kind(rate, beta_1=of["beta_1"], beta_2=of["beta_2"], epsilon=of["epsilon"], **decay)
