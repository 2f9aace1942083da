"""DVC and Kiln side by side: import a project, execute nothing, edit, and compare what each executes after the same edit.

    just bench-dvc --kiln target/debug/kiln [--dvc PATH] [--speed N] [NAME=GITDIR ...]

Without --dvc, DVC 3.67.1 is installed into a throwaway environment. Each NAME=GITDIR is a repository (a .git directory) that is checked
out; its programs (python, Rscript, ...) are replaced by a stub that writes the outputs of its stage from the contents of its dependencies,
so that neither packages nor data are needed. The generated projects run as they are. A table in Markdown goes to standard output.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

VERSION = "3.67.1"

STUB = '''#!{python} -I
"""Stands for a program: writes the outputs of the stage that it is called in, from what the stage depends on."""
import hashlib, json, os, pathlib, sys
table = json.load(open({table!r}))
if "KILN_OUTPUTS" in os.environ:
    # Kiln says which files are the stage's; the folder is the project's.
    outs = [path for path in json.loads(os.environ["KILN_OUTPUTS"]).values()]
    stage = next((stage for stage in table.values() if set(stage["outs"]) & set(outs)), None)
    if stage is None:
        # A stage without outputs leaves Kiln's mark by itself.
        sys.exit(0)
    here = pathlib.Path.cwd()
    while not any((here / dep).exists() for dep in stage["deps"]) and here != here.parent and stage["deps"]:
        here = here.parent
    root = here if stage["deps"] else pathlib.Path.cwd()
else:
    stage = table[os.environ["DVC_STAGE"]]
    root = pathlib.Path(os.environ["DVC_ROOT"])
digest = hashlib.sha256()
for dep in sorted(stage["deps"]):
    path = root / dep
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        digest.update(file.read_bytes())
for out in stage["outs"]:
    path = root / out
    text = digest.hexdigest()
    if out in stage["folders"]:
        path.mkdir(parents=True, exist_ok=True)
        (path / "part").write_text(text + out)
        for inner in stage["folders"][out]:
            (path / inner).parent.mkdir(parents=True, exist_ok=True)
            (path / inner).write_text(text + out + inner)
        continue
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({{"digest": text, "value": 1}}) if out.endswith(".json") else text + "\\n")
'''

PROGRAMS = ["python", "python3", "Rscript", "jupyter", "papermill", "poetry", "uv", "streamlit", "aws", "pwsh", "spacy"]

# What DVC makes of a project: name -> folders, dependencies, outputs, all from the project's root.
TABLE = """
import json, os, sys
from dvc.repo import Repo
repo = Repo(".")
root = os.path.realpath(".")
rel = lambda out: os.path.relpath(os.path.realpath(os.path.dirname(out.fs_path)) + "/" + os.path.basename(out.fs_path), root)
table = {}
for stage in repo.index.stages:
    if not stage.is_data_source and hasattr(stage, "name"):
        outs, deps = [rel(o) for o in stage.outs], [rel(d) for d in stage.deps if not type(d).__name__.startswith("Param")]
        params = [[rel(d), list(d.params)] for d in stage.deps if type(d).__name__ == "ParamsDependency"]
        slash = [rel(o) for o in stage.outs if o.def_path.endswith("/")]
        table[stage.addressing] = {"outs": outs, "deps": deps, "params": params, "frozen": stage.frozen, "slash": slash,
            "cmd": stage.cmd}
