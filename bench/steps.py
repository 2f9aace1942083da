"""What steps cost: a loop that does nothing but change a state of 100 MB and keep it, within Kiln and with plain `torch.save`.

    python3 bench/steps.py [--kiln PROGRAM] [--python PYTHON] [--megabytes 100] [--steps 12] [--rounds 5]

Both write a state a step, under another name first, and keep those that Kiln's default keeps: so many that they take no more than 1 GB. The
time is that of the loop in the script, from before the first step to after the last; rounds of the two are interleaved, and medians are told, with
the time of the whole run of Kiln. On a machine with other work the time of the processor in the script says more. It needs a Python with PyTorch; without --python a throwaway environment is made.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """
import os, sys, time
import torch

torch.set_num_threads(1)
megabytes, total = int(sys.argv[1]), int(sys.argv[2])
model = torch.nn.utils.skip_init(torch.nn.Linear, 1000, megabytes * 250, bias=False)
with torch.no_grad():
    model.weight.zero_()
within = "KILN_STATES" in os.environ

def plain():
    for step in range(1, total + 1):
        yield step
        torch.save({"model": model.state_dict()}, "states/new")
        os.rename("states/new", f"states/{step}")
        if step > 1000 // megabytes:
            os.remove(f"states/{step - 1000 // megabytes}")

if within:
    import kiln
    steps = kiln.steps(total, {"model": model})
else:
    os.makedirs("states")
    steps = plain()
began, before = time.perf_counter(), time.process_time()
for step in steps:
    with torch.no_grad():
        model.weight += 1
print("seconds", time.perf_counter() - began, time.process_time() - before, flush=True)
if within:
    kiln.outputs["done"].write_text("done")
"""

PIPELINE = """version: 1
stages:
  loop:
    run: @python loop.py @megabytes @total
    with: {steps: @total}
    steps: {parameter: steps}
    env: {pass: [PYTHONPATH]}
    inputs: {script: loop.py}
    outputs: {done: out/done}
"""


def seconds(text):
    """Seconds of the loop, and of the processor in it."""
    line = next(line for line in text.splitlines() if line.startswith("seconds "))
    return [float(word) for word in line.split()[1:]]


def one(folder, tool, python, kiln, megabytes, total):
    """Seconds of the loop, of the processor in it, and of all of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "loop.py").write_text(SCRIPT)
    words = [python, "loop.py", str(megabytes), str(total)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "python/src"), OMP_NUM_THREADS="1")
    if tool == "kiln":
        text = PIPELINE.replace("@python", python).replace("@megabytes", str(megabytes)).replace("@total", str(total))
        (folder / "pipeline.yaml").write_text(text)
        words = [kiln, "run"]
    began = time.perf_counter()
    ran = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - began
    if ran.returncode != 0:
        sys.exit(f"{tool}: {ran.stdout}{ran.stderr}")
    text = ran.stdout
    if tool == "kiln":
        text = subprocess.run([kiln, "log", "loop"], cwd=folder, capture_output=True, text=True, check=True).stdout
    os.sync()
    return *seconds(text), took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", default=str(ROOT / "target/release/kiln"))
    parser.add_argument("--python", help="a Python that has PyTorch")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=float, default=1.1, help="the share of plain `torch.save` that fails, if it is more")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        python = args.python
        if python is None:
            subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], check=True)
            python = str(scratch / "venv/bin/python")
            subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
        times = {"plain": [], "kiln": []}
        whole = {"plain": [], "kiln": []}
        processor = {"plain": [], "kiln": []}
        for number in range(args.rounds):
            # The first of a pair may find the disk busy with the last pair: each is first every other time.
            for tool in ["plain", "kiln"] if number % 2 == 0 else ["kiln", "plain"]:
                loop, busy, took = one(scratch / "project", tool, python, args.kiln, args.megabytes, args.steps)
                times[tool].append(loop)
                processor[tool].append(busy)
                whole[tool].append(took)
                print(f"{tool:6} {loop:7.2f} s in the loop ({busy:.2f} s of the processor), {took:7.2f} s in all", flush=True)
        shutil.rmtree(scratch / "project")
    medians = ({tool: statistics.median(all) for tool, all in which.items()} for which in (times, processor, whole))
    loop, busy, took = medians
    share = loop["kiln"] / loop["plain"]
    print(json.dumps({
        "megabytes": args.megabytes, "steps": args.steps, "loop": loop, "processor": busy, "whole": took,
        "share": round(share, 3), "share of the processor": round(busy["kiln"] / busy["plain"], 3), "share of the whole": round(took["kiln"] / took["plain"], 3),
    }, indent=1))
    if share > args.most:
        sys.exit(f"{share:.2f} of plain torch.save, and at most {args.most} is wanted")


if __name__ == "__main__":
    main()
