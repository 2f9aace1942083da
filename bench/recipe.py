"""Time and accuracy of a whole training by Kiln, and by PyTorch with the same network and recipe.

    target/release/kiln run pipeline.yaml --profile ten normalise
    python3 bench/recipe.py --epochs 10 --seeds 7 11 13 [--model models/own-fast.yaml] [--mode fused]

trains by each tool in turn, seed by seed, in a process of its own, and prints the seconds that the training took and the accuracies on the
validation and the test images. The images are those that the first command leaves in out/normalise; of those to train on a tenth, chosen by the
seed, is to validate on.

Modes of PyTorch are as in bench/training.py: eager; channels last with the fused optimiser; that compiled by `torch.compile`; both with bfloat16
autocast. A compiled network is validated as it is, not compiled. Its recipe is that of the model file, which has
to have SGD, and images that are moved by whole pixels, mirrored or partly blackened, or not varied. It varies the images of an epoch all at
once, so that Python's loops do not count. What differs: its random numbers are its own; its batch normalisation sees a batch where Kiln's sees
half of one, and divides its running variance by n - 1; its velocity is multiplied by the rate of the step that uses it, Kiln's by the rate of
the step that adds to it, as in Keras.

With `--whiten` the first kernels of PyTorch's first convolution are the principal directions of the images' patches, divided by
the patches' size along it, and their negatives, as in the speed records for CIFAR-10: at the start, or kept so. Kiln has no such layer.

PyTorch's seconds are those of all epochs with their validation, and of compiling, without its start and the reading of the data. Kiln's are those of its stage,
with both.
"""

import argparse
import copy
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import networks
import training

ROOT = training.ROOT
MODES = ["eager"] + [mode.removeprefix("torch-") for mode in training.FLOAT32 + training.BFLOAT16 if mode.startswith("torch-")]
COLUMNS = [("seconds", ".1f"), ("validation", ".4f"), ("test", ".4f"), ("mirrored", ".4f")]
sys.path.insert(0, os.path.join(ROOT, "docs"))


# PyTorch ---------------------------------------------------------------------------------------------------------


def refuse(model):
    """Stops if PyTorch's side does not know a part of the recipe."""
    how = model["augmentation"] or {}
    unknown = [f"augmentation.{key}" for key in ("rotation", "shift", "zoom", "append") if how.get(key)]
    unknown += [key for key in ("early_stopping", "gradient_clipping") if model[key]]
    unknown += ["optimiser"] if model["optimiser"]["type"] != "sgd" else []
    # PyTorch pads both sides alike, Kiln the end where the number is odd.
    unknown += [layer["name"] for layer in flat(model["layers"]) if layer.get("padding") == "same" and pads_otherwise(layer)]
    if unknown:
        raise SystemExit(f"PyTorch's side does not know the model's {', '.join(unknown)}")


def flat(layers):
    """Layers with those inside of blocks."""
    for layer in layers:
        yield layer
        for inner in [layer.get("layers", []), *layer.get("branches", [])]:
            yield from flat(inner)


def pads_otherwise(layer):
    """Whether a layer with padding `same` has other windows in PyTorch."""
    return layer["type"].endswith("pool") or layer["stride"] > 1 or any(side % 2 == 0 for side in layer["kernel"])