json.dump(table, sys.stdout)
"""


def call(command, cwd, env=None, check=True, quiet=True):
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command} in {cwd}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


class Tools:
    def __init__(self, kiln, dvc, scratch):
        self.kiln, self.scratch = str(pathlib.Path(kiln).resolve()), scratch
        if not dvc:
            venv = scratch / "venv"
            call([sys.executable, "-m", "venv", str(venv)], scratch)
            call([str(venv / "bin/pip"), "install", "-q", f"dvc=={VERSION}"], scratch)
            dvc = venv / "bin/dvc"
        self.dvc = str(dvc)
        self.python = str(pathlib.Path(dvc).parent / "python")
        self.env = dict(os.environ, DVC_NO_ANALYTICS="1", SHELL="/bin/bash", GIT_CEILING_DIRECTORIES=str(scratch))
        self.env.pop("KILN_CACHE", None)

    def with_stubs(self, folder):
        return dict(self.env, PATH=f"{folder}:{self.env['PATH']}")

    def repro(self, root, env):
        done = call([self.dvc, "repro", "-R", "."], root, env, check=False)
        ran = re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr)
        return sorted(set(ran)), done

    def table(self, root):
        return json.loads(call([self.python, "-c", TABLE], root, self.env).stdout)


def names(imported):
    """Kiln's name of a stage -> DVC's."""
    return {result["kiln"]: result["stage"] for result in imported["results"]}


def kiln_run(tools, root, env):
    done = call([tools.kiln, "run", "--json", "--keep-going"], root, env, check=False)
    if done.returncode == 2:
        raise RuntimeError(done.stderr)
    record = json.loads(done.stdout)
    executed = [s["name"] for s in record["stages"] if s["outcome"] == "executed"]
    failed = [s["name"] + ": " + (s["error"] or "") for s in record["stages"] if s["outcome"] == "failed"]
    return executed, failed


def compare(tools, name, make, edits, rows, env=None):
    """One project: both begin with what DVC ran; each edit is made in both."""
    root = tools.scratch / re.sub(r"\W+", "-", name)
    shutil.rmtree(root, ignore_errors=True)
    (root / "dvc").mkdir(parents=True)
    env = make(root / "dvc") or env or tools.env
    # Twice: DVC may want another look.
    _, done = tools.repro(root / "dvc", env)
    if done.returncode != 0:
        rows.append([name, "DVC itself does not run it", "", "", done.stderr.strip().splitlines()[-1][:120]])
        return
    shutil.copytree(root / "dvc", root / "kiln", symlinks=True)
    again, _ = tools.repro(root / "dvc", env)
    done = call([tools.kiln, "import", "dvc", "--json"], root / "kiln", env, check=False)
    if done.returncode != 0:
        rows.append([name, "import refused", "", "", done.stderr.strip()[:200]])
        return
    imported = json.loads(done.stdout)
    results, known = imported["results"], names(imported)
    adopted = sum(result["adopted"] for result in results)
    notes = len([note for note in imported["notes"] if note["weight"] != "told"])
    executed, failed = kiln_run(tools, root / "kiln", env)
    rows.append([name, "(no edit)", f"{len(again)} of {imported['stages']}", f"{len(executed)}; {adopted} adopted, {notes} notes",
                 "same" if not again and not executed else "; ".join(executed + failed)])
    for label, edit in edits:
        for side in ("dvc", "kiln"):
            edit(root / side)
        by_dvc, done = tools.repro(root / "dvc", env)
        try:
            executed, failed = kiln_run(tools, root / "kiln", env)
        except RuntimeError as error:
            executed, failed = [], [str(error)[:300]]
        by_kiln = sorted(known.get(stage, stage) for stage in executed)
        by_dvc = sorted(by_dvc)
        same = by_dvc == by_kiln
        only = [f"DVC only: {', '.join(sorted(set(by_dvc) - set(by_kiln)))}"] if set(by_dvc) - set(by_kiln) else []
        only += [f"Kiln only: {', '.join(sorted(set(by_kiln) - set(by_dvc)))}"] if set(by_kiln) - set(by_dvc) else []
        only += [text.replace("\n", " ")[:160] for text in failed]
        if done.returncode != 0:
            only.append("DVC: " + done.stderr.strip().splitlines()[-1][:120])
        rows.append([name, label, str(len(by_dvc)), str(len(by_kiln)), "same" if same and not only else "; ".join(only)])
    exported(tools, name, root / "kiln", env, rows)


def exported(tools, name, root, env, rows):
    """What DVC says of a project that Kiln ran last."""
    done = call([tools.kiln, "export", "dvc"], root, env, check=False)
    status = call([tools.dvc, "status"], root, env, check=False)
    said = " ".join((status.stdout + status.stderr).split())[:200] if done.returncode == 0 else done.stderr.strip()[:200]
    rows.append([name, "`kiln export dvc`, then `dvc status`", "", "", "same" if "up to date" in said else said])
    # The same after outputs were gone: what is exported then has to stand once they are back.
    table = tools.table(root)
    outs = [out for stage in table.values() if not stage["frozen"] for out in stage["outs"]]
    for out in outs[::2]:
        shutil.rmtree(root / out, ignore_errors=True) if (root / out).is_dir() else (root / out).unlink(missing_ok=True)
    call([tools.kiln, "export", "dvc"], root, env, check=False)
    kiln_run(tools, root, env)
    done = call([tools.kiln, "export", "dvc"], root, env, check=False)
    status = call([tools.dvc, "status"], root, env, check=False)
    said = " ".join((status.stdout + status.stderr).split())[:200] if done.returncode == 0 else done.stderr.strip()[:200]
    rows.append([name, "every second output deleted, export, run, export, `dvc status`", "", "", "same" if "up to date" in said else said])


def writer(files):
    def make(root):
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    return make


def edit(path, old, new):
    def change(root):
        file = root / path
        text = file.read_text()
        assert old in text, (path, old)
        file.write_text(text.replace(old, new, 1))
    return change


def append(path, text):
    def change(root):
        with open(root / path, "a") as file:
            file.write(text)
    return change


def generated(tools):
    """Projects with the features of DVC, each with edits."""
    def init(files):
        def make(root):
            call([tools.dvc, "init", "--no-scm", "-q"], root, tools.env)
            writer(files)(root)
        return make

    params = "lr: 0.5\nmodel:\n  depth: 3\n  name: m\nlist: [a, b]\nd:\n  x: {n: 1}\n  y: {n: 2}\nother: 1\nsteps: [1, 2]\n"
    yield "keys", init({"params.yaml": params, "in.txt": "1\n", "dvc.yaml": """stages:
  a:
    cmd: grep lr params.yaml > a.txt
    deps: [in.txt]
    params: [lr]
    outs: [a.txt]
  b:
    cmd: cat a.txt && grep depth params.yaml > b.txt
    deps: [a.txt]
    params: [model]
    outs: [b.txt]
  whole:
    cmd: wc -l < params.yaml > w.txt
    params: [{params.yaml: }]
    outs: [w.txt]
  item:
    cmd: echo 1 > i.txt
    params: [steps.0]
    outs: [i.txt]
