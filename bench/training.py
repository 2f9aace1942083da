"""Training and inference speed of Kiln beside PyTorch and Keras: the same models, batches and threads, interleaved.

    python3 bench/training.py [--rounds 3] [--seconds 6] [--threads 2] [--only train:5:32]

makes a throwaway environment with PyTorch and TensorFlow (or takes the one of --python), builds Kiln's example
`throughput`, runs every tool in turn for a few rounds, each in a process of its own, and prints each tool's median and
best images a second and Kiln's ratio to the better peer. Every process trains on random images in memory for some
seconds; a window of about half a second gives a rate. PyTorch runs eagerly, in its default layout and channels last,
whichever is faster; Keras runs `fit` on the TensorFlow backend as it chooses to (jit_compile="auto"). The last column is
how many pages of memory the system gave Kiln's process in a window, the median: 0 where a step takes none.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the engine sets for its workers (src/engine/execute/execution.rs): candle's own pool idle, glibc's allocator keeping what is
# freed.
WORKER = {
    "CANDLE_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TOP_PAD_": "67108864",
}
CASES = [("train", 1, 32), ("train", 1, 128), ("train", 5, 32), ("train", 5, 128), ("infer", 1, 256), ("infer", 5, 256)]
WINDOW = 0.5
IMAGES = 2048


# The peers: each runs in a process of its own --------------------------------------------------------------------


class Rates:
    """Images a second over windows of WINDOW seconds; the first window warms up."""

    def __init__(self, seconds):
        self.end = time.perf_counter() + WINDOW + seconds
        self.last, self.images, self.rates = time.perf_counter(), 0, []

    def add(self, images):
        self.images += images
        now = time.perf_counter()
        if now - self.last >= WINDOW:
            self.rates.append(self.images / (now - self.last))
            self.last, self.images = now, 0

    def enough(self):
        return time.perf_counter() > self.end and len(self.rates) > 1


def torch_worker(mode, model, batch, threads, seconds, channels_last):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    conv = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.ReLU()]
    if model == 1:
        layers = [*conv(1, 32), nn.MaxPool2d(2), *conv(32, 32), nn.Flatten(), nn.Linear(6272, 512), nn.ReLU()]
        layers += [nn.Linear(512, 5)]
    else:
        layers = [*conv(1, 32), nn.MaxPool2d(2), nn.Dropout(0.1), *conv(32, 64), nn.MaxPool2d(2), nn.Dropout(0.1)]
        layers += [*conv(64, 128), nn.Dropout(0.1), *conv(128, 128), nn.MaxPool2d(2), nn.Dropout(0.1), nn.Flatten()]
        layers += [nn.Linear(1152, 512), nn.ReLU(), nn.Dropout(0.25), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 5)]
    net = nn.Sequential(*layers)
    x, y = torch.rand(IMAGES, 1, 28, 28), torch.randint(0, 5, (IMAGES,))
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01) if model == 1 else torch.optim.Adam(net.parameters())
    loss_of = nn.CrossEntropyLoss()
    net.train(mode == "train")
    rates = Rates(seconds)
    while not rates.enough():
        for start in range(0, IMAGES, batch):
            images = x[start : start + batch]
            if mode == "train":
                optimiser.zero_grad()
                loss_of(net(images), y[start : start + batch]).backward()
                optimiser.step()
            else:
                with torch.inference_mode():
                    net(images)
            rates.add(len(images))
    return rates.rates


def keras_worker(mode, model, batch, threads, seconds):
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="")
    import numpy
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    import keras
    from keras import layers as l

    keras.utils.set_random_seed(0)
    conv = lambda o: l.Conv2D(o, 3, padding="same", activation="relu")
    net = [l.Input((28, 28, 1)), conv(32), l.MaxPooling2D()]
    if model == 1:
        net += [conv(32), l.Flatten(), l.Dense(512, activation="relu")]
    else:
        net += [l.Dropout(0.1), conv(64), l.MaxPooling2D(), l.Dropout(0.1), conv(128), l.Dropout(0.1), conv(128)]
        net += [l.MaxPooling2D(), l.Dropout(0.1), l.Flatten(), l.Dense(512, activation="relu"), l.Dropout(0.25)]
        net += [l.Dense(256, activation="relu")]
    net = keras.Sequential([*net, l.Dense(5, activation="softmax")])
    optimiser = keras.optimizers.SGD(0.01) if model == 1 else keras.optimizers.Adam()
    net.compile(optimiser, "sparse_categorical_crossentropy")
    x = numpy.random.rand(IMAGES, 28, 28, 1).astype("float32")
    y = numpy.random.randint(0, 5, IMAGES)

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, _, logs=None):
            rates.add(batch)

        def on_predict_batch_end(self, _, logs=None):
            rates.add(batch)

    rates = Rates(seconds)
    # The first epoch compiles.
    first = True
    while first or not rates.enough():
        if mode == "train":
            net.fit(x, y, batch, epochs=1, verbose=0, callbacks=[Count()])
        else:
            net.predict(x, batch, verbose=0, callbacks=[Count()])
        if first:
            first, rates = False, Rates(seconds)
    return rates.rates


# The comparison --------------------------------------------------------------------------------------------------


def environment(python):
    if python:
        return python
    folder = tempfile.mkdtemp(prefix="kiln-bench-")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = os.path.join(folder, "bin", "python")
    print(f"installing PyTorch and TensorFlow in {folder}", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "tensorflow", "numpy"], check=True)
    return python


def measure(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"{command} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def versions(python):
    code = "from importlib.metadata import version as v; print('PyTorch', v('torch'), 'TensorFlow', v('tensorflow'), 'Keras', v('keras'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            lines = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info)}
        widest = next((f for f in ("avx512f", "avx2", "sse2") if f in lines.get("flags", "").split()), "")
        return f"{lines.get('model name', '?')}, {os.cpu_count()} cores, {widest}"
    except OSError:
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", help="a Python that has PyTorch and TensorFlow, instead of a throwaway environment")
    parser.add_argument("--dev", action="store_true", help="the dev build, whose operators are optimised as the release's")
    parser.add_argument("--only", action="append", help="mode:model:batch, as train:5:32; may be repeated")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        tool, mode, *numbers = arguments.worker
        model, batch, threads, seconds = map(int, numbers)
        if tool == "keras":
            rates = keras_worker(mode, model, batch, threads, seconds)
        else:
            rates = torch_worker(mode, model, batch, threads, seconds, tool == "torch-nhwc")
        print(json.dumps({"images_per_second": rates[1:]}))
        return

    python = environment(arguments.python)
    build = ["cargo", "build", "--workspace", "--example", "throughput"]
    subprocess.run(build if arguments.dev else [*build, "--release"], check=True, cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    throughput = os.path.join(target, "debug" if arguments.dev else "release", "examples", "throughput")
    print(f"{processor()}; {arguments.threads} threads; {versions(python)}")
    print(f"{arguments.rounds} rounds of {arguments.seconds} s, interleaved; images a second, median (best)\n")
    print("| case | Kiln | PyTorch | PyTorch, channels last | Keras | Kiln to the better peer | Kiln's page faults a window |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    tools = ["kiln", "torch", "torch-nhwc", "keras"]
    cases = [c for c in CASES if not arguments.only or "{}:{}:{}".format(*c) in arguments.only]
    for mode, model, batch in cases:
        rates, faults = {tool: [] for tool in tools}, []
        for _ in range(arguments.rounds):
            for tool in tools:
                numbers = [str(n) for n in (batch, arguments.threads, arguments.seconds)]
                if tool == "kiln":
                    command, env = [throughput, mode, f"models/model-{model}.yaml", *numbers], WORKER
                else:
                    command, env = [python, __file__, "--worker", tool, mode, str(model), *numbers], None
                result = measure(command, env)
                rates[tool] += result["images_per_second"]
                faults += result.get("page_faults", [])
        median = {tool: statistics.median(rates[tool]) for tool in tools}
        cells = [f"{median[tool]:.0f} ({max(rates[tool]):.0f})" for tool in tools]
        better = max(median[tool] for tool in tools[1:])
        cells += [f"{median['kiln'] / better:.2f}", f"{statistics.median(faults):g}"]
        print(f"| {mode} model {model}, batch {batch} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