def varied(images, how, epoch, turn, generator):
    """A varied copy of every image [N, 1, H, W]."""
    import torch

    if not how:
        return images

    count, _, height, width = images.shape
    draw = lambda most: torch.randint(most, (count,), generator=generator)
    crop = how.get("crop", 0)
    if crop:
        padded = torch.nn.functional.pad(images, [crop] * 4)
        down, right = draw(2 * crop + 1), draw(2 * crop + 1)
        moved = torch.empty_like(images)
        for y in range(2 * crop + 1):
            for x in range(2 * crop + 1):
                chosen = ((down == y) & (right == x)).nonzero()[:, 0]
                moved[chosen] = padded[chosen, :, y : y + height, x : x + width]
        images = moved
    flip = how["flip"]
    if flip:
        mirrored = (turn + epoch) % 2 == 0 if flip == "alternating" else draw(2) == 1
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if how["erase"]:
        uniform = lambda low, high: torch.rand(count, generator=generator) * (high - low) + low
        area, aspect = uniform(0, how["erase"]) * height * width, 2 ** uniform(-1, 1)
        high = (area * aspect).sqrt().round().clamp(max=height)
        wide = (area / aspect).sqrt().round().clamp(max=width)
        top = (torch.rand(count, generator=generator) * (height - high + 1)).floor()
        left = (torch.rand(count, generator=generator) * (width - wide + 1)).floor()
        rows, columns = torch.arange(height), torch.arange(width)
        inside = lambda at, first, length: (at >= first[:, None]) & (at < (first + length)[:, None])
        black = inside(rows, top, high)[:, :, None] & inside(columns, left, wide)[:, None, :]
        images = images.masked_fill(black[:, None], 0.0)
    return images


def rate_at(model, step, steps, epochs):
    """What the learning rate is multiplied by."""
    how = model["schedule"]
    factor = 1.0
    if how["type"] == "cosine":
        share = min(step / (steps * epochs), 1.0)
        factor = how["minimum"] + (1 - how["minimum"]) * 0.5 * (1 + math.cos(math.pi * share))
    elif how["type"] == "step":
        factor = how["factor"] ** (step // steps // how["every"])
    warm_up = how["warm_up"]
    return factor * (min((step + 1) / steps / warm_up, 1.0) if warm_up else 1.0)


def whitening(images, side):
    """The principal directions of the patches of images [N, 1, H, W], divided by their size along each, then their negatives: [2 * side * side, 1, side, side]."""
    import torch

    patches = torch.nn.functional.unfold(images, side, padding=side // 2).transpose(1, 2).reshape(-1, side * side).double()
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    kernels = (directions / (variances + 1e-4).sqrt()).T.reshape(-1, 1, side, side).float()
    return torch.cat([kernels, -kernels])


def torch_training(model, mode, folder, epochs, batch, seed, threads, whiten):
    """Seconds of a training, and the accuracies of what it trained; with mirror images, those of two logits added."""
    import reproduce
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)

    def image_set(name):
        arrays, facts = reproduce.read(os.path.join(folder, f"{name}.safetensors"))
        pixels, labels = torch.tensor(arrays["images"]), torch.tensor(arrays["labels"].astype("int64"))
        return pixels.permute(0, 3, 1, 2), labels, facts["classes"]

    images, labels, classes = image_set("train")
    test, test_labels, _ = image_set("test")
    split, _ = reproduce.read(os.path.join(folder, "out", "split", "split.safetensors"))
    rows, held = (torch.tensor(split[name].astype("int64")) for name in ("train", "validation"))

    words = mode.split("-")
    fused = mode != "eager"
    layout = torch.channels_last if fused else torch.contiguous_format
    autocast = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in words)
    net = networks.torch_network(model, len(classes)).to(memory_format=layout)
    for module in net.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.xavier_uniform_(module.weight)
            torch.nn.init.zeros_(module.bias)
    if whiten != "no":
        first = next(module.weight.data for module in net.modules() if isinstance(module, torch.nn.Conv2d))
        white = whitening(images[rows[:5000]], first.shape[-1])
        if len(first) < len(white) or first.shape[1] != 1:
            raise SystemExit(f"kernels that whiten need a first convolution of one channel and {len(white)} filters or more")
        first = first[: len(white)]
        first.copy_(white)
    kept = copy.deepcopy(net) if "ema" in model else net
    kernels = [m.weight for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    optimiser = networks.torch_optimiser(model, net.parameters(), fused or None)
    compiled = torch.compile(net) if "compiled" in words else net
    decay, base = model["optimiser"]["weight_decay"], model["optimiser"]["learning_rate"]
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=model["label_smoothing"])
    turn = torch.randint(2, (len(rows),), generator=generator)
    steps = -(-len(rows) // batch)

    def accuracy(network, images, labels, mirror=False):
        network.eval()
        judge = lambda x: network(x) + network(x.flip(3)) if mirror else network(x)
        with torch.inference_mode(), autocast:
            parts = zip(images.split(256), labels.split(256))
            return sum(int((judge(x).argmax(1) == y).sum()) for x, y in parts) / len(labels)

    trained, answers = images[rows], labels[rows]
    checked, truth = images[held], labels[held]
    begin, step = time.perf_counter(), 0
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(rows), generator=generator)
        shown = varied(trained, model["augmentation"], epoch, turn, generator)
        net.train()
        for part in order.split(batch):
            rate = base * rate_at(model, step, steps, epochs)
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
            with autocast:
                loss = loss_of(compiled(shown[part].to(memory_format=layout)), answers[part])
            loss.backward()
            with torch.no_grad():
                torch._foreach_mul_(kernels, 1 - rate * decay)
            optimiser.step()
            step += 1
            if whiten == "keep":
                first.copy_(white)
            if kept is not net:
                follow(kept, net, min(model["ema"]["momentum"], (1 + step) / (10 + step)))
        validated = accuracy(kept, checked, truth)
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "validation": validated,
        "test": accuracy(kept, test, test_labels),
        "mirrored": accuracy(kept, test, test_labels, mirror=True),
    }


