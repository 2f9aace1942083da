#!/usr/bin/env bash
# Papermill, Hydra and OmegaConf turn the short Git hash 12e4567 into infinity.
#
# Expected: A commit that is passed as a parameter stays text. The YAML reader below OmegaConf, PyYAML, reads it
#   as text.
# Happens: All digits but one e is a float to them, and too large a one. papermill -p, a Hydra override, an
#   OmegaConf dot list and an OmegaConf YAML text all give inf. A hash of digits becomes an integer, and 0 at
#   its head is lost in papermill.
# Seen: papermill 2.7.0, hydra-core 1.3.8, omegaconf 2.3.1, PyYAML 6.0.4, Python 3.11 on Debian 12, x86-64, in
#   November 2026.
# Matters: About one short hash in a hundred is of such a form. The run then records the version of its code as
#   inf, and cannot be traced.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check papermill==2.7.0 hydra-core==1.3.8 omegaconf==2.3.1 PyYAML==6.0.4

cat > check.py <<'EOF'
import json
import math
import random
import re
import subprocess
import sys
from importlib.metadata import version
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("papermill", "hydra-core", "omegaconf", "PyYAML")))
cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [], "source": "commit = ''"}
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
with open("in.ipynb", "w") as file:
    json.dump({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, file)

def papermill(commit):
    subprocess.check_call([sys.executable, "-m", "papermill", "--prepare-only", "-p", "commit", commit, "in.ipynb", "out.ipynb"],
                          stderr=subprocess.DEVNULL)
    with open("out.ipynb") as file:
        notebook = json.load(file)
    source = next("".join(c["source"]) for c in notebook["cells"] if "injected-parameters" in c["metadata"]["tags"])
    return source.split("commit = ")[1].strip()

hydra = lambda commit: OverridesParser.create().parse_override(f"commit={commit}").value()
commit = "12e4567"
readings = {
    "papermill -p": papermill(commit),
    "Hydra override": hydra(commit),
    "OmegaConf dot list": OmegaConf.from_dotlist([f"commit={commit}"]).commit,
    "OmegaConf YAML": OmegaConf.create(f"commit: {commit}").commit,
    "PyYAML": yaml.safe_load(f"commit: {commit}")["commit"],
}
for name, value in readings.items():
    print(f"{name}: {value!r}")
check("inf" in readings["papermill -p"], "papermill gives infinity")
for name in ("Hydra override", "OmegaConf dot list", "OmegaConf YAML"):
    check(math.isinf(readings[name]), f"{name} gives infinity")
check(readings["PyYAML"] == commit, "PyYAML gives text")
rng = random.Random(0)
hashes = ["".join(rng.choice("0123456789abcdef") for _ in range(7)) for _ in range(200_000)]
share = sum(bool(re.fullmatch(r"\d+e\d+", h)) and math.isinf(float(h)) for h in hashes) / len(hashes)
print(f"share of short hashes that are infinity as a float: {share:.2%}")
check(0.008 < share < 0.014, "about one in a hundred")
print("papermill -p commit 0123456:", papermill("0123456"))
check(papermill("0123456") == "123456", "papermill drops the 0 at the head")
EOF
venv/bin/python check.py
