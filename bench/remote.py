#!/usr/bin/env python3
"""Kiln's remote cache beside DVC's remote on one SeaweedFS: many small outputs, one large one, and a second push after one change.

    bench/remote.py --kiln target/release/kiln --weed target/seaweedfs/weed [--files 20000] [--large 1G] [--dvc dvc]

Everything happens in a temporary folder and on this machine: the server, both tools, no network. Each figure is the wall time of one
call, cold caches on the side that fetches. DVC is 3.67 with its S3 extra; without `dvc` its rows are left out.
"""
import argparse, json, os, re, shutil, socket, subprocess, sys, tempfile, time
from pathlib import Path

KEY, SECRET = "ADMINKEY", "adminsecret"
IDENTITIES = {"identities": [{"name": "admin", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
              "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}


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
            time.sleep(2)
            return server, f"http://127.0.0.1:{ports['s3']}"
        except OSError:
            time.sleep(0.1)


def timed(what, command, cwd, env, rows):
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{what}: {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    if what:
        rows.append((what, took))
        print(f"{what:<44} {took:8.2f} s", flush=True)


def content(number):
    """10 KB that do not compress and are nobody else's."""
    return os.urandom(10_000) if number >= 0 else b""


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


PIPELINE = """version: 1
remote: s3://cache/kiln
stages:
  small: {{run: 'cp -r data/small out/small', inputs: {{a: data/small}}, outputs: {{a: out/small}}}}
  large: {{run: 'cp data/large out/large', inputs: {{a: data/large}}, outputs: {{a: out/large}}}}
"""


def kiln(binary, data, work, env, rows):
    project = work / "kiln"
    project.mkdir()
    (project / "pipeline.yaml").write_text(PIPELINE.format())
    shutil.copytree(data, project / "data")
    run = lambda what, *args, cwd=project: timed(what, [binary, *args], cwd, env, rows)
    run("", "remote", "init")
    run("", "run", "--offline", "-q")
    run("kiln push, small files", "push", "small")
    run("kiln push, large file", "push", "large")
    (project / "data/small/0").write_bytes(content(0))
    run("", "run", "--offline", "-q")
    run("kiln push, one of the small files changed", "push")
    other = work / "kiln-2"
    other.mkdir()
    shutil.copy(project / "pipeline.yaml", other)
    shutil.copytree(project / "data", other / "data")
    run("kiln pull, small files", "pull", "small", cwd=other)
    run("kiln pull, large file", "pull", "large", cwd=other)
    for path in ["small/1", "large"]:
        assert (other / "out" / path).read_bytes() == (project / "data" / path).read_bytes()


def dvc(binary, data, work, env, endpoint, rows):
    project = work / "dvc"
    project.mkdir()
    env = {**env, "DVC_NO_ANALYTICS": "1"}
    run = lambda what, *args, cwd=project: timed(what, [binary, *args], cwd, env, rows)
    run("", "init", "--no-scm", "-q")
    run("", "remote", "add", "-d", "s", "s3://cache/dvc")
    run("", "remote", "modify", "s", "endpointurl", endpoint)
    shutil.copytree(data, project / "data")
    run("", "add", "-q", "data/small", "data/large")
    run("dvc push, small files", "push", "-q", "data/small.dvc")
    run("dvc push, large file", "push", "-q", "data/large.dvc")
    (project / "data/small/0").write_bytes(content(0))
    run("", "add", "-q", "data/small")
    run("dvc push, one of the small files changed", "push", "-q")
    other = work / "dvc-2"
    shutil.copytree(project, other, ignore=lambda folder, names: [n for n in names if n in ("cache", "tmp", "small", "large")])
    run("dvc pull, small files", "pull", "-q", "data/small.dvc", cwd=other)
    run("dvc pull, large file", "pull", "-q", "data/large.dvc", cwd=other)
    assert (other / "data/small/1").read_bytes() == (project / "data/small/1").read_bytes()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kiln", type=Path, required=True)
    args.add_argument("--weed", type=Path, required=True)
    args.add_argument("--files", type=int, default=20_000)
    args.add_argument("--large", type=size, default=size("1G"))
    args.add_argument("--dvc", default=shutil.which("dvc"))
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "data"
        (data / "small").mkdir(parents=True)
        for number in range(args.files):
            (data / "small" / str(number)).write_bytes(content(number))
        with open(data / "large", "wb") as file:
            for _ in range(args.large >> 20):
                file.write(os.urandom(1 << 20))
        (work / "server").mkdir()
        server, endpoint = serve(args.weed.absolute(), work / "server")
        env = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
               "AWS_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}
        rows = []
        try:
            kiln(args.kiln.absolute(), data, work, env, rows)
            if args.dvc:
                dvc(args.dvc, data, work, env, endpoint, rows)
        finally:
            server.kill()
            server.wait()
    print(f"\n{args.files} files of 10 KB, one of {args.large >> 20} MiB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
