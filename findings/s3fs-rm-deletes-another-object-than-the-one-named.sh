#!/usr/bin/env bash
# s3fs and the fsspec store of obstore: rm('run[1].pt') deletes run1.pt and leaves run[1].pt.
#
# Expected: The object that is named is deleted. exists, open, cat_file and pipe_file take the name as it is.
# Happens: rm, cat and mv of fsspec expand their argument as a pattern, also when an object of that very name
#   exists. rm deletes the other object, cat returns its bytes, and mv moves it. No error. fsspec on the local
#   disk deletes the right file, though cat reads the wrong one there too.
# Seen: s3fs 2026.9.0, obstore 0.12.1, fsspec 2026.9.0 with the S3 server of moto 5.2.5, Python 3.11 on Debian
#   12, x86-64, in November 2026.
# Matters: Tools name files after parameters, such as train[1].pt. Cleaning up one run deletes the result of
#   another.
# Source: github.com/fsspec/filesystem_spec/issues/838 tells of brackets in names
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check s3fs==2026.9.0 fsspec==2026.9.0 obstore==0.12.1 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5

cat > check.py <<'EOF'
import logging
import os
import sys
import tempfile
from importlib.metadata import version
os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
import fsspec
import s3fs
from moto.server import ThreadedMotoServer
from obstore.fsspec import FsspecStore

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("s3fs", "obstore", "fsspec", "moto")))
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
fs = s3fs.S3FileSystem(endpoint_url=endpoint, key="key", secret="secret", use_listings_cache=False)
store = FsspecStore("s3", endpoint=endpoint, access_key_id="key", secret_access_key="secret", region="us-east-1",
                    client_options={"allow_http": True})
fs.mkdir("models")

def after(action, on, base):
    for name in ("run[1].pt", "run1.pt", "run2.pt"):
        on.pipe_file(f"{base}/{name}", name.encode())
    check(on.exists(f"{base}/run[1].pt") and on.cat_file(f"{base}/run[1].pt") == b"run[1].pt", "exists and cat_file take the name")
    result = action(f"{base}/run[1].pt")
    left = sorted(path.removeprefix(f"{base}/") for path in on.find(base))
    on.rm(base, recursive=True)
    return result, left

local = fsspec.filesystem("file")
folder = tempfile.mkdtemp(dir=".")
cases = (("s3fs", fs, fs.rm, "models/a"), ("obstore", fs, store.rm, "models/b"), ("local disk", local, local.rm, os.path.abspath(folder)))
for name, on, remove, base in cases:
    _, left = after(remove, on, base)
    print(f"{name}: left after rm of run[1].pt:", left)
    check(left == (["run1.pt", "run2.pt"] if on is local else ["run2.pt", "run[1].pt"]), f"{name} removes what it removed")
read, _ = after(fs.cat, fs, "models/c")
print("s3fs: cat of run[1].pt:", read)
check(list(read.values()) == [b"run1.pt"], "cat reads the other object")
_, left = after(lambda path: fs.mv(path, "models/d/best.pt"), fs, "models/d")
print("s3fs: left after mv of run[1].pt to best.pt:", left)
check("run[1].pt" in left and "run1.pt" not in left, "mv moves the other object")
server.stop()
EOF
venv/bin/python check.py
