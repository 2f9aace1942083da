"""What `kiln import dvc` makes of projects of DVC's, held against what DVC itself reads in them.

    python3 bench/dvc_survey.py --kiln target/debug/kiln [--dvc PATH] NAME=FOLDER ...

FOLDER is a .git directory, which is checked out, or a folder; every project of DVC's within is a row of its own. Sources that are missing
are made up first, so that the pipeline can be loaded; nothing is executed. DVC tells each stage's command, dependencies, parameters
and outputs; Kiln's pipeline has to have the same. Differences that the import tells of are not counted. A table in Markdown goes to
standard output, and with `--details` each difference to standard error.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from dvc import Tools, call  # noqa: E402

# DVC prints one line a stage, also of frozen ones, and of .dvc files only the outputs.
READ = """
import json, os, sys
from dvc.repo import Repo
repo = Repo(".")
root = os.path.realpath(".")
def rel(out):
    path = out.fs_path if out.protocol == "local" else str(out)
    return os.path.relpath(path, root) if os.path.isabs(path) else path
stages, data = [], []
for stage in repo.index.stages:
    outs = [rel(out) for out in stage.outs]
    if stage.is_data_source:
        data += outs
        continue
    deps = [rel(dep) for dep in stage.deps if type(dep).__name__ == "Dependency"]
    params = [rel(dep) for dep in stage.deps if type(dep).__name__ == "ParamsDependency"]
    stages.append({"name": stage.addressing, "cmd": stage.cmd, "deps": deps, "params": params, "outs": outs, "frozen": stage.frozen,
                   "wdir": os.path.relpath(stage.wdir, root)})
