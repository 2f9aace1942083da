#!/usr/bin/env bash
# jsonargparse: a class that sets a default by kwargs.setdefault("lr", 0.5) is made with the 0.1 of its base class.
#
# Expected: Without options, a program whose arguments come from a class makes the object that calling the class without arguments
#   makes. The documentation says that the resolver follows **kwargs by the source code, for a few ways of use, that it logs those
#   that it does not support, and that such parameters stay out of the configuration.
# Happens: For a subclass that gives **kwargs to its base class, the defaults are those of the base class, and they are always
#   passed. What the subclass does to kwargs in between is not looked at. So setdefault, "if not in kwargs" and kwargs = {...} | kwargs
#   have no effect, and the object has other parameters than one that is made in Python. The help and --print_config name 0.1, and
#   the log with all messages says nothing. It is the same when the class is chosen with --model. Where the subclass assigns
#   kwargs["lr"], the configuration that is printed and saved is not the one that is used.
# Seen: jsonargparse 4.53.0, Python 3.11 on Debian 12, x86-64, in November 2026. kwargs.pop("lr", 0.5) is supported and right, and
#   super().__init__(**{"lr": 0.5, **kwargs}) is not followed and right.
# Matters: This is how the Lightning command line and many training programs get their options. The class is right in notebooks and
#   tests, and the runs of the command line, with their saved configuration, are of another model. Nothing fails.
# Remedy: Name the parameter in the signature of the subclass, with its default.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export COLUMNS=200
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check "jsonargparse[signatures]==4.53.0" PyYAML==6.0.4

cat > models.py <<'PY'
class Model:
    def __init__(self, lr: float = 0.1, momentum: float = 0.9):
        self.lr, self.momentum = lr, momentum

class SetDefault(Model):
    def __init__(self, layers: int = 2, **kwargs):
        kwargs.setdefault("lr", 0.5)
        super().__init__(**kwargs)

class IfNotIn(Model):
    def __init__(self, layers: int = 2, **kwargs):
        if "lr" not in kwargs:
            kwargs["lr"] = 0.5
        super().__init__(**kwargs)

class Merged(Model):
    def __init__(self, layers: int = 2, **kwargs):
        kwargs = {"lr": 0.5} | kwargs
        super().__init__(**kwargs)

class Assigned(Model):
    def __init__(self, layers: int = 2, **kwargs):
        kwargs["lr"] = 0.5
        super().__init__(**kwargs)

class Popped(Model):
    def __init__(self, layers: int = 2, **kwargs):
        super().__init__(lr=kwargs.pop("lr", 0.5), **kwargs)

class MergedInCall(Model):
    def __init__(self, layers: int = 2, **kwargs):
        super().__init__(**{"lr": 0.5, **kwargs})

class Named(Model):
    def __init__(self, layers: int = 2, lr: float = 0.5, **kwargs):
        super().__init__(lr=lr, **kwargs)
PY
cat > train.py <<'PY'
import os
import sys
import models
from jsonargparse import ArgumentParser

parser = ArgumentParser()
parser.add_argument("--config", action="config")
if os.environ["CLASS"] == "Model":
    parser.add_subclass_arguments(models.Model, "model")  # the class is chosen with --model
else:
    parser.add_class_arguments(getattr(models, os.environ["CLASS"]), "model")
configuration = parser.parse_args()
print("made with", parser.instantiate(configuration).model.lr)
PY
cat > check.py <<'PY'
import importlib.metadata
import os
import subprocess
import sys
import models

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("jsonargparse", importlib.metadata.version("jsonargparse"))

def train(kind, *options):
    environment = os.environ | {"CLASS": kind, "JSONARGPARSE_DEBUG": "true"}
    done = subprocess.run([sys.executable, "train.py", *options], env=environment, capture_output=True, text=True)
    check(done.returncode == 0, f"{kind} {options}: {done.stderr}")
    log = [line for line in done.stderr.splitlines() if "unsupported" in line.lower() or "fail" in line.lower()]
    return done.stdout.strip(), log

print("class, in Python, by the command line, chosen with --model, in the configuration:")
for kind, made, recorded in [
    ("SetDefault", 0.1, 0.1),
    ("IfNotIn", 0.1, 0.1),
    ("Merged", 0.1, 0.1),
    ("Assigned", 0.5, 0.1),
    ("Popped", 0.5, 0.5),
    ("MergedInCall", 0.5, None),
    ("Named", 0.5, 0.5),
]:
    direct = getattr(models, kind)().lr
    (alone, log), (chosen, _) = train(kind), train("Model", "--model", f"models.{kind}")
    text = train(kind, "--print_config")[0]
    lines = [line.split(": ")[1] for line in text.splitlines() if line.strip().startswith("lr:")]
    config = float(lines[0]) if lines else None
    print(f"  {kind}: {direct}, {alone}, {chosen}, {config}")
    check(direct == 0.5, f"{kind}() has {direct}")
    check(alone == chosen == f"made with {made}", f"{kind}: {alone}, {chosen}")
    check(config == recorded, f"{kind}: the configuration has {config}")
    if recorded == 0.1:
        check(not log, f"{kind}: the log says {log}")
        check("default: 0.1" in train(kind, "--help")[0], f"{kind}: other help")

print("with --model.lr 0.3:")
for kind in ("SetDefault", "Assigned"):
    made, recorded = train(kind, "--model.lr", "0.3")[0], train(kind, "--model.lr", "0.3", "--print_config")[0]
    print(f"  {kind}: {made}, configuration with 0.3: {'lr: 0.3' in recorded}")
    check(made == ("made with 0.3" if kind == "SetDefault" else "made with 0.5") and "lr: 0.3" in recorded, f"{kind}: {made}, {recorded}")
PY
venv/bin/python check.py
