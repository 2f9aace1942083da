"""Images a second of PyTorch on a GPU for the networks that `gpu check` measures, in every mode a user may pick; rows of JSON.

    python3 torch_rates.py ROWS [--device cuda:0] [--seconds 2] [--budget 150]

Modes: eager; channels last with the fused optimiser; that compiled; both with bfloat16 autocast. float32 is as PyTorch has it by default:
cuDNN may round the factors of convolutions (TF32), cuBLAS may not. Images lie on the device, where Kiln copies every batch there. Cases
that the budget of seconds leaves no time for are said, not measured.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import networks

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["model-1", "model-5", "resnet"]
BATCHES = [32, 128, 512]
MODES = ["eager", "channels last, fused", "channels last, fused, bfloat16", "compiled", "compiled, bfloat16"]
IMAGES, CLASSES = 3072, 10


def measure(torch, model, mode, batch, device, seconds, train):
    """Images a second, and the most memory in MiB."""
    torch.manual_seed(0)
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    net = networks.torch_network(model, CLASSES).to(device).train(train)
    x = torch.rand(IMAGES, 1, 28, 28, device=device)
    y = torch.randint(0, CLASSES, (IMAGES,), device=device)
    if mode != "eager":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimiser = networks.torch_optimiser(model, net.parameters(), mode != "eager" or None)
    run = torch.compile(net, dynamic=False) if "compiled" in mode else net
    autocast = torch.autocast(device.split(":")[0], torch.bfloat16, enabled="bfloat16" in mode)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=model["label_smoothing"])

    def step(start):
        if not train:
            with torch.inference_mode(), autocast:
                return run(x[start : start + batch])
        optimiser.zero_grad()
        with autocast:
            loss = loss_of(run(x[start : start + batch]), y[start : start + batch])
        loss.backward()
        optimiser.step()

    def wait():
        if cuda:
            torch.cuda.synchronize(device)

    for _ in range(5):
        step(0)
    wait()
    images, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for start in range(0, IMAGES, batch):
            step(start)
        wait()
        images += IMAGES
    rate = images / (time.perf_counter() - begin)
    return rate, torch.cuda.max_memory_allocated(device) / 2**20 if cuda else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--budget", type=float, default=150)
    parser.add_argument("--gpu", default=HERE / "gpu", help="the check program, which knows what a model file extends")
    parser.add_argument("--folder", default=HERE)
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.budget

    import torch

    with open(arguments.rows, "a", encoding="utf-8") as rows:

        def row(what, result):
            print(json.dumps({"what": what, "result": result}), file=rows, flush=True)
            print(f"| {what} | {result} | | |", flush=True)

        row("PyTorch", torch.__version__)
        models = {}
        for name in MODELS:
            said = subprocess.run([arguments.gpu, "model", arguments.folder, name], check=True, capture_output=True, text=True)
            models[name] = json.loads(said.stdout)
        # Compiling takes longest, so it comes last.
        for mode in MODES:
            for name, model in models.items():
                cases = [("train", batch) for batch in BATCHES if "compiled" not in mode or batch == 128]
                for train, batch in [*cases, ("infer", 512)] if "compiled" not in mode else cases:
                    what = f"{train} {name}, batch {batch}: PyTorch {mode}"
                    if time.monotonic() > end:
                        row(what, "no time left")
                        continue
                    try:
                        rate, memory = measure(torch, model, mode, batch, arguments.device, arguments.seconds, train == "train")
                    except Exception as error:  # A mode that fails is a row, not the end.
                        row(what, f"failed: {str(error).strip().splitlines()[0][:120]}")
                        continue
                    row(what, f"{rate:.0f} images/s" + (f", at most {memory:.0f} MiB" if memory else ""))


if __name__ == "__main__":
    sys.exit(main())
