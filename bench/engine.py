"""The engine's own time beside ninja, n2 and DVC, and its hashing beside b3sum, interleaved.

    python3 bench/engine.py [--n2 PATH] [--b3sum PATH] [--before PATH] [--rounds 5] [--only no-op] [--scale 1.0]

makes a throwaway environment with ninja and DVC (or takes the one of --python), builds Kiln without its built-in stage
kinds, generates the same project for every tool, runs the tools in turn and prints the median of each one's wall time and
processor time, and Kiln's ratio to each peer, taken pair by pair. n2 and b3sum are not Python packages: give the paths of
binaries (`cargo install b3sum`; n2 is built from its repository), or they are left out. `--before` is an older build of Kiln.

The project: stages in ten layers, each `cksum in/I out/J out/K > out/I`, where J and K are two neighbours in the layer before,
so an edit of one file in the first layer reruns 55 stages. Two jobs. Files are in the page cache. Processor time counts a tool
and all it waited for; on a machine with other work it says more than wall time.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = 10
# Seconds between the cold runs of some thousands of stages and what is measured after them.
REST = 10
JOBS = "2"


# The projects ----------------------------------------------------------------------------------------------------


def stages(count):
    """(number, numbers of the stages it takes from) for each, producers first."""
    width = count // LAYERS
    for i in range(count):
        layer, column = divmod(i, width)
        before = (layer - 1) * width
        yield i, [] if layer == 0 else [before + column, before + (column + 1) % width]


def command(i, upstream):
    return " ".join(["cksum", f"in/{i}", *(f"out/{u}" for u in upstream), ">", f"out/{i}"])


def kiln_pipeline(count):
    lines = ["version: 1", "stages:"]
    for i, upstream in stages(count):
        taken = "".join(f", u{n}: {{from: s{u}.o}}" for n, u in enumerate(upstream))
        lines += [f"  s{i}:", f"    run: {command(i, upstream)}"]
        lines += [f"    inputs: {{i: in/{i}{taken}}}", f"    outputs: {{o: out/{i}}}"]
    return "\n".join(lines) + "\n"


def ninja_file(count):
    lines = ["rule c", "  command = cksum $in > $out"]
    for i, upstream in stages(count):
        lines.append(" ".join([f"build out/{i}: c in/{i}", *(f"out/{u}" for u in upstream)]))
    return "\n".join(lines) + "\n"


def dvc_file(count):
    lines = ["stages:"]
    for i, upstream in stages(count):
        lines += [f"  s{i}:", f"    cmd: {command(i, upstream)}", f"    deps: [{', '.join([f'in/{i}', *(f'out/{u}' for u in upstream)])}]"]
        lines += [f"    outs: [out/{i}]"]
    return "\n".join(lines) + "\n"


def project(folder, tool, count):
    """A new project for a tool; its inputs are the same bytes whatever the tool. Made in a process of its own: what this one
    has in memory counts for each that it starts."""
    child = os.fork()
    if child == 0:
        make_project(folder, tool, count)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit(f"cannot make {folder}")


def make_project(folder, tool, count):
    os.makedirs(os.path.join(folder, "in"))
    os.makedirs(os.path.join(folder, "out"))
    for i in range(count):
        with open(os.path.join(folder, "in", str(i)), "w") as file:
            file.write(f"input {i}\n")
    name, text = {
        "kiln": ("pipeline.yaml", kiln_pipeline),
        "before": ("pipeline.yaml", kiln_pipeline),
        "ninja": ("build.ninja", ninja_file),
        "n2": ("build.ninja", ninja_file),
        "dvc": ("dvc.yaml", dvc_file),
    }[tool]
    with open(os.path.join(folder, name), "w") as file:
        file.write(text(count))
    if tool == "dvc":
        subprocess.run(["git", "init", "-q", folder], check=True)
        subprocess.run([TOOLS["dvc"][0], "init", "-q"], cwd=folder, check=True)


# Measuring -------------------------------------------------------------------------------------------------------

TOOLS = {}


class Sample:
    """One run of a tool: wall and processor seconds, peak memory in MB, which is no less than this process has."""

    def __init__(self, argv, cwd):
        with tempfile.TemporaryFile() as output:
            begin = time.perf_counter()
            process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
            self.wall = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                raise SystemExit(f"{argv} failed:\n{output.read().decode(errors='replace')[-2000:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024


def say(case, samples):
    """A line of the table: medians, and the median over rounds of Kiln's ratio to each peer in the same round."""
    cells = []
    for tool, runs in samples.items():
        wall, cpu = statistics.median(r.wall for r in runs), statistics.median(r.cpu for r in runs)
        peak = f", {max(r.peak for r in runs):.0f} MB" if tool.startswith("kiln") else ""
        cells.append(f"{tool} {number(wall)} s ({number(cpu)} CPU{peak})")
    ratios = []
    for tool, runs in samples.items():
        if not tool.startswith("kiln"):
            wall = statistics.median(k.wall / r.wall for k, r in zip(samples["kiln"], runs))
            cpu = statistics.median(k.cpu / r.cpu for k, r in zip(samples["kiln"], runs))
            ratios.append(f"{wall:.2f} of {tool} ({cpu:.2f})")
    print(f"| {case} | {'; '.join(cells)} | {', '.join(ratios)} |", flush=True)


