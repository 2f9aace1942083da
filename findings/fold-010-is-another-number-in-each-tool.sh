#!/usr/bin/env bash
# Fold 010 is 8, 10 or a text, by the tool that reads it, and fold 08 beside it is not what one expects
# either.
#
# Expected: A number that is padded with zeros is that number, as int('010') gives 10. Or it is an error.
# Happens: OmegaConf, Kedro and the config file of Snakemake read 010 as 8 and 08 as text. jsonargparse reads
#   --fold 010 as 10 but --folds [010,011] as 8 and 9. Papermill and --config of Snakemake give 10. Hydra
#   keeps the text.
# Seen: omegaconf 2.3.1, hydra-core 1.3.8, kedro 1.7.0, jsonargparse 4.53.0, papermill 2.7.0, snakemake
#   9.27.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Folds, shards and array jobs are padded so that they sort. Fold 10 is trained as fold 8 once more,
#   and fold 10 never, without an error.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check omegaconf==2.3.1 hydra-core==1.3.8 kedro==1.7.0 jsonargparse==4.53.0 papermill==2.7.0 snakemake==9.27.1 PyYAML==6.0.4

cat > check.py <<'EOF'
import logging
import os
import pathlib
import subprocess
import sys
import typing
from importlib.metadata import version
os.environ.update(XDG_CACHE_HOME=os.path.abspath("cache"), DO_NOT_TRACK="1")
from hydra.core.override_parser.overrides_parser import OverridesParser
from jsonargparse import ArgumentParser
logging.disable(logging.INFO)
from kedro.framework.cli.utils import _split_params
from omegaconf import OmegaConf
from papermill.cli import _resolve_type

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("omegaconf", "hydra-core", "kedro", "jsonargparse", "papermill", "snakemake")))

def jsonargparse(kind, text):
    parser = ArgumentParser()
    parser.add_argument("--fold", type=kind)
    return parser.parse_args(["--fold", text]).fold

def snakemake(line, *args):
    pathlib.Path("config.yaml").write_text(line)
    pathlib.Path("Snakefile").write_text("configfile: 'config.yaml'\nopen('seen', 'w').write(repr(config['fold']))\nrule all:\n    input: 'Snakefile'\n")
    subprocess.run([sys.executable, "-m", "snakemake", "-n", "--quiet", *args], check=True, capture_output=True)
    return eval(pathlib.Path("seen").read_text())

readers = {
    "OmegaConf, file": lambda f: OmegaConf.create(f"fold: {f}").fold,
    "OmegaConf, dot list": lambda f: OmegaConf.from_dotlist([f"fold={f}"]).fold,
    "Kedro --params": lambda f: _split_params(None, None, f"fold={f}")["fold"],
    "Snakemake, file": lambda f: snakemake(f"fold: {f}"),
    "Snakemake --config": lambda f: snakemake("fold: 0", "--config", f"fold={f}"),
    "jsonargparse, int": lambda f: jsonargparse(int, f),
    "jsonargparse, list of int": lambda f: jsonargparse(typing.List[int], f"[{f},011]")[0],
    "Papermill -p": _resolve_type,
    "Hydra override": lambda f: OverridesParser.create().parse_override(f"fold={f}").value(),
}
seen = {}
for name, read in readers.items():
    seen[name] = [read("010")] + ([read("08")] if name != "jsonargparse, list of int" else [])
    print(f"{name}: 010 is {seen[name][0]!r}" + (f", 08 is {seen[name][1]!r}" if len(seen[name]) > 1 else ""))
for name in ("OmegaConf, file", "OmegaConf, dot list", "Kedro --params"):
    check(seen[name] == [8, "08"], f"{name} gives 8 and a text")
check(seen["Snakemake, file"] == [8, "08"] and seen["Snakemake --config"] == [10, 8], "Snakemake differs between file and command line")
check(seen["jsonargparse, int"] == [10, 8] and seen["jsonargparse, list of int"] == [8], "jsonargparse differs between a number and a list")
check(seen["Papermill -p"] == [10, 8], "Papermill gives 10")
check(seen["Hydra override"] == ["010", "08"], "Hydra gives text")
EOF
venv/bin/python check.py
