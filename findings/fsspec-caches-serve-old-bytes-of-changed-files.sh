#!/usr/bin/env bash
# fsspec: simplecache and filecache go on serving the old bytes after the remote file has changed.
#
# Expected: A cache of remote files compares size, time or ETag before it serves a copy.
# Happens: Neither looks at the source again. filecache has an option, check_files=True, which is off. With its
#   default it serves a copy for a week. Even the length of the file is the old one.
# Seen: fsspec 2026.9.0 with the local file system, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: "filecache::s3://bucket/labels.csv" in a config keeps a machine on last week's labels, while another
#   machine reads the new ones.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check fsspec==2026.9.0

cat > check.py <<'EOF'
import inspect
import pathlib
import sys
import fsspec
from fsspec.implementations.cached import CachingFileSystem

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("fsspec", fsspec.__version__)
file = pathlib.Path("labels.csv").absolute()

def read(protocol, **options):
    options = {"cache_storage": f"cache-{protocol}-{len(options)}", **options}
    with fsspec.open(f"{protocol}::file://{file}", "rb", **{protocol: options}) as stream:
        return stream.read()

cases = {"simplecache": ("simplecache", {}), "filecache": ("filecache", {}), "filecache, check_files=True": ("filecache", {"check_files": True})}
seen = {}
for content in (b"old", b"newer"):
    file.write_bytes(content)
    for name, (protocol, options) in cases.items():
        seen.setdefault(name, []).append(read(protocol, **options))
for name, reads in seen.items():
    print(f"{name}: first read {reads[0]}, after the change {reads[1]}")
check(seen["simplecache"] == [b"old", b"old"], "simplecache is stale")
check(seen["filecache"] == [b"old", b"old"], "filecache is stale")
check(seen["filecache, check_files=True"] == [b"old", b"newer"], "check_files=True is right")
expiry = inspect.signature(CachingFileSystem.__init__).parameters["expiry_time"].default
print("filecache keeps a copy for", expiry / 86400, "days by default")
check(expiry == 7 * 86400, "a week")
EOF
venv/bin/python check.py
