#!/usr/bin/env bash
# fsspec: putting the same folder to the same place twice makes two copies, one inside the other.
#
# Expected: Uploading again overwrites what is there. The call is the same, so the layout is the same.
# Happens: If the target folder exists, the source folder goes into it, as with cp -r. The first call writes
#   up/rows.csv, the second up/data/rows.csv, and the old rows.csv stays. A third call changes nothing more.
# Seen: fsspec 2026.9.0 with the memory and the local file system, Python 3.11 on Debian 12, x86-64, in November
#   2026.
# Matters: A retried or repeated upload succeeds and leaves the old data where readers look for them.
# Source: The page "Copying files and directories" of the fsspec documentation describes the rule
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check fsspec==2026.9.0

cat > check.py <<'EOF'
import pathlib
import sys
import fsspec

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("fsspec", fsspec.__version__)
pathlib.Path("data").mkdir()
rows = pathlib.Path("data/rows.csv")
for protocol in ("memory", "file"):
    fs = fsspec.filesystem(protocol)
    base = "/bucket/up" if protocol == "memory" else str(pathlib.Path("up").absolute())
    layouts = []
    for content in ("old", "new", "newest"):
        rows.write_text(content)
        fs.put("data", base, recursive=True)
        layouts.append({path.removeprefix(base): fs.cat_file(path).decode() for path in sorted(fs.find(base))})
        print(f"{protocol}, after putting {content!r}:", layouts[-1])
    check(layouts[0] == {"/rows.csv": "old"}, "the first call writes into the target")
    check(layouts[1] == {"/data/rows.csv": "new", "/rows.csv": "old"}, "the second one below it")
    check(layouts[2] == {"/data/rows.csv": "newest", "/rows.csv": "old"}, "old data stay for ever")

fs = fsspec.filesystem("memory")
for content in ("old", "new"):
    rows.write_text(content)
    fs.put("data/", "/bucket/slash", recursive=True)
check({p: fs.cat_file(p) for p in fs.find("/bucket/slash")} == {"/bucket/slash/rows.csv": b"new"}, "data/ is put the same way twice")
print("with a slash after the source folder both calls do the same")
EOF
venv/bin/python check.py
