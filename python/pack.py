"""Packs a wheel of a program that is built: `python3 pack.py PROGRAM FOLDER [--platform manylinux_2_28_x86_64]`.

A wheel is a zip file: the module, the program as a script, and what installers want to know. The same files give the same wheel.
"""

import argparse
import base64
import hashlib
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

METADATA = """Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: {summary}
License-Expression: MIT
License-File: LICENSE
Requires-Python: {python}
Description-Content-Type: text/markdown

{readme}"""

WHEEL = """Wheel-Version: 1.0
Generator: pack.py
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def value(file, name):
    """A text of a TOML file, which is the first of its name there."""
    found = re.search(rf'^{name} = "(.*)"$', (HERE / file).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{file} has no {name}")
    return found.group(1)


def stripped(program):
    """The program without what debuggers read, if there is a `strip`."""
    tool = shutil.which("strip")
    if tool is None:
        return Path(program).read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "kiln"
        subprocess.run([tool, "-o", str(out), program], check=True)
        return out.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--platform", default=f"linux_{platform.machine()}", help="what machines it is for, as wheels say it")
    parser.add_argument("--level", type=int, default=9, help="how hard to compress, from 0 to 9")
    args = parser.parse_args()
    name, version = value("pyproject.toml", "name"), value("../Cargo.toml", "version")
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = METADATA.format(
        name=name,
        version=version,
        summary=value("pyproject.toml", "description"),
        python=value("pyproject.toml", "requires-python"),
        readme=(HERE / "README.md").read_text(encoding="utf-8"),
    )
    files = {
        f"kiln/{path.name}": path.read_bytes()
        for path in sorted((HERE / "src/kiln").iterdir())
        if path.suffix in (".py", ".typed")
    }
    files[f"{stem}.data/scripts/kiln"] = stripped(args.program)
    files[f"{stem}.dist-info/METADATA"] = metadata.encode()
    files[f"{stem}.dist-info/WHEEL"] = WHEEL.format(platform=args.platform).encode()
    files[f"{stem}.dist-info/licenses/LICENSE"] = (HERE / "../LICENSE").read_bytes()
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    record = f"{stem}.dist-info/RECORD"
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    args.folder.mkdir(parents=True, exist_ok=True)
    wheel = args.folder / f"{stem}-py3-none-{args.platform}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=args.level) as out:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            out.writestr(entry, content, compresslevel=args.level)
    print(wheel)


if __name__ == "__main__":
    main()