"""}), [("a parameter of one stage", edit("params.yaml", "lr: 0.5", "lr: 0.6")),
        ("a parameter below a section", edit("params.yaml", "depth: 3", "depth: 4")),
        ("a parameter of no stage", edit("params.yaml", "other: 1", "other: 2")),
        ("a comment", append("params.yaml", "# note\n")),
        ("another spelling: 0.6 as 0.60", edit("params.yaml", "lr: 0.6", "lr: 0.60")),
        ("the second item of a list", edit("params.yaml", "steps: [1, 2]", "steps: [1, 3]")),
        ("a dependency", append("in.txt", "2\n"))]
    yield "templates", init({"params.yaml": params, "v.yaml": "w: 1\n", "dvc.yaml": """vars: [v.yaml, {k: hello}]
stages:
  t:
    cmd: echo ${lr} ${model.name} ${w} ${k} ${list[1]} > ${model.name}.txt
    outs: ['${model.name}.txt']
  each:
    foreach: ${list}
    do:
      cmd: echo ${item} > each-${item}.txt
      outs: ['each-${item}.txt']
  named:
    foreach: ${d}
    do:
      cmd: echo ${key} ${item.n} > named-${key}.txt
      outs: ['named-${key}.txt']
  grid:
    matrix: {m: [1, 2], l: '${list}'}
    cmd: echo ${item.m} ${item.l} > grid-${item.m}-${item.l}.txt
    outs: ['grid-${item.m}-${item.l}.txt']
  all:
    cmd: cat grid-1-a.txt grid-2-b.txt > all.txt
    deps: [grid-1-a.txt, grid-2-b.txt]
    outs: [all.txt]
