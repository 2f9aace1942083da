"""Training and inference speed of Kiln beside every mode of PyTorch and Keras that a user may pick: the same networks, batches and threads,
interleaved.

    python3 bench/training.py [--rounds 3] [--seconds 6] [--threads 2] [--only train:5:32] [--mode torch-bf16]

makes a throwaway environment with PyTorch and TensorFlow (or takes the one of --python), builds Kiln's examples `throughput` and `peak`, runs every tool
in turn for a few rounds, each in a process of its own, and prints each tool's median and best images a second. Every process works on random images in
memory for some seconds; a window of about half a second gives a rate. Compiling and the first window do not count.

The modes of PyTorch: eager; channels last with the fused optimiser; that compiled by `torch.compile`; both with bfloat16 autocast. Those of Keras, with
`fit` and `predict` on TensorFlow: as it chooses (jit_compile="auto"); compiled by XLA; both with the policy mixed_bfloat16. A mode that fails is
said under the table. Kiln is measured in float32 and with `precision: bf16`. Ratios are to the peers' best mode in float32 and to their best of any.

GFLOP/s are Kiln's in float32, by the definition of convolutions and dense layers, forward and backward; a tool that computes convolutions by a transform takes
fewer. The share is that of what the processor can do in float32, measured here by `peak`. Pages are how many pages of memory the system gave Kiln's
process in a window, the median: 0 where a step takes none.
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

import networks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the engine sets for its workers (src/engine/execute/execution.rs): candle's own pool idle, glibc's allocator keeping what is
# freed.
WORKER = {
    "CANDLE_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TOP_PAD_": "67108864",
}
CASES = [("train", model, batch) for model in ("model-1", "model-5") for batch in (32, 128)]
CASES += [("train", model, 32) for model in ("resnet", "googlenet", "own-long")]
CASES += [("train", "own-ten", 128)]
CASES += [("infer", model, 256) for model in ("model-1", "model-5", "resnet", "googlenet", "own-long")]
FLOAT32 = ["torch", "torch-fused", "torch-compiled", "keras", "keras-compiled"]
KILN = ["kiln", "kiln-bf16"]
BFLOAT16 = ["torch-bf16", "torch-compiled-bf16", "keras-bf16", "keras-compiled-bf16"]
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


def torch_worker(words, mode, model, batch, threads, seconds):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = networks.torch_network(model)
    x, y = torch.rand(IMAGES, 1, 28, 28), torch.randint(0, 5, (IMAGES,))
    fused = "fused" in words or "compiled" in words or "bf16" in words
    if fused:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimiser = networks.torch_optimiser(model, net.parameters(), fused or None)
    run = torch.compile(net) if "compiled" in words else net
    autocast = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in words)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=model["label_smoothing"])
    net.train(mode == "train")

    def step(start):
        images = x[start : start + batch]
        if mode == "train":
            optimiser.zero_grad()
            with autocast:
                loss = loss_of(run(images), y[start : start + batch])
            loss.backward()
            optimiser.step()
        else:
            with torch.inference_mode(), autocast:
                run(images)

    step(0)
    rates = Rates(seconds)
    while not rates.enough():
        for start in range(0, IMAGES, batch):
            step(start)
            rates.add(batch)
            if rates.enough():
                break
    return rates.rates


def keras_worker(words, mode, model, batch, threads, seconds):
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="")
    import numpy
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    keras.utils.set_random_seed(0)
    if "bf16" in words:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    net = networks.keras_network(model)
    loss = keras.losses.SparseCategoricalCrossentropy()
    net.compile(networks.keras_optimiser(model), loss, jit_compile="compiled" in words or "auto")
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


def environment(python, packages=("torch", "tensorflow", "numpy")):
    """A Python with packages: a given one, or that of a throwaway environment."""
    if python:
        return python
    folder = tempfile.mkdtemp(prefix="kiln-bench-")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = os.path.join(folder, "bin", "python")
    print(f"installing {', '.join(packages)} in {folder}", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def measure(command, env=None):
    """The result of a command as JSON, or the last line of what it said when it failed."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=ROOT)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return None, said[-1][:200]
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def versions(python):
    code = "from importlib.metadata import version as v; print('PyTorch', v('torch'), 'TensorFlow', v('tensorflow'), 'Keras', v('keras'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def processor():
    """The processor's name, family and widest vectors, as Linux tells."""
    try:
        with open("/proc/cpuinfo") as info:
            lines = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info)}
        flags = lines.get("flags", "").split()
        has = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
        family = f"{lines.get('vendor_id', '?')} family {lines.get('cpu family', '?')} model {lines.get('model', '?')}"
        return f"{lines.get('model name', '?')} ({family}), {os.cpu_count()} cores, {', '.join(has)}"
    except OSError:
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", help="a Python that has PyTorch and TensorFlow, instead of a throwaway environment")
    parser.add_argument("--dev", action="store_true", help="the dev build, whose operators are optimised as the release's")
    parser.add_argument("--only", action="append", help="mode:model:batch, as train:model-5:32; may be repeated")
    parser.add_argument("--mode", action="append", choices=FLOAT32 + BFLOAT16, help="only this mode of the peers; may be repeated")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        tool, mode, model, *numbers = arguments.worker
        words = tool.split("-")
        work = torch_worker if words[0] == "torch" else keras_worker
        rates = work(words[1:], mode, json.loads(model), *map(int, numbers))
        print(json.dumps({"images_per_second": rates[1:]}))
        return

    python = environment(arguments.python)
    build = ["cargo", "build", "--workspace", "--example", "throughput", "--example", "peak"]
    subprocess.run(build if arguments.dev else [*build, "--release"], check=True, cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    examples = os.path.join(target, "debug" if arguments.dev else "release", "examples")
    peers = arguments.mode or FLOAT32 + BFLOAT16
    peaks, _ = measure([os.path.join(examples, "peak"), str(arguments.threads)])
    print(f"{processor()}; {arguments.threads} threads; {versions(python)}")
    print("at most, GFLOP/s: " + ", ".join(f"{name} {rate:.0f}" for name, rate in peaks.items() if rate))
    print(f"{arguments.rounds} rounds of {arguments.seconds} s, interleaved; images a second, median (best)\n")
    ratios = [f"{tool} to the best {of}" for of in ("float32", "of any") for tool in KILN]
    head = ["case", *KILN, *peers, *ratios, "GFLOP/s", "of the peak", "pages"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    failed = {}
    for mode, model, batch in CASES:
        if arguments.only and f"{mode}:{model}:{batch}" not in arguments.only:
            continue
        file = f"models/{model}.yaml"
        described, problem = measure([os.path.join(examples, "throughput"), "model", file])
        if problem:
            raise SystemExit(problem)
        rates, faults = {tool: [] for tool in [*KILN, *peers]}, []
        for _ in range(arguments.rounds):
            for tool in rates:
                numbers = [str(n) for n in (batch, arguments.threads, arguments.seconds)]
                if tool in KILN:
                    kind = mode + tool.removeprefix("kiln")
                    command, env = [os.path.join(examples, "throughput"), kind, file, *numbers], WORKER
                else:
                    if (tool, mode, model) in failed:
                        continue
                    command, env = [python, __file__, "--worker", tool, mode, json.dumps(described["model"]), *numbers], None
                result, problem = measure(command, env)
                if problem and tool in KILN:
                    raise SystemExit(problem)
                if problem:
                    failed[tool, mode, model] = problem
                    continue
                rates[tool] += result["images_per_second"]
                faults += result.get("page_faults", []) if tool == "kiln" else []
        median = {tool: statistics.median(all) for tool, all in rates.items() if all}
        cells = [f"{median[tool]:.0f} ({max(rates[tool]):.0f})" if tool in median else "" for tool in rates]
        for of in (FLOAT32, FLOAT32 + BFLOAT16):
            best = max((median[tool] for tool in of if tool in median), default=0)
            cells += [f"{median[tool] / best:.2f}" if best else "" for tool in KILN]
        speed = median["kiln"] * described["operations"][mode] / 1e9
        cells += [f"{speed:.0f}", f"{speed / peaks['float32']:.2f}" if peaks["float32"] else "", f"{statistics.median(faults):g}"]
        print(f"| {mode} {model}, batch {batch} | {' | '.join(cells)} |", flush=True)
    for (tool, mode, model), problem in failed.items():
        print(f"\n{tool} did not {mode} {model}: {problem}")


if __name__ == "__main__":
    main()
