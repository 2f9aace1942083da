"""How long a command waits for large inputs, in place and copied, in the same run; and a look at a million files.

    python3 bench/inputs.py --kiln target/release/kiln [--rounds 5] [--gigabytes 1.2] [--files 20000] [--tree 1000000] [--folder DIR]

Start: from the moment Kiln says that a stage starts to the first act of its command, which has a file of 1.2 GB, or a folder of 20,000 files, for an input. Rounds with
inputs in place and copied (`KILN_IN_PLACE=off`) take turns. Room: what the scratch directory holds while the command runs.
Look: `kiln run` over a folder of a million files of which none has changed; wall time, and the most memory.

Files are in the page cache. The folder should be on the disk that is meant, such as ext4.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

PIPELINE = """version: 1
stages:
  big:
    run: date +%s.%N >&2; du -s --apparent-size -B1 .. | cut -f1 >&2; head -c 1 big > out/big
    inputs: {big: big}
    outputs: {x: out/big}
  many:
    run: date +%s.%N >&2; du -s -B1 --one-file-system .. | cut -f1 >&2; cat many/7/7 > out/many
    inputs: {many: many}
    outputs: {x: out/many}
"""

TREE = """version: 1
stages:
  look:
    run: echo x > out/x
    inputs: {tree: tree}
    outputs: {x: out/x}
"""


def fill(folder, count):
    for first in range(0, count, 1000):
        inner = os.path.join(folder, str(first // 1000))
        os.makedirs(inner)
        for n in range(first, min(first + 1000, count)):
            with open(os.path.join(inner, str(n % 1000)), "w") as file:
                file.write(str(n))


def start(kiln, folder, stage, in_place):
    """Seconds from the start of the stage to its command, and bytes on disk beside it."""
    environment = {**os.environ, "KILN_IN_PLACE": "on" if in_place else "off"}
    child = subprocess.Popen([kiln, "run", "-v", "--force", stage, stage], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    began, how = None, []
    for line in child.stderr:
        if line.startswith(f"{stage}: started"):
            began = time.time()
        if "is read where it lies" in line or "is copied" in line:
            how.append(line.strip())
    if child.wait() != 0:
        raise SystemExit(f"{stage} failed")
    told = subprocess.run([kiln, "log", stage], cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    if in_place != any("where it lies" in line for line in how):
        raise SystemExit(f"{stage}: not as asked: {how}")
    return float(told[0]) - began, int(told[1])


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--kiln", required=True)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--gigabytes", type=float, default=1.2)
    ask.add_argument("--files", type=int, default=20000)
    ask.add_argument("--tree", type=int, default=1_000_000)
    ask.add_argument("--folder")
    asked = ask.parse_args()
    kiln = os.path.abspath(asked.kiln)
    folder = tempfile.mkdtemp(dir=asked.folder, prefix="kiln-inputs-")
    try:
        with open(os.path.join(folder, "pipeline.yaml"), "w") as file:
            file.write(PIPELINE)
        fill(os.path.join(folder, "many"), asked.files)
        with open(os.path.join(folder, "big"), "wb") as file:
            for _ in range(int(asked.gigabytes * 1000)):
                file.write(os.urandom(1_000_000))
        subprocess.run([kiln, "run", "--quiet"], cwd=folder, check=True)
        for stage in ["big", "many"]:
            times = {True: [], False: []}
            room = {}
            for _ in range(asked.rounds):
                for in_place in [True, False]:
                    seconds, held = start(kiln, folder, stage, in_place)
                    times[in_place].append(seconds)
                    room[in_place] = held
            ratio = statistics.median(slow / quick for quick, slow in zip(times[True], times[False]))
            for in_place in [True, False]:
                median, most = statistics.median(times[in_place]), max(times[in_place])
                print(f"{stage:5} {'in place' if in_place else 'copied':8} median {median * 1000:9.1f} ms  most {most * 1000:9.1f} ms")
            print(f"{stage:5} ratio {ratio:.0f}")
        if asked.tree:
            tree = os.path.join(folder, "tree")
            os.makedirs(tree)
            with open(os.path.join(tree, "pipeline.yaml"), "w") as file:
                file.write(TREE)
            fill(os.path.join(tree, "tree"), asked.tree)
            subprocess.run([kiln, "run", "--quiet"], cwd=tree, check=True)
            # What was written within the clock's grain is read once more.
            subprocess.run([kiln, "run", "--quiet"], cwd=tree, check=True)
            for _ in range(asked.rounds):
                began = time.time()
                pid = os.fork()
                if pid == 0:
                    os.chdir(tree)
                    os.execv(kiln, [kiln, "run", "--quiet"])
                _, status, used = os.wait4(pid, 0)
                print(f"look  {asked.tree} files {time.time() - began:6.2f} s  {used.ru_maxrss / 1024:6.0f} MB  exit {os.waitstatus_to_exitcode(status)}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