"""}), [("a value in a command", edit("params.yaml", "lr: 0.5", "lr: 0.7")),
        ("a value of one variant", edit("params.yaml", "n: 2", "n: 5")),
        ("one more variant", edit("params.yaml", "list: [a, b]", "list: [a, b, c]")),
        ("a value of another file", edit("v.yaml", "w: 1", "w: 2"))]
    yield "commands", init({"in.txt": "b\na\n", "sub/x.txt": "1\n", "dvc.yaml": """stages:
  lines:
    cmd: |
      echo one > l.txt
      X=1
      echo "two $X" >> l.txt
    outs: [l.txt]
  listed:
    cmd: [echo 1 > m.txt, sort in.txt >> m.txt]
    deps: [in.txt]
    outs: [m.txt]
  pipe:
    cmd: cat in.txt | sort | head -1 > p.txt; true
    deps: [in.txt]
    outs: [p.txt]
  wdir:
    cmd: cat x.txt ../l.txt > y.txt
    wdir: sub
    deps: [x.txt, ../l.txt]
    outs: [y.txt]
  folded:
    cmd: >-
      cat in.txt
      l.txt
      > f.txt
    deps: [in.txt, l.txt]
    outs: [f.txt]
"""}), [("a dependency of three", append("in.txt", "c\n")), ("one in the other folder", append("sub/x.txt", "2\n")),
        ("a blank in a command", edit("dvc.yaml", "sort in.txt >> m.txt", "sort  in.txt >> m.txt"))]
    yield "outputs", init({"in.txt": "1\n", "data/a/1": "1\n", "data/b": "2\n", "dvc.yaml": """stages:
  folder:
    cmd: mkdir -p d && cp in.txt d/x && echo fixed > d/y
    deps: [in.txt]
    outs: [d]
  part:
    cmd: cat d/y > part.txt
    deps: [d/y]
    outs: [part.txt]
  tree:
    cmd: find data -type f | sort > tree.txt
    deps: [data]
    outs: [tree.txt]
  nothing:
    cmd: cat part.txt
    deps: [part.txt]
  metric:
    cmd: 'echo "{\\"n\\": $(wc -l < tree.txt)}" > m.json'
    deps: [tree.txt]
    metrics: [{m.json: {cache: false}}]
"""}), [("a dependency of a folder's stage", append("in.txt", "2\n")), ("a file of a folder", append("data/b", "3\n")),
        ("a new file in a folder", lambda root: (root / "data/a/2").write_text("x")),
        ("an output deleted", lambda root: (root / "part.txt").unlink())]
    yield "frozen, always, persist", init({"in.txt": "1\n", "dvc.yaml": """stages:
  get:
    cmd: echo data > data.txt
    outs: [data.txt]
  ice:
    cmd: cat in.txt > ice.txt
    deps: [in.txt]
    frozen: true
    outs: [ice.txt]
  use:
    cmd: cat ice.txt data.txt > use.txt
    deps: [ice.txt, data.txt]
    outs: [use.txt]
  ever:
    cmd: echo 1 > ever.txt
    always_changed: true
    outs: [ever.txt]
  log:
    cmd: cat in.txt >> log.txt
    deps: [in.txt]
    outs: [{log.txt: {persist: true}}]
