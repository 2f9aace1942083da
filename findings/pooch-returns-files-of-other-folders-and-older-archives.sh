#!/usr/bin/env bash
# pooch: members=["fold1"] of an archive brings fold10 to fold12 too, and after an update the files of the old archive are still listed.
#
# Expected: The text of Unzip and Untar says that members are the files to unpack, that only these are unpacked, and that the list
#   holds all files of the extracted archive. When the registry has a new hash, pooch downloads the archive again and unpacks it.
# Happens: A member is the beginning of a path. fold1 is also fold10, fold11 and fold12, a slash at its end does not help, and
#   labels.csv is also labels.csv.orig. The list is made from the folder on disk, which an update does not empty: files that the
#   new archive does not have any more are returned beside the new ones. A fresh cache gives another list. There is no warning.
# Seen: pooch 1.9.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: pooch brings the data sets of scikit-image, SciPy, MNE and many others. Who fetches fold1 as the
#   test set tests on folds 10 to 12 too, on which the model was trained. A new version of a data set is published because
#   images were withdrawn or moved from train to test. Who updates keeps them, and has the moved ones in both parts, while a
#   colleague has not.
# Cause: startswith on whole paths in processors.py, and a walk through the folder with a suffix .unzip or .untar.
# Remedy: Filter the list by its folders, and delete the unpacked folder at each new version.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pooch==1.9.0

cat > check.py <<'EOF'
import importlib.metadata
import io
import os
import shutil
import sys
import tarfile
import warnings
import zipfile
import pooch
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("pooch", importlib.metadata.version("pooch"))
pooch.get_logger().setLevel("WARNING")

def publish(names):
    with zipfile.ZipFile("data.zip", "w") as file:
        for name in names:
            file.writestr(name, name)
    with tarfile.open("data.tar", "w") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            file.addfile(info, io.BytesIO(name.encode()))

def fetch(archive, members=None, cache="cache"):
    """The files that pooch returns, by their paths in the archive."""
    def download(url, output, _):
        shutil.copy(url.removeprefix("https://example.org/"), output)

    registry = {archive: pooch.file_hash(archive)}
    data = pooch.create(path=cache, base_url="https://example.org/", registry=registry)
    processor = (pooch.Unzip if archive.endswith("zip") else pooch.Untar)(members=members)
    found = data.fetch(archive, processor=processor, downloader=download)
    unpacked = os.path.join(os.path.abspath(cache), archive + (".unzip" if archive.endswith("zip") else ".untar"))
    return sorted(os.path.relpath(path, unpacked) for path in found)

folds = [f"fold{i}/{i}.png" for i in range(1, 13)]
labels = ["labels.csv", "labels.csv.orig"]
for archive in ("data.zip", "data.tar"):
    print(archive)
    shutil.rmtree("cache", ignore_errors=True)
    publish(folds + labels)
    for members, wanted in [
        (["fold1"], [folds[0]] + folds[9:]),
        (["fold1/"], [folds[0]] + folds[9:]),
        (["fold2"], [folds[1]]),
        (["labels.csv"], labels),
        (None, sorted(folds + labels)),
    ]:
        # Each with a cache of its own.
        found = fetch(archive, members, cache=f"{archive}-{members}".replace("/", "-slash"))
        print(f"  members={members}:", *found)
        check(found == sorted(wanted), f"members={members}: {found}")

    old = ["train/a.png", "train/b.png", "train/withdrawn.png", "test/c.png"]
    new = ["train/a.png", "test/b.png", "test/c.png"]
    publish(old)
    check(fetch(archive) == sorted(old), "the first version")
    publish(new)
    for members in (None, ["train", "test"]):
        found = fetch(archive, members)
        print(f"  updated, members={members}:", *found)
        check(found == sorted(set(old + new)), f"updated, members={members}: {found}")
        fresh = fetch(archive, members, cache=f"fresh-{archive}-{members}")
        check(fresh == sorted(new), f"a fresh cache, members={members}: {fresh}")
    print("  a fresh cache:", *fresh)
EOF
venv/bin/python check.py