def number(seconds):
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}"


def same_outputs(folders):
    """The tools must have done the same work."""
    first, *others = folders.values()
    for name in os.listdir(os.path.join(first, "out")):
        with open(os.path.join(first, "out", name), "rb") as file:
            wanted = file.read()
        for folder in others:
            with open(os.path.join(folder, "out", name), "rb") as file:
                if file.read() != wanted:
                    raise SystemExit(f"{folder}/out/{name} differs from {first}/out/{name}")


# The cases -------------------------------------------------------------------------------------------------------


def cold(work, tools, count, rounds):
    """Returns the folders of the last round. All are kept till the end: where many files were deleted, some file systems take
    longer to make new ones, and the next tool would pay for it."""
    samples = {tool: [] for tool in tools}
    for n in range(rounds):
        folders = {}
        for tool in tools:
            folders[tool] = os.path.join(work, f"{tool}-{count}-{n}")
            project(folders[tool], tool, count)
            samples[tool].append(Sample(TOOLS[tool], folders[tool]))
    same_outputs(folders)
    say(f"cold, {count:,} stages", samples)
    return folders


def no_op(folders, count, rounds):
    for tool, folder in folders.items():
        # Once for the page cache, and once for what a tool keeps for next time.
        Sample(TOOLS[tool], folder)
        Sample(TOOLS[tool], folder)
    samples = {tool: [] for tool in folders}
    for _ in range(rounds):
        for tool, folder in folders.items():
            samples[tool].append(Sample(TOOLS[tool], folder))
    say(f"no-op, {count:,} stages", samples)


def edit(folders, count, rounds):
    samples, after = {tool: [] for tool in folders}, {tool: [] for tool in folders}
    for n in range(rounds):
        for tool, folder in folders.items():
            with open(os.path.join(folder, "in", str(17 * n)), "a") as file:
                file.write("edited\n")
            samples[tool].append(Sample(TOOLS[tool], folder))
            after[tool].append(Sample(TOOLS[tool], folder))
    same_outputs(folders)
    say(f"one edit, {count:,} stages (55 rerun)", samples)
    say(f"the first no-op after it, {count:,} stages", after)