""", "ice.txt": "1\n"}), [("a dependency of a frozen stage", append("in.txt", "2\n"))]


def public(tools, git):
    """A repository with its programs replaced by stubs."""
    def make(root):
        # Large files may be absent in a mirror.
        call(["git", "--git-dir", git, "--work-tree", str(root), "checkout", "-f", "HEAD", "--", "."], root, check=False)
        shutil.rmtree(root / ".dvc", ignore_errors=True)
        for lock in [*root.rglob("dvc.lock"), *root.rglob("*.dvc")]:
            if lock.is_file():
                lock.unlink()
        call([tools.dvc, "init", "--no-scm", "-q", "-f"], root, tools.env)
        table = tools.table(root)
        outs = {out for stage in table.values() if not stage["frozen"] for out in stage["outs"]}
        everything = [dep for stage in table.values() for dep in stage["deps"]]
        for stage in table.values():
            stage["folders"] = {}
            for out in stage["outs"]:
                inner = sorted({dep[len(out) + 1:] for dep in everything if dep.startswith(out + "/")})
                if inner or out in stage["slash"] or "." not in pathlib.Path(out).name:
                    stage["folders"][out] = inner
        for stage in table.values():
            # What is not in the repository.
            lies = list(stage["deps"]) + (stage["outs"] if stage["frozen"] else [])
            for path in lies:
                made = any(path == out or path.startswith(out + "/") for out in outs)
                if not made and not (root / path).exists():
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    if "." in pathlib.Path(path).name:
                        (root / path).write_text(path)
                    else:
                        (root / path).mkdir()
                        (root / path / "file").write_text(path)
            # DVC makes no folder above an output.
            for out in stage["outs"]:
                (root / out).parent.mkdir(parents=True, exist_ok=True)
        folder = root.parent / "bin"
        folder.mkdir()
        (root.parent / "table.json").write_text(json.dumps(table))
        for program in PROGRAMS:
            stub = folder / program
            stub.write_text(STUB.format(python=sys.executable, table=str(root.parent / "table.json")))
            stub.chmod(0o755)
        return tools.with_stubs(folder)
    return make


def source_edits(root_table):
    """For a repository: edit the first file that a stage depends on and no stage writes, and a file of a later stage."""
    outs = {out for stage in root_table.values() for out in stage["outs"]}
    found = []
    for name, stage in root_table.items():
        if stage["frozen"]:
            continue
        for dep in stage["deps"]:
            made = any(dep == out or dep.startswith(out + "/") or out.startswith(dep + "/") for out in outs)
            if not made and dep not in found:
                found.append(dep)
    return found


def touch_source(dep):
    def change(root):
        path = root / dep
        if path.is_dir():
            path = sorted(p for p in path.rglob("*") if p.is_file())[0]
        with open(path, "ab") as file:
            file.write(b"\n# edited\n")
    return change


def edits_of(tools, root, table):
    """Edits that every repository gets: its first and its last source, and its first parameter that is a number or a text."""
    found = source_edits(table)
    edits = [(f"`{dep}`", touch_source(dep)) for dep in dict.fromkeys(found[:1] + found[-1:])]
    for stage in table.values():
        for path, keys in stage["params"]:
            if stage["frozen"] or not keys or not (root / path).is_file() or not path.endswith((".yaml", ".yml")):
                continue
            script = (
                "import sys; from ruamel.yaml import YAML; y = YAML(); y.preserve_quotes, y.width = True, 10000\n"
                "p, k = sys.argv[1:]; d = y.load(open(p))\n"
                "s = k.split('.'); n = d\n"
                "for x in s[:-1]: n = n[x]\n"
                "def turn(v):\n"
                "    if isinstance(v, bool): return not v\n"
                "    if isinstance(v, int): return v + 1\n"
                "    if isinstance(v, float): return v * 1.5\n"
                "    if isinstance(v, str): return v + 'x'\n"
                "    if isinstance(v, dict):\n"
                "        f = next(iter(v)); v[f] = turn(v[f]); return v\n"
                "    if isinstance(v, list): return v + v[:1]\n"
                "    return 'new'\n"
                "n[s[-1]] = turn(n[s[-1]]); y.dump(d, open(p, 'w'))\n")

            def change(root, path=path, key=keys[0]):
                call([tools.python, "-c", script, str(root / path), key], root)
            edits.append((f"parameter `{keys[0]}`", change))
            return edits
    return edits


def speed(tools, count, rows):
    """A no-op and an edit of one parameter, in projects of so many stages."""
    stages = "".join(
        f"  s{i}:\n    cmd: cat in.txt > o{i}.txt\n    deps: [in.txt]\n    params: [p{i}]\n    outs: [o{i}.txt]\n" for i in range(count))
    files = {"in.txt": "1\n", "dvc.yaml": "stages:\n" + stages, "params.yaml": "".join(f"p{i}: 1\n" for i in range(count))}
    root = tools.scratch / f"speed-{count}"
    (root / "dvc").mkdir(parents=True)
    call([tools.dvc, "init", "--no-scm", "-q"], root / "dvc", tools.env)
    writer(files)(root / "dvc")
    # DVC rewrites its lock with every stage; a lock of so many is put together from one.
    (root / "dvc/o0.txt").write_text("1\n")
    call([tools.dvc, "repro", "-q", "s0"], root / "dvc", tools.env)
    lock = (root / "dvc/dvc.lock").read_text()
    one = lock.split("stages:\n", 1)[1]
    text = "".join(re.sub(r"\bs0\b", f"s{i}", one).replace("o0.txt", f"o{i}.txt").replace("p0:", f"p{i}:") for i in range(count))
    (root / "dvc/dvc.lock").write_text("schema: '2.0'\nstages:\n" + text)
    for i in range(count):
        (root / f"dvc/o{i}.txt").write_text("1\n")
    shutil.copytree(root / "dvc", root / "kiln")

    def timed(command, cwd):
        """How long it takes, and how long it computes, which other programs on the machine do not change."""
        cpu = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        began, spent = time.perf_counter(), cpu()
        done = call(command, cwd, tools.env)
        return time.perf_counter() - began, cpu() - spent, done.stdout + done.stderr

    moved = timed([tools.kiln, "import", "dvc"], root / "kiln")
    kiln, dvc = [tools.kiln, "run"], [tools.dvc, "repro"]
    timed(kiln, root / "kiln"), timed(dvc, root / "dvc")
    for label, change in [("no-op", None), ("one parameter", "p1: 1")]:
        if change:
            for side in ("dvc", "kiln"):
                edit("params.yaml", change + "\n", "p1: 2\n")(root / side)
        by_dvc, by_kiln = timed(dvc, root / "dvc"), timed(kiln, root / "kiln")
        # A time counts only if both did what the edit asks for.
        ran = by_dvc[2].count("Running stage"), int((re.findall(r"(\d+) executed", by_kiln[2]) or [0])[0])
        assert ran == ((1, 1) if change else (0, 0)), f"{label}: DVC and Kiln executed {ran}"
        rows.append([f"{count} stages, {label}", f"{by_dvc[0]:.2f} s ({by_dvc[1]:.2f} s)", f"{by_kiln[0]:.3f} s ({by_kiln[1]:.3f} s)",
                     f"{by_dvc[0] / by_kiln[0]:.0f} x ({by_dvc[1] / by_kiln[1]:.0f} x)"])
        print(rows[-1], file=sys.stderr)
    rows.append([f"{count} stages, import with results", "", f"{moved[0]:.2f} s ({moved[1]:.2f} s)", ""])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", default="target/debug/kiln")
    parser.add_argument("--dvc")
    parser.add_argument("--speed", type=int, nargs="*", default=[])
    parser.add_argument("--only")
    parser.add_argument("repositories", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kiln-dvc-") as scratch:
        tools = Tools(options.kiln, options.dvc, pathlib.Path(scratch))
        rows = []
        for name, make, edits in generated(tools):
            if not options.only or options.only == name:
                compare(tools, name, make, edits, rows)
        for text in options.repositories:
            name, git = text.split("=", 1)
            make = public(tools, git)
            # Looked at once for its edits.
            probe = tools.scratch / "probe"
            shutil.rmtree(probe, ignore_errors=True)
            (probe / "p").mkdir(parents=True)
            make(probe / "p")
            table = tools.table(probe / "p")
            compare(tools, name, make, edits_of(tools, probe / "p", table), rows)
            print(f"{name}: done", file=sys.stderr)
        print("| project | edit | DVC executes | Kiln executes | |\n| --- | --- | --- | --- | --- |")
        for row in rows:
            print("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
        if options.speed:
            rows = []
            for count in options.speed:
                speed(tools, count, rows)
            print("\n| wall clock (processor) | DVC | Kiln | |\n| --- | ---: | ---: | ---: |")
            for row in rows:
                print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