def follow(average, net, keep):
    """Moves an average towards the weights and running statistics."""
    import torch

    with torch.no_grad():
        pairs = [
            (a, b)
            for of in ("parameters", "buffers")
            for a, b in zip(getattr(average, of)(), getattr(net, of)())
            if a.is_floating_point()
        ]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - keep)


# Kiln ------------------------------------------------------------------------------------------------------------

PIPELINE = """version: 1
stages:
  split:
    uses: split
    inputs: {data: train.safetensors}
    with: {validation: 0.1, seed: SEED}
  train:
    uses: train
    resources: {cpus: THREADS}
    inputs: {data: train.safetensors, split: {from: split.split}, model: model.yaml}
    with: {epochs: EPOCHS, batch_size: BATCH, seed: SEED}
  evaluate:
    uses: evaluate
    matrix: {mirror: [false, true]}
    inputs: {model: {from: train.model}, data: test.safetensors}
    with: {mirror: "${matrix.mirror}"}
"""


def run(kiln, folder, *words):
    """What Kiln prints. Its cache is that of the folder, whatever the environment says."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("KILN_")}
    done = subprocess.run([kiln, *words], cwd=folder, capture_output=True, text=True, env=env)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def kiln_training(kiln, folder):
    """Seconds of the stage `train`, and the accuracies."""
    run(kiln, folder, "run")
    last = lambda stage: json.loads(run(kiln, folder, "show", stage, "--json"))["stages"][0]["last"]["record"]
    train = last("train")
    if train["outcome"] != "executed" or train["resumed"]:
        raise SystemExit("the training was not executed as a whole")
    return {
        "seconds": train["executed_seconds"],
        "validation": train["metrics"]["val_accuracy"],
        "test": last("evaluate[mirror=false]")["metrics"]["accuracy"],
        "mirrored": last("evaluate[mirror=true]")["metrics"]["accuracy"],
    }


def project(folder, arguments, model, seed):
    """A project of one training, with an empty cache."""
    for name in ("train", "test"):
        shutil.copy(os.path.join(arguments.data, f"{name}.safetensors"), folder)
    with open(os.path.join(folder, "model.yaml"), "w") as file:
        json.dump(model, file)
    text = PIPELINE
    for word, value in (("SEED", seed), ("EPOCHS", arguments.epochs), ("BATCH", arguments.batch), ("THREADS", arguments.threads)):
        text = text.replace(word, str(value))
    with open(os.path.join(folder, "pipeline.yaml"), "w") as file:
        file.write(text)


# The comparison --------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/own-fast.yaml")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", default="out/normalise", help="train.safetensors and test.safetensors, normalised")
    parser.add_argument("--tool", action="append", choices=["kiln", "torch"], help="only this one; may be repeated")
    parser.add_argument("--mode", choices=MODES, default="fused", help="PyTorch's")
    parser.add_argument("--whiten", choices=["no", "start", "keep"], default="no", help="PyTorch's first kernels")
    parser.add_argument("--python", help="a Python that has PyTorch, instead of a throwaway environment")
    parser.add_argument("--bin", help="a folder with a built `kiln` and `examples/throughput`, instead of a release build")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        model, mode, folder, *numbers = arguments.worker
        numbers = map(int, numbers)
        print(json.dumps(torch_training(json.loads(model), mode, folder, *numbers, arguments.threads, arguments.whiten)))
        return

    if not os.path.exists(os.path.join(arguments.data, "train.safetensors")):
        raise SystemExit(f"{arguments.data} has no images: run `kiln run pipeline.yaml --profile ten normalise` first")
    tools = arguments.tool or ["kiln", "torch"]
    python = training.environment(arguments.python, ("torch", "numpy")) if "torch" in tools else sys.executable
    built = os.path.abspath(arguments.bin) if arguments.bin else build()
    described, problem = training.measure([os.path.join(built, "examples", "throughput"), "model", os.path.abspath(arguments.model)])
    if problem:
        raise SystemExit(problem)
    model = described["model"]
    if "torch" in tools:
        refuse(model)
        version = subprocess.run([python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True)
        white = "" if arguments.whiten == "no" else f", first kernels that whiten: {arguments.whiten}"
        print(f"PyTorch {version.stdout.strip()}, {arguments.mode}{white}")
    print(f"{training.processor()}; {arguments.threads} threads")
    images, classes = described_data(arguments.data)
    print(f"{images} images in {classes} classes, a tenth of them to validate on")
    print(f"{arguments.model}, {arguments.epochs} epochs of batches of {arguments.batch}\n")
    print("| seed | tool | seconds | validation accuracy | test accuracy | with mirror images |")
    print("| --- | --- | ---: | ---: | ---: | ---: |", flush=True)
    results = {tool: [] for tool in tools}
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory(prefix="kiln-recipe-") as folder:
            project(folder, arguments, model, seed)
            kiln = os.path.join(built, "kiln")
            run(kiln, folder, "run", "split")
            for tool in tools:
                if tool == "kiln":
                    result = kiln_training(kiln, folder)
                else:
                    numbers = [str(n) for n in (arguments.epochs, arguments.batch, seed)]
                    worker = [python, __file__, "--threads", str(arguments.threads), "--whiten", arguments.whiten, "--worker"]
                    result, problem = training.measure([*worker, json.dumps(model), arguments.mode, folder, *numbers])
                    if problem:
                        raise SystemExit(problem)
                results[tool].append(result)
                print(f"| {seed} | {tool} | {' | '.join(f'{result[key]:{form}}' for key, form in COLUMNS)} |", flush=True)
    for tool, all in results.items():
        cells = []
        for key, form in COLUMNS:
            values = [result[key] for result in all]
            spread = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):{form}}{spread}")
        print(f"| mean of {len(all)} | {tool} | {' | '.join(cells)} |")


def described_data(folder):
    """How many training images there are, and classes."""
    with open(os.path.join(folder, "train.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    facts = json.loads(header["__metadata__"]["kiln"])
    return header["labels"]["shape"][0], len(json.loads(facts["classes"]))


def build():
    """The folder of the release build."""
    command = ["cargo", "build", "--workspace", "--release", "--locked", "--bins", "--example", "throughput"]
    subprocess.run(command, check=True, cwd=ROOT)
    return os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "release")


if __name__ == "__main__":
    main()