def hashing(work, b3sum, rounds, scale):
    """A source that is looked at for the first time, and again: `--dry-run` reads what it must and executes nothing."""
    pipeline = "version: 1\nstages:\n  s: {run: ls > out/l, inputs: {i: SOURCE}, outputs: {o: out/l}}\n"
    big, many = os.path.join(work, "big"), os.path.join(work, "many")
    block = os.urandom(1 << 20)
    os.makedirs(os.path.join(big, "data"))
    with open(os.path.join(big, "data", "file"), "wb") as file:
        for i in range(int(2000 * scale)):
            file.write(i.to_bytes(8, "little") + block[8:])
    os.makedirs(os.path.join(many, "data"))
    for i in range(int(20_000 * scale)):
        with open(os.path.join(many, "data", str(i)), "wb") as file:
            file.write(i.to_bytes(8, "little") + block[8:10_000])
    time.sleep(0.1)
    for name, folder, source in (("2 GB in a file", big, "data/file"), ("20,000 files of 10 KB", many, "data")):
        with open(os.path.join(folder, "pipeline.yaml"), "w") as file:
            file.write(pipeline.replace("SOURCE", source))
        samples = {"kiln": []} | ({"b3sum": []} if b3sum else {})
        again = []
        files = [os.path.join("data", f) for f in sorted(os.listdir(os.path.join(folder, "data")))]
        for _ in range(rounds):
            shutil.rmtree(os.path.join(folder, "cache"), ignore_errors=True)
            if b3sum:
                samples["b3sum"].append(Sample([b3sum, "--num-threads", JOBS, *files], folder))
            samples["kiln"].append(Sample([TOOLS["kiln"][0], "run", "--dry-run"], folder))
            again.append(Sample([TOOLS["kiln"][0], "run", "--dry-run"], folder))
        say(f"hash {name}", samples)
        say(f"look again at {name}", {"kiln": again})


def memory(work, sizes, unit):
    """The peak of memory when a stage leaves a large file: executing, restoring, doing nothing."""
    for size in sizes:
        folder = os.path.join(work, f"memory-{size}")
        os.makedirs(os.path.join(folder, "out"))
        with open(os.path.join(folder, "pipeline.yaml"), "w") as file:
            file.write("version: 1\nstages:\n")
            file.write(f"  s: {{run: head -c {size * unit} /dev/urandom > out/o, outputs: {{o: out/o}}}}\n")
        say(f"execute, {size} MB left", {"kiln": [Sample(TOOLS["kiln"], folder)]})
        say(f"nothing to do, {size} MB", {"kiln": [Sample(TOOLS["kiln"], folder)]})
        os.remove(os.path.join(folder, "out", "o"))
        say(f"restore, {size} MB", {"kiln": [Sample(TOOLS["kiln"], folder)]})
        shutil.rmtree(folder)


# The comparison --------------------------------------------------------------------------------------------------


def environment(python, with_dvc):
    if python:
        return os.path.dirname(python)
    folder = tempfile.mkdtemp(prefix="kiln-bench-")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = os.path.join(folder, "bin", "python")
    print(f"installing ninja{' and DVC' if with_dvc else ''} in {folder}", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "ninja", *(["dvc"] if with_dvc else [])], check=True)
    return os.path.dirname(python)


def version(argv):
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True)
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.returncode == 0 else "?"


