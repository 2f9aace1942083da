"""A script that is run without Kiln: what the pipeline file says of its stage, asked of the program `kiln`."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


class _Unknown(Exception):
    """Why nothing is known of the stage."""


@functools.lru_cache(maxsize=None)
def _found():
    try:
        return _find(), ""
    except _Unknown as why:
        return {}, str(why)


def stage():
    """`with`, `inputs`, `outputs` and `metrics` of the stage that runs this script; nothing if that is not known."""
    return _found()[0]


def why():
    """Why nothing is known of it."""
    return _found()[1]


def metrics():
    return stage().get("metrics")


def _find():
    script = Path(sys.argv[0] or ".").resolve()
    root = next((folder for folder in script.parents if (folder / "pipeline.yaml").is_file()), None)
    if root is None:
        raise _Unknown("the script is not run by Kiln, and there is no pipeline.yaml beside or above it")
    beside = Path(sys.executable).parent / "kiln"
    program = str(beside) if beside.is_file() else shutil.which("kiln")
    if program is None:
        raise _Unknown("the script is not run by Kiln, and the program `kiln` is not on PATH")

    def ask(*words):
        ran = subprocess.run([program, *words, "--json"], cwd=root, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise _Unknown(f"kiln {' '.join(words)} says: {ran.stderr.strip()}")
        return json.loads(ran.stdout)

    chosen = os.environ.get("KILN_STAGE")
    if chosen:
        return _of(ask("show", chosen)["stages"][0], root)
    name = script.relative_to(root).as_posix()
    using = []
    for listed in ask("list")["stages"]:
        if listed["uses"] is None and listed["variants"]:
            shown = ask("show", listed["variants"][0]["name"])["stages"][0]
            if name in _words(shown["params"]["run"]):
                using.append((listed, shown))
    if len(using) != 1 or len(using[0][0]["variants"]) != 1:
        found = [variant["name"] for listed, _ in using for variant in listed["variants"]]
        which = f"several stages run {name}: {', '.join(found)}" if found else f"no stage runs {name}"
        raise _Unknown(f"{which}. Name one in the variable KILN_STAGE")
    return _of(using[0][1], root)


def _words(run):
    return run if isinstance(run, list) else run.replace('"', " ").replace("'", " ").split()


def _of(shown, root):
    here = Path.cwd()

    def path(relative):
        place = root / relative
        return os.path.relpath(place, here)

    inputs = {}
    for item in shown["inputs"]:
        inputs.setdefault(item["input"], []).append(path(item["path"]))
    outputs = {item["output"]: path(item["path"]) for item in shown["outputs"]}
    found = {"with": shown["params"].get("with", {}), "inputs": inputs, "outputs": outputs}
    metrics = (shown["params"].get("steps") or {}).get("metrics")
    if metrics:
        found["metrics"] = outputs[metrics]
    return found
