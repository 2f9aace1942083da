"""Tries examples for real: each is killed at random moments once a state is kept, made longer, and held against one that was never stopped,
bit for bit.

    python3 examples/try.py [--kiln PROGRAM] [--python PYTHON] [--kills 3] [NAME ...]

Without --python each gets a throwaway environment with its packages.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {
    "sklearn": ["scikit-learn"],
    "pytorch": ["torch", "numpy"],
    "keras": ["keras", "jax", "numpy"],
    "lightning": ["lightning", "torch"],
    "huggingface": ["transformers", "accelerate", "torch"],
}

# How many epochs are asked for first, and then; of quick ones more, so that there is time to kill between them.
EPOCHS = {"sklearn": (200, 300)}


class Project:
    def __init__(self, name, folder, kiln, python):
        shutil.copytree(HERE / name, folder, ignore=shutil.ignore_patterns("cache", "out", "__pycache__"))
        pipeline = folder / "pipeline.yaml"
        text = pipeline.read_text()
        if "    env: {" in text:
            text = text.replace("    env: {", "    env: {pass: [PYTHONPATH], ")
        else:
            text = text.replace("    run: python3", "    env: {pass: [PYTHONPATH]}\n    run: python3")
        pipeline.write_text(text)
        self.folder, self.kiln = folder, kiln
        path = f"{Path(python).parent}:{os.environ['PATH']}"
        self.env = dict(os.environ, PATH=path, PYTHONPATH=str(HERE.parent / "python/src"))
        self.env.pop("KILN_CACHE", None)

    def start(self, *args):
        out = open(self.folder / "said", "a")
        return subprocess.Popen([self.kiln, *args], cwd=self.folder, env=self.env, stdout=out, stderr=out)

    def run(self, *args):
        began = time.monotonic()
        if self.start(*args).wait() != 0:
            sys.exit((self.folder / "said").read_text())
        return time.monotonic() - began

    def kept(self, *args):
        """The number of the last step of the training whose state is kept."""
        words = [self.kiln, "status", "--json", *args]
        shown = json.loads(subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=True).stdout)
        causes = [cause for stage in shown["stages"] if stage["name"] == "train" for cause in stage["causes"]]
        return max((cause["step"] - 1 for cause in causes if cause["kind"] == "goes-on"), default=0)

    def outputs(self):
        files = sorted(path for path in (self.folder / "out").rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def attempt(name, kiln, python, kills, rng):
    first, then = (f"epochs={count}" for count in EPOCHS.get(name, (6, 9)))
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        straight = Project(name, scratch / "straight", kiln, python)
        took = straight.run("run", "--set", then)
        other = Project(name, scratch / "other", kiln, python)
        killed = []
        for _ in range(kills):
            before, begun = other.kept("--set", first), time.monotonic()
            child = other.start("run", "--set", first)
            # Each goes on beyond where the one before it was killed.
            while other.kept("--set", first) == before and child.poll() is None:
                time.sleep(0.1)
            time.sleep(took / 40 * rng.random())
            child.send_signal(signal.SIGKILL)
            child.wait()
            killed.append(f"{time.monotonic() - begun:.1f} s behind epoch {other.kept('--set', first)}")
        other.run("run", "--set", first)
        other.run("run", "--set", then)
        said = (other.folder / "said").read_text()
        resumed = [line for line in said.splitlines() if "resumed at" in line]
        same = straight.outputs() == other.outputs()
        print(f"{name}: killed after {', '.join(killed)}; {len(resumed)} times resumed; {'the same' if same else 'DIFFERENT'}", flush=True)
        for line in resumed:
            print(f"  {line}")
        if not same:
            print(straight.outputs(), other.outputs(), sep="\n")
        checked = other.start("run", "--check-resume", "train", "--set", "epochs=3").wait()
        print(f"  --check-resume: {(other.folder / 'said').read_text().split('from the state of')[-1].splitlines()[1]}")
        return same and checked == 0 and bool(resumed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(PACKAGES))
    parser.add_argument("--kiln", default=str(HERE.parent / "target/release/kiln"))
    parser.add_argument("--python")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    rng, good = random.Random(args.seed), True
    for name in args.names:
        with tempfile.TemporaryDirectory() as scratch:
            python = args.python
            if python is None:
                subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
                python = f"{scratch}/bin/python3"
                subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[name]], check=True)
            good &= attempt(name, args.kiln, python, args.kills, rng)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
