#!/usr/bin/env bash
# Luigi: tasks whose durations have the same whole seconds are one task, so only one of them runs, or one gets the file of another.
#
# Expected: Tasks with other parameters are other tasks. A TimeDeltaParameter is a timedelta, and its text says that a bare number
#   is a duration in seconds. 0.01 is read as 10 ms, and the task has it as 10 ms.
# Happens: The id of a task is made from the text of its parameters, and the text of a timedelta has whole seconds only: 5, 10 and
#   25 ms are "0 w 0 d 0 h 0 m 0 s", and 1 s is 1.5 s. Of several such tasks luigi.build runs one, and reports success and one
#   task. A task whose output has its task_id in the name finds the file of another duration and is complete. So it is
#   on the command line, with --hop 0.01. FloatParameter tells them apart.
# Seen: luigi 3.8.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Hops and windows of speech are 10 and 25 ms, bins of spikes 5 ms, and latencies of control are below a second. A sweep
#   over them gives one result, and each further value the file of the first one. Nothing fails unless a task asks for two
#   of them at once and each has an output of its own.
# Cause: TimeDeltaParameter.serialize takes days and seconds and leaves out microseconds.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export LUIGI_CONFIG_PATH="$dir/luigi.cfg"
touch luigi.cfg
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check luigi==3.8.1

cat > tasks.py <<'EOF'
import luigi

class Frames(luigi.Task):
    """Frames of a second of sound. The name of the file has the hop in it."""
    hop = luigi.TimeDeltaParameter()

    def output(self):
        return luigi.LocalTarget(f"frames-{self.hop.total_seconds()}.txt")

    def run(self):
        with self.output().open("w") as file:
            file.write(str(round(1 / self.hop.total_seconds())))

class ById(Frames):
    """The same, with the id of the task in the name."""
    def output(self):
        return luigi.LocalTarget(self.task_id + ".txt")

class ByFloat(ById):
    hop = luigi.FloatParameter()

    def run(self):
        with self.output().open("w") as file:
            file.write(str(round(1 / self.hop)))
EOF
cat > check.py <<'EOF'
import glob
import importlib.metadata
import os
import subprocess
import sys
from datetime import timedelta
import luigi
from tasks import ByFloat, ById, Frames

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("luigi", importlib.metadata.version("luigi"))
HOPS = [0.005, 0.01, 0.025]

def build(tasks):
    run = luigi.build(tasks, local_scheduler=True, detailed_summary=True, log_level="WARNING")
    check(run.status == luigi.LuigiStatusCode.SUCCESS, f"the run: {run.summary_text}")

def tasks(kind, hops):
    return [kind(hop=hop if kind is ByFloat else timedelta(seconds=hop)) for hop in hops]

def contents(all_tasks):
    """The text of the output of each task, or None."""
    return [task.output().open().read() if task.complete() else None for task in all_tasks]

frames = tasks(Frames, HOPS)
print("ids:", *sorted({task.task_id for task in frames}))
check(len({task.task_id for task in frames}) == 1 and frames[0] == frames[1], "the ids differ")
check([task.hop.total_seconds() for task in frames] == HOPS, "the parameters are not what was given")
check(Frames(hop=timedelta(seconds=1)).task_id == Frames(hop=timedelta(seconds=1.5)).task_id, "1 s and 1.5 s")
check(Frames(hop=timedelta(seconds=1)).task_id != Frames(hop=timedelta(seconds=2)).task_id, "1 s and 2 s are one")

build(frames)
found = contents(frames)
print("at once, a file for each hop: frames", found)
check(found.count(None) == 2, f"at once: {found}")

wanted = ["200", "100", "40"]
for kind, right in [(ByFloat, True), (ById, False)]:
    for hop in HOPS:
        build(tasks(kind, [hop]))
    found = contents(tasks(kind, HOPS))
    print(f"one after the other, {kind.__name__}: frames", found)
    check(found == (wanted if right else ["200"] * 3), f"{kind.__name__}: {found}")

for name in glob.glob("ById*.txt"):
    os.remove(name)
for hop in HOPS:
    command = [sys.executable, "-m", "luigi", "--module", "tasks", "ById", "--hop", str(hop), "--local-scheduler"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": "."})
files = {name: open(name).read() for name in glob.glob("ById*.txt")}
print("on the command line, --hop", *HOPS, "give the files", files)
check(list(files.values()) == ["200"], f"on the command line: {files}")
EOF
venv/bin/python check.py