json.dump({"stages": stages, "data": data}, sys.stdout)
"""


def roots(folder):
    found = sorted(path.parent for path in folder.rglob(".dvc") if path.is_dir() and ".git" not in path.parts)
    return found or [folder]


def made_up(root, read):
    """Puts a file or a folder where a source is missing."""
    outs = [out for stage in read["stages"] if not stage["frozen"] for out in stage["outs"]]
    paths = [path for stage in read["stages"] for path in stage["deps"] + stage["params"] + (stage["outs"] if stage["frozen"] else [])]
    for path in sorted(set(paths + read["data"]), key=len, reverse=True):
        place = root / path
        near = any(path == out or path.startswith(out + "/") or out.startswith(path + "/") for out in outs)
        if near or place.exists() or "://" in path or path.startswith(("/", "..")):
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("") if "." in place.name else place.mkdir(exist_ok=True)
        except OSError:
            pass


def words(text):
    return " ".join(text.split())


def runs(text, cmd):
    """Whether a command is in a text, in which a value may stand as a variable."""
    if "KILN_ARG" not in text:
        return words(cmd) in words(text) or words(cmd).replace("'", "'\"'\"'") in words(text)
    return any(re.search(r"\s*.*?\s*".join(re.escape(words(part)) for part in re.split(r'"?\$\{KILN_ARG_\w+\}"?', line)) + "$", words(cmd))
               for line in [text.replace("\n", " "), *text.splitlines()] if "KILN_ARG" in line)


def differences(read, kiln, imported):
    """What Kiln's stages do not have as DVC's do."""
    names = {result["stage"]: result["kiln"] for result in imported["results"]}
    stages = {stage["name"]: stage for stage in kiln["stages"]}
    told = [note["what"] for note in imported["notes"] if note["weight"] != "told"]
    out = []
    for stage in read["stages"]:
        if stage["frozen"]:
            continue
        own = stages.get(names.get(stage["name"], ""))
        if own is None:
            out.append(f"{stage['name']}: Kiln has no such stage")
            continue
        run = own["params"]["run"]
        text = run if isinstance(run, str) else run[-1]
        cmds = stage["cmd"] if isinstance(stage["cmd"], list) else stage["cmd"].splitlines()
        for cmd in cmds:
            # A line is found in the command, whatever stands around it.
            if not runs(text, cmd) and words(cmd) not in words(text):
                out.append(f"{stage['name']}: runs {text!r} and not {cmd!r}")
        inputs = [item["path"] for item in own["inputs"]]
        covered = lambda path: any(path == item or path.startswith(item + "/") or item.startswith(path + "/") for item in inputs)
        known = lambda path: any(f"`{path}" in text for text in told)
        for path in stage["deps"] + stage["params"]:
            if not covered(path) and not known(path):
                out.append(f"{stage['name']}: takes no {path}")
        outputs = sorted(item["path"] for item in own["outputs"] if not item["path"].startswith("out/done/"))
        if outputs not in (sorted(stage["outs"]), sorted(path for path in stage["outs"] if not known(path))):
            out.append(f"{stage['name']}: writes {outputs} and not {sorted(stage['outs'])}")
    return out


def survey(tools, name, root, rows, details):
    shutil.rmtree(root / "cache", ignore_errors=True)
    done = call([tools.python, "-c", READ], root, tools.env, check=False)
    checked = call([tools.kiln, "import", "dvc", "--check", "--json"], root, tools.env, check=False)
    why = done.stderr.strip().splitlines()[-1][:160] if done.returncode != 0 else ""
    if checked.returncode != 0:
        rows.append([name, "", "refused", "", "", f"{checked.stderr.strip()[:200]}" + (f"; DVC: {why}" if why else "")])
        return
    notes = json.loads(checked.stdout)["notes"]
    count = lambda weight: str(sum(note["weight"] == weight for note in notes))
    counts = f"{count('lost')}, {count('differs')}, {count('told')}"
    if why:
        rows.append([name, "refused", str(json.loads(checked.stdout)["stages"]), counts, "", "DVC: " + why])
        return
    read = json.loads(done.stdout)
    made_up(root, read)
    done = call([tools.kiln, "import", "dvc", "--json"], root, tools.env, check=False)
    if done.returncode != 0:
        rows.append([name, str(len(read["stages"])), "not loaded", counts, "", done.stderr.strip()[:300]])
        if details:
            print(f"{name}: {done.stderr}", file=sys.stderr)
        return
    imported = json.loads(done.stdout)
    adopted = sum(result["adopted"] for result in imported["results"])
    shown = call([tools.kiln, "show", "*", "--json"], root, tools.env, check=False)
    if shown.returncode != 0:
        out = ["cannot be shown: " + shown.stderr.strip()[:200]] if read["stages"] else []
    else:
        out = differences(read, json.loads(shown.stdout), imported)
    if details:
        for text in out:
            print(f"{name}: {text}", file=sys.stderr)
    said = "the same" if not out else f"{len(out)} differences: {out[0][:160]}"
    rows.append([name, str(len(read["stages"])), str(imported["stages"]), counts, str(adopted), said])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", default="target/debug/kiln")
    parser.add_argument("--dvc")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("projects", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kiln-dvc-") as scratch:
        tools = Tools(options.kiln, options.dvc, pathlib.Path(scratch))
        rows = []
        for text in options.projects:
            name, path = text.split("=", 1)
            folder = tools.scratch / re.sub(r"\W+", "-", name)
            if (pathlib.Path(path) / "HEAD").exists():
                folder.mkdir()
                subprocess.run(["git", "--git-dir", path, "--work-tree", str(folder), "checkout", "-f", "-q", "HEAD", "--", "."],
                               cwd=folder, stderr=subprocess.DEVNULL)
            else:
                shutil.copytree(path, folder, symlinks=True)
            for root in roots(folder):
                within = "" if root == folder else f" ({root.relative_to(folder)})"
                config = root / ".dvc/config"
                if not config.exists():
                    config.parent.mkdir(exist_ok=True)
                    config.touch()
                # Its own setting, if it has one, wants a Git repository.
                call([tools.dvc, "config", "core.no_scm", "true"], root, tools.env, check=False)
                survey(tools, name + within, root, rows, options.details)
        print("| project | stages by DVC | by Kiln | lost, differs, told | adopted | |\n| --- | ---: | ---: | --- | ---: | --- |")
        for row in rows:
            print("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")


if __name__ == "__main__":
    main()