def machine():
    try:
        with open("/proc/cpuinfo") as info:
            lines = dict(line.strip().split("\t: ", 1) for line in info if "\t: " in line)
        return f"{lines.get('model name', '?')}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    except OSError:
        return platform.platform()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n2", help="an n2 binary")
    parser.add_argument("--b3sum", default=shutil.which("b3sum"), help="a b3sum binary")
    parser.add_argument("--kiln", help="a kiln binary, instead of building one")
    parser.add_argument("--before", help="an older kiln binary, as a peer")
    parser.add_argument("--python", help="a Python that has ninja (and DVC) beside it, instead of a throwaway environment")
    parser.add_argument("--no-dvc", action="store_true", help="leave DVC out: it takes half an hour")
    parser.add_argument("--rounds", type=int, default=5, help="of quick cases; cold ones run a third as often")
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction of the stages and bytes, to try things")
    parser.add_argument("--only", action="append", help="cold, no-op, edit, large, memory, hash, dvc, dvc-large; may be repeated")
    parser.add_argument("--work", help="where the projects are made; a temporary folder otherwise")
    arguments = parser.parse_args()
    wanted = lambda case: not arguments.only or case in arguments.only

    with_dvc = (wanted("dvc") or wanted("dvc-large")) and not arguments.no_dvc
    bin = environment(arguments.python, with_dvc)
    kiln = arguments.kiln
    if not kiln:
        build = ["cargo", "build", "--release", "--package", "kiln", "--no-default-features", "--locked"]
        subprocess.run(build, check=True, cwd=ROOT)
        kiln = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "kiln")
    TOOLS["kiln"] = [os.path.abspath(kiln), "run", "--quiet", "--jobs", JOBS]
    TOOLS["ninja"] = [os.path.join(bin, "ninja"), "--quiet", "-j", JOBS]
    if arguments.before:
        TOOLS["before"] = [os.path.abspath(arguments.before), *TOOLS["kiln"][1:]]
    if arguments.n2:
        TOOLS["n2"] = [os.path.abspath(arguments.n2), "-j", JOBS]
    if with_dvc:
        TOOLS["dvc"] = [os.path.join(bin, "dvc"), "repro", "--quiet"]
    names = {"ninja": "ninja", "n2": "n2", "dvc": "DVC"}
    versions = [version([TOOLS["kiln"][0]])] + [f"{n} {version(TOOLS[t][:1])}" for t, n in names.items() if t in TOOLS]
    if arguments.b3sum:
        versions.append(version([arguments.b3sum]))
    print(f"{time.strftime('%Y-%m-%d')}; {machine()}; {', '.join(versions)}; load {os.getloadavg()[0]:.1f}")
    print(f"{arguments.rounds} rounds, interleaved; median wall time (processor time); ratios pair by pair\n")
    print("| case | medians | Kiln takes |")
    print("| --- | --- | --- |")

    work = arguments.work or tempfile.mkdtemp(prefix="kiln-bench-")
    os.makedirs(work, exist_ok=True)
    tools = [tool for tool in TOOLS if tool != "dvc"]
    for count in (1000, 10_000):
        count = int(count * arguments.scale) // LAYERS * LAYERS
        if not any(wanted(case) for case in ("cold", "no-op", "edit")):
            continue
        folders = cold(work, tools, count, max(1, arguments.rounds // 3) if wanted("cold") else 1)
        # A file system without a journal steps over the numbers of files deleted in the last half minute.
        time.sleep(REST)
        if wanted("no-op"):
            no_op(folders, count, 2 * arguments.rounds)
        if wanted("edit"):
            edit(folders, count, arguments.rounds)
    if wanted("large"):
        large(os.path.join(work, "large"), int(100_000 * arguments.scale), arguments.rounds)
    if wanted("memory"):
        memory(work, (1, 2000), int(1_000_000 * arguments.scale))
    if wanted("hash"):
        hashing(work, arguments.b3sum, arguments.rounds, arguments.scale)
    for case, count, rounds in (("dvc", 100, 3), ("dvc-large", 1000, 1)):
        if with_dvc and wanted(case):
            folders = cold(os.path.join(work, case), ["kiln", "dvc"], count, 1)
            no_op(folders, count, rounds)
    if not arguments.work:
        shutil.rmtree(work)


def large(folder, count, rounds):
    """Plans of stages that never ran, and no-ops once they have."""
    project(folder, "kiln", count)
    plan = [TOOLS["kiln"][0], "run", "--dry-run", "--quiet"]
    say(f"the first plan, {count:,} stages", {"kiln": [Sample(plan, folder)]})
    say(f"plan, {count:,} stages", {"kiln": [Sample(plan, folder) for _ in range(rounds)]})
    say(f"cold, {count:,} stages", {"kiln": [Sample(TOOLS["kiln"], folder)]})
    say(f"the first no-op, {count:,} stages", {"kiln": [Sample(TOOLS["kiln"], folder)]})
    say(f"no-op, {count:,} stages", {"kiln": [Sample(TOOLS["kiln"], folder) for _ in range(rounds)]})
    say(f"plan with nothing to do, {count:,} stages", {"kiln": [Sample(plan, folder) for _ in range(rounds)]})


if __name__ == "__main__":
    main()
