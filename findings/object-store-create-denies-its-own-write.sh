#!/usr/bin/env bash
# obstore and boto3: a conditional put says that the object exists already, and it is the caller's own write
# whose answer was lost.
#
# Expected: A caller that is told AlreadyExistsError has lost a race: another one has written the object. This is what
#   locks, leases and commits of table formats are built on.
# Happens: The connection ends between the write and its answer. The client sends the request again by itself, the
#   server finds what the first attempt wrote, and the caller is told that somebody else was first. The object has
#   the caller's own bytes. boto3 does the same with IfNoneMatch='*' and its default retries.
# Seen: obstore 0.12.1 (object_store 0.14.2), boto3 1.43.117 with the S3 server of moto 5.2.5, Python 3.11 on Debian
#   12, x86-64, in November 2026.
# Matters: Two workers can both believe that the other one holds the lock, and a commit that succeeded is reported as
#   a conflict. Who creates has to read the object back and compare.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check obstore==0.12.1 boto3==1.43.117 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5

cat > check.py <<'EOF'
import logging
import os
import socket
import sys
import threading
from importlib.metadata import version
os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
import boto3
import obstore
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("obstore", "boto3", "moto")))
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
target = server.get_host_and_port()

class Proxy:
    """Passes requests on. The answer to the first PUT is not passed back: the connection ends."""
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.puts = self.listener.getsockname()[1], 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def message(self, source):
        text = b""
        while b"\r\n\r\n" not in text:
            piece = source.recv(65536)
            if not piece:
                return None
            text += piece
        head, body = text.split(b"\r\n\r\n", 1)
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += source.recv(65536)
        return head + b"\r\n\r\n" + body

    def serve(self, client):
        while True:
            request = self.message(client)
            if request is None:
                return client.close()
            lines = request.split(b"\r\n\r\n", 1)
            head = [line for line in lines[0].split(b"\r\n") if not line.lower().startswith((b"expect:", b"connection:"))]
            with socket.create_connection(target) as onward:
                onward.sendall(b"\r\n".join(head + [b"Connection: close"]) + b"\r\n\r\n" + lines[1])
                answer = self.message(onward)
            if request.startswith(b"PUT"):
                self.puts += 1
                if self.puts == 1:
                    return client.close()
            client.sendall(answer)

admin = boto3.client("s3", endpoint_url="http://{}:{}".format(*target), aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
admin.create_bucket(Bucket="locks")
read = lambda key: admin.get_object(Bucket="locks", Key=key)["Body"].read()

proxy = Proxy()
store = S3Store("locks", endpoint=f"http://127.0.0.1:{proxy.port}", access_key_id="key", secret_access_key="secret", region="us-east-1",
                client_options={"allow_http": True})
try:
    obstore.put(store, "a", b"mine", mode="create", use_multipart=False)
    told = "created"
except AlreadyExistsError:
    told = "exists already"
print(f"obstore: told '{told}' after {proxy.puts} requests; the object holds {read('a')}")
check((told, proxy.puts, read("a")) == ("exists already", 2, b"mine"), "obstore denies its own write")

proxy = Proxy()
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{proxy.port}", aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
try:
    client.put_object(Bucket="locks", Key="b", Body=b"mine", IfNoneMatch="*")
    told = "created"
except ClientError as error:
    told = error.response["Error"]["Code"]
print(f"boto3: told '{told}' after {proxy.puts} requests; the object holds {read('b')}")
check((told, proxy.puts, read("b")) == ("PreconditionFailed", 2, b"mine"), "boto3 denies its own write")
server.stop()
EOF
venv/bin/python check.py
